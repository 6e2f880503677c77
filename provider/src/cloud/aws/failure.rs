//! What AWS answers when it does not do what it was asked, by what the caller should do about it.

use crate::cloud::{Error, ErrorKind};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::fmt;

/// A result inside of this cloud; what was being done to which thing is added once, at its border.
pub(super) type Result<T> = std::result::Result<T, Failure>;

/// A call that failed, or something that we refuse ourselves.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    /// AWS's code; empty: AWS did not answer, or the refusal is ours.
    code: String,
    words: String,
}

impl Failure {
    /// Refuses something in our own words.
    pub(super) fn refused(kind: ErrorKind, words: impl Into<String>) -> Self {
        Self {
            kind,
            code: String::new(),
            words: words.into(),
        }
    }

    /// Reads what a call's error says. `permission` is the call as IAM names it:
    /// `ec2:DescribeImages`.
    pub(super) fn of<E>(permission: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        match error {
            SdkError::ServiceError(context) => {
                let is_server_fault = context.raw().status().is_server_error();
                Self::answered(permission, context.err().meta(), is_server_fault)
            }
            SdkError::ConstructionFailure(_)
            | SdkError::TimeoutError(_)
            | SdkError::DispatchFailure(_)
            | SdkError::ResponseError(_)
            | _ => Self::unanswered(permission, error),
        }
    }

    fn answered(
        permission: &str,
        meta: &aws_smithy_types::error::ErrorMetadata,
        is_server_fault: bool,
    ) -> Self {
        let code = meta.code().unwrap_or("an error without a code");
        let message = meta.message().unwrap_or("no message");
        let kind = if is_mistimed(code, message) {
            ErrorKind::Denied
        } else {
            kind_of(code, is_server_fault)
        };
        let said = format!("AWS answered {permission} with {code}: {message}");
        let words = match kind {
            ErrorKind::Denied if is_mistimed(code, message) => format!(
                "the clock of this machine is wrong by minutes, or a call was on its way for as long: \
                 {said}. Set the clock and apply again"
            ),
            ErrorKind::Denied if is_expired(code) => format!(
                "the credentials have expired: {said}. Renew them and apply again: what there is stays as \
                 it is, and the next apply goes on from there. Should it be told that this one holds \
                 the fleet's lease, that ends by itself within a minute and a half"
            ),
            ErrorKind::Denied => {
                format!("the credentials lack the permission {permission}: {said}")
            }
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict
            | ErrorKind::Throttled
            | ErrorKind::NoCapacity
            | ErrorKind::Invalid
            | ErrorKind::Unavailable => said,
        };
        Self {
            kind,
            code: code.to_owned(),
            words,
        }
    }

    /// The call may have had its effect, except where there were no credentials to make it with.
    fn unanswered(permission: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = chain(error);
        let kind = if chain.contains("redential") {
            ErrorKind::Denied
        } else {
            ErrorKind::Unavailable
        };
        let advice = if chain.contains("dns error") {
            ". There is nobody of that name: look at the region, and whether this machine reaches AWS"
        } else {
            ""
        };
        Self {
            kind,
            code: String::new(),
            words: format!("{permission} got no answer: {chain}{advice}"),
        }
    }

    /// The same as something that passes by itself.
    pub(super) fn passing(self) -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            ..self
        }
    }

    /// Whether AWS answered with this code.
    pub(super) fn has_code(&self, code: &str) -> bool {
        self.code == code
    }

    /// Says in which region it was.
    pub(super) fn within(self, region: &str) -> Self {
        Self {
            words: format!("{region}: {}", self.words),
            ..self
        }
    }

    /// Says what is left behind that nobody will find again.
    pub(super) fn leaving(self, what: &str) -> Self {
        Self {
            words: format!("{}. This leaves {what}: delete it by hand", self.words),
            ..self
        }
    }

    /// Says what could not be done, to what.
    pub(super) fn about(self, operation: impl Into<String>, subject: impl Into<String>) -> Error {
        Error::new(self.kind, operation, subject, self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Failure {}

/// What several calls made at once have told, or all that went wrong in one: where one of them can
/// never succeed, that decides what to do.
pub(super) fn each<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let (done, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let mut failed: Vec<Failure> = failed.into_iter().filter_map(Result::err).collect();
    failed.sort_by_key(|failure| failure.kind.is_transient());
    let words: Vec<&str> = failed
        .iter()
        .map(|failure| failure.words.as_str())
        .collect();
    let words = words.join("; ");
    match failed.into_iter().next() {
        Some(first) => Err(Failure { words, ..first }),
        None => Ok(done.into_iter().filter_map(Result::ok).collect()),
    }
}

/// The same of calls that tell nothing.
pub(super) fn all(results: Vec<Result<()>>) -> Result<()> {
    each(results).map(drop)
}

/// Joins an error with its causes; a cause that only repeats what is said already is left out.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    for cause in causes.take(16) {
        let more = cause.to_string();
        if !words.contains(&more) {
            words.push_str(": ");
            words.push_str(&more);
        }
    }
    words
}

