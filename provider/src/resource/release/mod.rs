//! `immutable_image_release`: a line of images and the release of it that is current.
//!
//! Start at [`ReleaseResource`]; what it does is in `apply`, what is known before in `plan`.

mod apply;
pub mod attributes;
mod bill;
mod history;
mod lost;
mod plan;
mod reach;
mod source;

use self::apply::Apply;
use self::attributes::{ImageRelease, Source, Version};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{LineName, Release};
use crate::resource::page;
use crate::resource::program::program;
use crate::resource::site::Configured;
use crate::resource::{Context, Outcome, Plan, Resource, trouble};
use crate::schema::{Bounded, Planned, Stage, Text, absent};
use crate::value::Path;
use std::time::Duration;

/// The resource `immutable_image_release`.
#[derive(Debug)]
pub struct ReleaseResource;

impl Resource for ReleaseResource {
    const NAME: &'static str = "image_release";
    type Model<S: Stage> = ImageRelease<S>;
    type Configured = Configured;

    fn validate(&self, config: &ImageRelease<Planned>) -> Diagnostics {
        let source = config.source.known().map(source::exactly_one);
        let verify = config.verify.given();
        let path = verify.and_then(|verify| verify.path.given());
        let path = path.and_then(|path| page::fault(path));
        let path = path.map(|why| Diagnostic::invalid(Path::of("verify").attribute("path"), why));
        let command = verify.and_then(|verify| verify.command.given());
        let command =
            command.and_then(|command| program(command, Path::of("verify").attribute("command")));
        let timeout = verify.and_then(|verify| verify.timeout.known());
        let timeout = timeout
            .filter(|text| text.duration() == Duration::ZERO)
            .map(|_| {
                Diagnostic::invalid(
                    Path::of("verify").attribute("timeout"),
                    "A member needs some time until it is well.",
                )
            });
        let sbom = config.sbom.given().filter(|path| path.is_empty());
        let sbom = sbom.map(|_| Diagnostic::invalid(Path::of("sbom"), "It must not be empty."));
        let aws = config.aws.given().map(reach::validate);
        source
            .into_iter()
            .flatten()
            .chain(aws.into_iter().flatten())
            .chain(sbom)
            .chain(path)
            .chain(command)
            .chain(timeout)
            .collect()
    }

    async fn plan(&self, context: &Context<Configured>, plan: &mut Plan<Self>) -> Diagnostics {
        plan::fill(plan);
        let Some(site) = context.configured.known() else {
            return Diagnostics::none();
        };
        let (prior, planned) = (plan.prior.as_ref(), &plan.planned);
        let mut told = plan::content(site, prior, planned).await;
        told.extend(plan::bill(site, prior, planned).await);
        told.extend(plan::reach(site, prior, planned).await);
        told
    }

    async fn create(
        &self,
        context: &Context<Configured>,
        want: ImageRelease,
    ) -> Outcome<ImageRelease> {
        apply(context, "create the release", None, want).await
    }

    async fn read(
        &self,
        context: &Context<Configured>,
        have: ImageRelease,
    ) -> Outcome<ImageRelease> {
        let site = match context.configured.site("read the release") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        match site.cloud.line(&have.name).await {
            Ok(None) => Outcome::gone(),
            // A line whose first release was never accepted holds nothing for Terraform yet.
            Ok(Some(line)) => match (history::told(have, &line), history::current(&line)) {
                (Some(told), Some(current)) => lost::as_found(site, told, current).await,
                (Some(_) | None, _) => Outcome::gone(),
            },
            Err(error) => Outcome::refused(trouble(&error)),
        }
    }

    async fn update(
        &self,
        context: &Context<Configured>,
        have: ImageRelease,
        want: ImageRelease,
    ) -> Outcome<ImageRelease> {
        apply(context, "update the release", Some(have), want).await
    }

    async fn delete(
        &self,
        context: &Context<Configured>,
        have: ImageRelease,
    ) -> Outcome<ImageRelease> {
        match context.configured.site("destroy the release") {
            Ok(site) => apply::remove(site, have).await,
            Err(error) => Outcome::refused(error),
        }
    }

    async fn import(&self, context: &Context<Configured>, name: &str) -> Outcome<ImageRelease> {
        let site = match context.configured.site("import the release") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        let name: LineName = match name.parse() {
            Ok(name) => name,
            Err(error) => return Outcome::refused(not_importable(name, &format!("{error}."))),
        };
        let line = match site.cloud.line(&name).await {
            Ok(line) => line,
            Err(error) => return Outcome::refused(trouble(&error)),
        };
        let found = line.as_ref().and_then(|line| {
            let current = history::current(line)?;
            history::told(imported(name.clone(), current)?, line)
        });
        found.map_or_else(
            || {
                let why = "There is no such line, or none of its releases was ever accepted.";
                Outcome::refused(not_importable(name.as_str(), why))
            },
            Outcome::done,
        )
    }
}

async fn apply(
    context: &Context<Configured>,
    purpose: &str,
    have: Option<ImageRelease>,
    want: ImageRelease,
) -> Outcome<ImageRelease> {
    let site = match context.configured.site(purpose) {
        Ok(site) => site,
        Err(error) => return Outcome::refused(error),
    };
    let cancel = &context.cancel;
    Apply {
        site,
        cancel,
        have,
        want,
    }
    .run()
    .await
}

fn not_importable(name: &str, why: &str) -> Diagnostic {
    Diagnostic::error(format!("Cannot import the line \"{name}\""), why)
}

/// A release as it would be configured if its image had been there from the first: where else its
/// content came from, the cloud does not remember.
fn imported(name: LineName, current: &Release) -> Option<ImageRelease> {
    let provenance = current.provenance.clone();
    Some(ImageRelease {
        name,
        version: Version::parse(&current.id.version)?,
        source: Source {
            image_id: Some(current.image_id.clone()),
            ..absent::<Source>()?
        },
        provenance: Some(provenance).filter(|it| !it.is_empty()),
        sbom: None,
        verify: None,
        keep: Bounded::new(3)?,
        aws: None,
        id: None,
        image_id: None,
        image_ids: None,
        digest: None,
        architecture: None,
        released_at: None,
        history: None,
    })
}
