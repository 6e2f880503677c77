//! The plan of a release: what is known of it before apply, and whether it can come true.

use super::attributes::{AwsRelease, ImageRelease, Past, Source};
use super::source::NoContent;
use super::{bill, reach};
use crate::cloud::ErrorKind;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::model::ReleaseId;
use crate::resource::site::Site;
use crate::resource::{Plan, trouble};
use crate::schema::{Applied, Field, Maybe, Planned};

use super::ReleaseResource;

/// Fills in what is computed. It looks at prior state and configuration alone.
pub(super) fn fill(plan: &mut Plan<ReleaseResource>) {
    let (name, version) = (&plan.planned.name, &plan.planned.version);
    plan.planned.id = match (name, version) {
        (Maybe::Known(name), Maybe::Known(version)) => {
            Maybe::Known(Some(format!("{name}@{}", version.as_str())))
        }
        (Maybe::Unknown, _) | (_, Maybe::Unknown) => Maybe::Unknown,
    };
    let Some(prior) = &plan.prior else {
        return;
    };
    if plan.changed(|release| &release.version) || plan.changed(|release| &release.name) {
        let past = past(prior, &plan.planned).cloned();
        let told = |field: fn(&Past) -> &String| match &past {
            Some(past) => Maybe::Known(Some(field(past).clone())),
            None => Maybe::Unknown,
        };
        let planned = &mut plan.planned;
        planned.image_id = told(|past| &past.image_id);
        planned.digest = told(|past| &past.digest);
        planned.released_at = told(|past| &past.released_at);
        planned.image_ids = Maybe::Unknown;
        planned.architecture = Maybe::Unknown;
        planned.history = Maybe::Unknown;
        return;
    }
    if plan.changed(|release| &release.aws) || prior.lacks_images() {
        plan.planned.image_ids = Maybe::Unknown;
    }
    let kept = prior.history.as_ref().map_or(0, Vec::len);
    let keep = plan.planned.keep.known().map(|keep| keep.get());
    let all_stay =
        keep.is_some_and(|keep| usize::try_from(keep).is_ok_and(|keep| kept <= keep + 1));
    // Whatever the apply is for, it also removes what is beyond `keep` and was in use until now.
    if plan.changed(|release| release) && !all_stay {
        plan.planned.history = Maybe::Unknown;
    }
}

/// The earlier release that a plan goes back to; absent: it goes to a new one, or to nobody knows
/// which.
fn past<'a>(prior: &'a ImageRelease, planned: &ImageRelease<Planned>) -> Option<&'a Past> {
    let version = planned.version.known()?;
    let same_line = planned.name.known() == Some(&prior.name);
    let mut history = prior.history.iter().flatten();
    history.find(|past| same_line && past.version == version.as_str())
}

/// Looks at the content that is there now. It yields messages only and nothing that is planned:
/// another content may be there when the apply comes.
pub(super) async fn content(
    site: &Site,
    prior: Option<&ImageRelease>,
    planned: &ImageRelease<Planned>,
) -> Diagnostics {
    let (Some(source), Some(version)) = (known(&planned.source), planned.version.known()) else {
        return Diagnostics::none();
    };
    let same_line = prior.filter(|prior| planned.name.known() == Some(&prior.name));
    let bound = same_line.and_then(|prior| prior.digest_of(version.as_str()));
    match (digest(site, &source).await, bound) {
        (Ok(digest), Some(bound)) if digest != bound => {
            changed_content(version.as_str(), bound, &digest, &source).into()
        }
        (Ok(_), _) => Diagnostics::none(),
        // What a version is bound to is in the cloud; its source may be long gone.
        (Err(_), Some(_)) => Diagnostics::none(),
        (Err(NoContent::Missing(missing)), None) => not_there_yet(missing).into(),
        (Err(NoContent::Refused(refused)), None) => refused.into(),
    }
}

/// Looks whether the release can be brought where it shall be, if that is about to change.
pub(super) async fn reach(
    site: &Site,
    prior: Option<&ImageRelease>,
    planned: &ImageRelease<Planned>,
) -> Diagnostics {
    let aws = Option::<AwsRelease<Applied>>::decode(&planned.aws.encode());
    // What cannot be read is not known yet.
    let Ok(Some(aws)) = aws else {
        return Diagnostics::none();
    };
    if prior.is_some_and(|prior| prior.aws.as_ref() == Some(&aws)) {
        return Diagnostics::none();
    }
    let checked = reach::check(site, &aws.reach(site)).await;
    checked.err().into_iter().collect()
}

/// Looks at the bill of materials that is there now.
pub(super) async fn bill(
    site: &Site,
    prior: Option<&ImageRelease>,
    planned: &ImageRelease<Planned>,
) -> Diagnostics {
    let (name, version) = (planned.name.known(), planned.version.known());
    let (Some(path), Some(name), Some(version)) = (planned.sbom.given(), name, version) else {
        return Diagnostics::none();
    };
    let same_line = prior.filter(|prior| prior.name == *name);
    let is_bound = same_line.is_some_and(|prior| prior.digest_of(version.as_str()).is_some());
    let id = ReleaseId {
        line: name.clone(),
        version: version.as_str().to_owned(),
    };
    bill::check(site, is_bound.then_some(&id), path).await
}

/// Returns the digest of a source's content.
pub(super) async fn digest(site: &Site, source: &Source) -> Result<String, NoContent> {
    let image = source.resolve(site)?;
    let facts = site.cloud.inspect(&image).await.map_err(|error| {
        let diagnostic = trouble(&error).at(source.blamed());
        match error.kind {
            ErrorKind::NotFound => NoContent::Missing(diagnostic),
            _ => NoContent::Refused(diagnostic),
        }
    })?;
    Ok(facts.digest)
}

/// Says that a version is bound to other content.
pub(super) fn changed_content(
    version: &str,
    bound: &str,
    found: &str,
    source: &Source,
) -> Diagnostic {
    Diagnostic::error(
        format!("Version {version} has other content than when it was released"),
        format!(
            "A release never changes. It was accepted with the content {bound}, and the source \
             holds {found} now. Give the new content a new version, or bring the earlier content \
             back. To destroy the line as it is, leave this plan out: terraform destroy \
             -refresh=false"
        ),
    )
    .at(source.blamed())
}

/// It may be built by another resource in the same apply.
pub(super) fn not_there_yet(missing: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        summary: format!("The {} of the release is not there yet", missing.path),
        detail: format!(
            "{}\n\nIf nothing in this apply makes it, the apply will fail.",
            missing.detail
        ),
        path: missing.path,
    }
}

/// Returns a source that is known in all its parts.
fn known(source: &Maybe<Source<Planned>>) -> Option<Source<Applied>> {
    Source::<Applied>::decode(&source.encode()).ok()
}
