//! What Terraform tells a plugin through its environment.

use std::path::PathBuf;

use super::error::Error;
use super::handshake::PROTOCOL;

/// Proves nothing and protects nothing: it tells a start by Terraform from a start by hand.
const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// What Terraform told this process.
#[derive(Debug, PartialEq)]
pub(super) struct Environment {
    /// Terraform's certificate in PEM. Absent when the user turned TLS off with
    /// `TF_DISABLE_PLUGIN_TLS`, and only then.
    pub(super) client_certificate: Option<String>,
    /// Where to put the socket. Terraform never says; other hosts of go-plugin do.
    pub(super) socket_directory: Option<PathBuf>,
}

impl Environment {
    /// Reads it through `variable`, which answers `None` for what is not set.
    ///
    /// # Errors
    /// [`Error::NotATerraform`] without the cookie, [`Error::NoCommonProtocol`] where protocol 6
    /// is not on offer.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        if variable(COOKIE_NAME).as_deref() != Some(COOKIE) {
            return Err(Error::NotATerraform);
        }
        if let Some(offered) = variable("PLUGIN_PROTOCOL_VERSIONS")
            && !offers(&offered, PROTOCOL)
        {
            return Err(Error::NoCommonProtocol { offered });
        }
        Ok(Self {
            client_certificate: variable("PLUGIN_CLIENT_CERT"),
            socket_directory: variable("PLUGIN_UNIX_SOCKET_DIR")
                .filter(|directory| !directory.is_empty())
                .map(PathBuf::from),
        })
    }
}

/// Whether `versions`, a list in any order such as `6,5`, holds `wanted`.
fn offers(versions: &str, wanted: u32) -> bool {
    versions
        .split(',')
        .any(|version| version.trim().parse() == Ok(wanted))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, Error> {
        Environment::read(|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn protocol_6_is_found_in_any_order() {
        for (versions, answer) in [
            ("5,6", true),
            ("6,5", true),
            ("6", true),
            (" 5, 6 ", true),
            ("5", false),
            ("7", false),
            ("16,66", false),
            ("", false),
            ("six", false),
        ] {
            assert_eq!(offers(versions, 6), answer, "{versions:?}");
        }
    }

    #[test]
    fn without_the_cookie_it_was_not_terraform() {
        for variables in [&[][..], &[(COOKIE_NAME, "guess")], &[(COOKIE_NAME, "")]] {
            assert!(
                matches!(read(variables), Err(Error::NotATerraform)),
                "{variables:?}"
            );
        }
    }

    #[test]
    fn a_terraform_without_protocol_6_is_told_so() {
        let error =
            read(&[(COOKIE_NAME, COOKIE), ("PLUGIN_PROTOCOL_VERSIONS", "4,5")]).unwrap_err();
        assert!(error.to_string().contains("offers only 4,5"), "{error}");
    }

    #[test]
    fn certificate_and_directory_are_taken_as_they_are() {
        let all = [
            (COOKIE_NAME, COOKIE),
            ("PLUGIN_PROTOCOL_VERSIONS", "6,5"),
            ("PLUGIN_CLIENT_CERT", "-----BEGIN"),
            ("PLUGIN_UNIX_SOCKET_DIR", "/run/here"),
        ];
        let environment = read(&all).unwrap();
        assert_eq!(
            environment.client_certificate.as_deref(),
            Some("-----BEGIN")
        );
        assert_eq!(
            environment.socket_directory,
            Some(PathBuf::from("/run/here"))
        );

        let none = Environment {
            client_certificate: None,
            socket_directory: None,
        };
        assert_eq!(read(&all[..2]).unwrap(), none);
        assert_eq!(
            read(&[all[0], ("PLUGIN_UNIX_SOCKET_DIR", "")]).unwrap(),
            none
        );
    }

    #[test]
    fn an_empty_certificate_is_not_the_absence_of_one() {
        let environment = read(&[(COOKIE_NAME, COOKIE), ("PLUGIN_CLIENT_CERT", "")]).unwrap();
        assert_eq!(environment.client_certificate.as_deref(), Some(""));
    }
}