fn is_expired(code: &str) -> bool {
    code.contains("Expired")
}

/// Whether a call was signed for another time than AWS's: a matter of clocks, not of credentials.
fn is_mistimed(code: &str, message: &str) -> bool {
    let said = ["Signature expired", "Signature not yet current"];
    ["RequestExpired", "RequestTimeTooSkewed"].contains(&code)
        || said.iter().any(|words| message.contains(words))
}

/// Sorts AWS's codes. The services agree on patterns more than on names, so the patterns come first
/// where they are safe; an unknown code of the 4xx kind can never succeed as it stands.
fn kind_of(code: &str, is_server_fault: bool) -> ErrorKind {
    const THROTTLED: [&str; 6] = [
        "Throttl",
        "RequestLimitExceeded",
        "TooManyRequests",
        "TooManyUpdates",
        "SlowDown",
        "BandwidthLimitExceeded",
    ];
    const DENIED: [&str; 9] = [
        "AccessDenied",
        "UnauthorizedOperation",
        "AuthFailure",
        "UnrecognizedClient",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "OptInRequired",
        "Expired",
        "MissingAuthenticationToken",
    ];
    const NO_CAPACITY: [&str; 8] = [
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientCapacity",
        "InstanceLimitExceeded",
        "VcpuLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "InsufficientFreeAddressesInSubnet",
        "SpotMaxPriceTooLow",
    ];
    const EXISTS: [&str; 3] = ["AlreadyExists", "DuplicateTargetGroupName", "PriorityInUse"];
    /// What is in use for a moment longer than it seems, or changes hands.
    const PASSES: [&str; 4] = [
        "ResourceInUse",
        "ResourceContention",
        "ScalingActivityInProgress",
        "IncorrectInstanceState",
    ];
    let has = |patterns: &[&str]| patterns.iter().any(|pattern| code.contains(pattern));
    if has(&THROTTLED) {
        ErrorKind::Throttled
    } else if has(&DENIED) {
        ErrorKind::Denied
    } else if has(&NO_CAPACITY) {
        ErrorKind::NoCapacity
    } else if code.contains("NotFound") {
        ErrorKind::NotFound
    } else if has(&EXISTS) {
        ErrorKind::AlreadyExists
    } else if is_server_fault || has(&PASSES) || code.starts_with("Internal") {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_wrong_is_told_from_credentials_that_have_expired() {
        let told = |code: &str, message: &str| {
            let meta = aws_smithy_types::error::ErrorMetadata::builder()
                .code(code)
                .message(message)
                .build();
            Failure::answered("ssm:GetParameters", &meta, false)
        };
        for (code, message) in [
            ("RequestExpired", "Request has expired."),
            (
                "InvalidSignatureException",
                "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z",
            ),
            (
                "SignatureDoesNotMatch",
                "Signature not yet current: 20260101T001000Z is still later than 20260101T000000Z",
            ),
        ] {
            let failure = told(code, message);
            assert_eq!(failure.kind, ErrorKind::Denied);
            assert!(failure.to_string().contains("clock"), "{failure}");
        }
        let expired = told("ExpiredTokenException", "The security token is expired");
        assert!(expired.to_string().contains("the credentials have expired"));
    }

    #[test]
    fn a_name_that_nobody_has_points_at_the_region() {
        let error = std::io::Error::other("dns error: Name or service not known");
        let failure = Failure::unanswered("ec2:DescribeImages", &error);
        assert_eq!(failure.kind, ErrorKind::Unavailable);
        assert!(failure.to_string().contains("look at the region"));
    }

    #[test]
    fn every_code_says_what_to_do() {
        let rows = [
            ("RequestLimitExceeded", false, ErrorKind::Throttled),
            ("ThrottlingException", false, ErrorKind::Throttled),
            ("Throttling", true, ErrorKind::Throttled),
            ("UnauthorizedOperation", false, ErrorKind::Denied),
            ("AccessDeniedException", false, ErrorKind::Denied),
            ("ExpiredToken", false, ErrorKind::Denied),
            ("InsufficientInstanceCapacity", false, ErrorKind::NoCapacity),
            (
                "InsufficientFreeAddressesInSubnet",
                false,
                ErrorKind::NoCapacity,
            ),
            ("InvalidAMIID.NotFound", false, ErrorKind::NotFound),
            ("ParameterNotFound", false, ErrorKind::NotFound),
            ("AlreadyExists", false, ErrorKind::AlreadyExists),
            ("PriorityInUse", false, ErrorKind::AlreadyExists),
            ("ResourceInUse", false, ErrorKind::Unavailable),
            ("InternalFailure", true, ErrorKind::Unavailable),
            ("ValidationError", false, ErrorKind::Invalid),
            ("InvalidParameterValue", false, ErrorKind::Invalid),
        ];
        for (code, is_server_fault, kind) in rows {
            assert_eq!(kind_of(code, is_server_fault), kind, "{code}");
        }
    }
}
