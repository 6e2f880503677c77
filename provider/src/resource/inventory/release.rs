//! `immutable_image_release`, read: one release of a line that someone else manages.

use super::texts::Versions;
use crate::diagnostic::Diagnostic;
use crate::model::{Constraint, Line, LineName, Release, Scheme, compare};
use crate::resource::site::Configured;
use crate::resource::{Context, DataSource, Outcome, trouble};
use crate::schema::{Applied, Attributes, Stage};
use crate::value::Path;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The data source `immutable_image_release`.
#[derive(Debug)]
pub struct FindRelease;

/// One release of a line: the current one, or the newest whose version holds.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Wanted<S: Stage = Applied> {
    /// The line's name.
    #[tf(required)]
    pub name: S::Of<LineName>,
    /// Which release. Without it the line's current one; with an exact version that one; otherwise the
    /// highest version that holds among the releases that are no newer than the current one: what was
    /// taken in after it is still being tried, or was gone back from.
    #[tf(optional)]
    pub version: S::Of<Option<Versions>>,

    /// The release: `name@version`, as a fleet's `release` takes it.
    #[tf(computed)]
    pub id: S::Of<Option<String>>,
    /// The version that was found.
    #[tf(computed)]
    pub found_version: S::Of<Option<String>>,
    /// Whether it is the line's current release.
    #[tf(computed)]
    pub current: S::Of<Option<bool>>,
    /// Its image.
    #[tf(computed)]
    pub image_id: S::Of<Option<String>>,
    /// Its images by region; on the local cloud the one image under `local`.
    #[tf(computed)]
    pub image_ids: S::Of<Option<BTreeMap<String, String>>>,
    /// The hash of its content.
    #[tf(computed)]
    pub digest: S::Of<Option<String>>,
    /// The architecture that it runs on.
    #[tf(computed)]
    pub architecture: S::Of<Option<String>>,
    /// When it was accepted.
    #[tf(computed)]
    pub released_at: S::Of<Option<String>>,
    /// What was stored with it.
    #[tf(computed)]
    pub provenance: S::Of<Option<BTreeMap<String, String>>>,
}

impl DataSource for FindRelease {
    const NAME: &'static str = "image_release";
    type Model<S: Stage> = Wanted<S>;
    type Configured = Configured;

    async fn read(&self, context: &Context<Configured>, wanted: Wanted) -> Outcome<Wanted> {
        let site = match context.configured.site("find the release") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        let line = match site.cloud.line(&wanted.name).await {
            Ok(Some(line)) => line,
            Ok(None) => return Outcome::refused(no_line(&wanted.name)),
            Err(error) => return Outcome::refused(trouble(&error)),
        };
        match chosen(&line, wanted.version.as_ref().map(Versions::constraint)) {
            Some(release) => Outcome::done(found(&line, release, &wanted)),
            None => Outcome::refused(no_release(&line, &wanted)),
        }
    }
}

fn chosen<'a>(line: &'a Line, constraint: Option<&Constraint>) -> Option<&'a Release> {
    let current = line.current.as_ref();
    let current = line.releases.iter().find(|it| Some(&it.id) == current);
    let Some(constraint) = constraint else {
        return current;
    };
    let holds = |it: &&Release| constraint.holds(&it.id.version, Scheme::Plain) == Some(true);
    let holding = line.releases.iter().filter(holds);
    if constraint.exact().is_some() {
        return holding.reduce(newer);
    }
    let latest = current?.released_at;
    holding.filter(|it| it.released_at <= latest).reduce(newer)
}

/// The later of two releases by their versions, which may have an order or not.
fn newer<'a>(one: &'a Release, other: &'a Release) -> &'a Release {
    match compare(&other.id.version, &one.id.version, Scheme::Plain) {
        Some(Ordering::Greater) => other,
        Some(Ordering::Less | Ordering::Equal) | None => one,
    }
}

fn found(line: &Line, release: &Release, wanted: &Wanted) -> Wanted {
    Wanted {
        name: wanted.name.clone(),
        version: wanted.version.clone(),
        id: Some(release.id.to_string()),
        found_version: Some(release.id.version.clone()),
        current: Some(line.current.as_ref() == Some(&release.id)),
        image_id: Some(release.image_id.clone()),
        image_ids: Some(release.image_ids.clone()),
        digest: Some(release.digest.clone()),
        architecture: Some(release.architecture.clone()),
        released_at: Some(release.released_at.to_string()),
        provenance: Some(release.provenance.clone()),
    }
}

fn no_line(name: &LineName) -> Diagnostic {
    Diagnostic::error(
        format!("There is no line {name}"),
        "No release of that name was ever taken in where the provider is configured to look. Check \
         the name and the provider's settings.",
    )
    .at(Path::of("name"))
}

fn no_release(line: &Line, wanted: &Wanted) -> Diagnostic {
    let name = &line.name;
    let Some(versions) = &wanted.version else {
        return Diagnostic::error(
            format!("The line {name} has no current release"),
            "None of its releases was accepted yet. Say which one with version.",
        )
        .at(Path::of("name"));
    };
    let has = line.releases.iter().map(|it| it.id.version.as_str());
    let has: Vec<&str> = has.collect();
    let current = line.current.as_ref();
    let current = current.map_or("none", |id| id.version.as_str());
    Diagnostic::error(
        format!(
            "The line {name} has no release {}",
            versions.constraint()
        ),
        format!(
            "It has {}; current is {current}. Releases newer than the current one are found by their \
             exact version alone.",
            has.join(", ")
        ),
    )
    .at(Path::of("version"))
}
