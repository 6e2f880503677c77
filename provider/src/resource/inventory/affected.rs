//! `immutable_affected_fleets`: which running fleets contain a package.

use super::fleets::Undecided;
use super::survey::{Survey, policy, release_id, unseen};
use super::texts::Versions;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{FleetName, GenerationNumber, Package, ReleaseId, Sbom};
use crate::resource::fleet::attributes::Role;
use crate::resource::fleet::observed::View;
use crate::resource::site::{Configured, Site};
use crate::resource::{Context, DataSource, Outcome};
use crate::rollout::{Generation, World};
use crate::schema::{Applied, Attributes, Planned, Stage};
use crate::value::Path;
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// The data source `immutable_affected_fleets`.
#[derive(Debug)]
pub struct AffectedFleets;

/// Which running fleets contain a package, by the bills of materials that were stored with their
/// releases (`sbom` of an `immutable_image_release`).
///
/// What it cannot tell it lists in `undecided`, with a warning: a fleet that runs a release without a
/// bill of materials may be affected as well as any other.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Search<S: Stage = Applied> {
    /// The package: its name (`openssl`), group and name (`org.apache.logging.log4j/log4j-core`) or
    /// package URL without version (`pkg:deb/debian/openssl`).
    #[tf(required)]
    pub package: S::Of<String>,
    /// Which versions of it; without it all. Packages of Linux distributions (deb, rpm, apk) are
    /// compared by their rules, where a bound without an epoch or a revision means every epoch and
    /// revision.
    #[tf(optional)]
    pub versions: S::Of<Option<Versions>>,

    /// The generations that contain it, by fleet.
    #[tf(computed)]
    pub fleets: S::Of<Option<Vec<Affected<S>>>>,
    /// Generations of which nobody can tell, by fleet.
    #[tf(computed)]
    pub undecided: S::Of<Option<Vec<Undecided<S>>>>,
}

/// A generation that contains the package.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Affected<S: Stage = Applied> {
    /// The fleet.
    #[tf(computed)]
    pub name: S::Of<String>,
    /// The number of its generation.
    #[tf(computed)]
    pub generation: S::Of<u32>,
    /// What that generation is for its fleet: `stable`, `candidate`, `condemned`, `previous` or
    /// `retiring`.
    #[tf(computed)]
    pub role: S::Of<Role>,
    /// Its share of the traffic in percent.
    #[tf(computed)]
    pub weight: S::Of<u32>,
    /// Its members.
    #[tf(computed)]
    pub members: S::Of<u32>,
    /// The release that it runs.
    #[tf(computed)]
    pub release: S::Of<String>,
    /// The image of that release.
    #[tf(computed)]
    pub image_id: S::Of<String>,
    /// The packages of that release which are meant.
    #[tf(computed)]
    pub packages: S::Of<Vec<FoundPackage<S>>>,
}

/// A package that was found.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct FoundPackage<S: Stage = Applied> {
    /// Its name, with the group before it where it has one.
    #[tf(computed)]
    pub name: S::Of<String>,
    /// Its version.
    #[tf(computed)]
    pub version: S::Of<String>,
    /// Its package URL without version; null where the bill of materials has none.
    #[tf(computed)]
    pub purl: S::Of<Option<String>>,
}

impl DataSource for AffectedFleets {
    const NAME: &'static str = "affected_fleets";
    type Model<S: Stage> = Search<S>;
    type Configured = Configured;

    fn validate(&self, search: &Search<Planned>) -> Diagnostics {
        let at = Path::of("package");
        let package = search.package.known().map(String::as_str);
        let refused = package.and_then(|package| match package {
            "" => Some("Name a package."),
            purl if purl.starts_with("pkg:") && purl.contains(['?', '#']) => Some(
                "Leave the qualifiers of the package URL out; versions are asked for with versions.",
            ),
            purl if purl.starts_with("pkg:") && has_version(purl) => Some(
                "Leave the version of the package URL out; versions are asked for with versions.",
            ),
            _ => None,
        });
        let refused = refused.map(|why| Diagnostic::invalid(at, why));
        refused.into_iter().collect()
    }

    async fn read(&self, context: &Context<Configured>, search: Search) -> Outcome<Search> {
        let site = match context.configured.site("find the affected fleets") {
            Ok(site) => site,
            Err(error) => return Outcome::refused(error),
        };
        match answer(site, search).await {
            Ok(answer) => {
                let warning = incomplete(&answer);
                warning
                    .into_iter()
                    .fold(Outcome::done(answer), Outcome::with)
            }
            Err(error) => Outcome::refused(error),
        }
    }
}

/// The version stands in the last part, behind an `@` that does not begin it.
fn has_version(purl: &str) -> bool {
    let last = purl.rsplit('/').next().unwrap_or_default();
    last.rfind('@').is_some_and(|at| at > 0)
}

type Bills<'a> = BTreeMap<&'a ReleaseId, Option<Sbom>>;

async fn answer(site: &Site, search: Search) -> Result<Search, Diagnostics> {
    let survey = Survey::of(site, None).await?;
    let bills = bills(site, &survey).await?;
    let mut affected = Vec::new();
    let mut undecided = Vec::new();
    for (name, world) in &survey.fleets {
        for (number, generation) in world.generations.iter().rev() {
            let bill = release_id(generation).and_then(|id| bills.get(id)?.as_ref());
            match search.judged(bill, generation) {
                Ok(packages) if packages.is_empty() => {}
                Ok(packages) => {
                    affected.push(found((name, world), (*number, generation), packages))
                }
                Err(reason) => undecided.push(Undecided {
                    fleet: name.to_string(),
                    generation: number.0,
                    release: generation.release.to_string(),
                    reason,
                }),
            }
        }
    }
    Ok(Search {
        fleets: Some(affected),
        undecided: Some(undecided),
        ..search
    })
}

/// Reads each release's bill once, however many generations run it.
async fn bills<'a>(site: &Site, survey: &'a Survey) -> Result<Bills<'a>, Diagnostics> {
    let worlds = survey.fleets.values();
    let generations = worlds.flat_map(|world| world.generations.values());
    let ids: BTreeSet<&ReleaseId> = generations.filter_map(release_id).collect();
    let bills = ids.into_iter().map(|id| async move {
        let bill = site.cloud.sbom(id).await?;
        Ok::<_, crate::cloud::Error>((id, bill))
    });
    let bills = try_join_all(bills).await.map_err(unseen)?;
    Ok(bills.into_iter().collect())
}

impl Search {
    /// Returns the packages of a bill that are meant, or why nobody can tell.
    fn judged(&self, bill: Option<&Sbom>, of: &Generation) -> Result<Vec<FoundPackage>, String> {
        let Some(bill) = bill else {
            return Err(match release_id(of) {
                Some(_) => "no bill of materials is stored with its release".to_owned(),
                None => "it runs an image as it stands, of which nothing is known".to_owned(),
            });
        };
        let named = bill.packages().iter().filter(|it| it.is(&self.package));
        let (mut meant, mut open) = (Vec::new(), None);
        for package in named {
            match self.holds(package) {
                Some(true) => meant.push(told(package)),
                Some(false) => {}
                None => open = Some(package),
            }
        }
        match (meant.is_empty(), open) {
            (true, Some(package)) => Err(no_order(package)),
            _ => Ok(meant),
        }
    }

    fn holds(&self, package: &Package) -> Option<bool> {
        match &self.versions {
            None => Some(true),
            Some(versions) => versions
                .constraint()
                .holds(&package.version, package.scheme()),
        }
    }
}

fn no_order(package: &Package) -> String {
    match package.version.as_str() {
        "" => format!(
            "it contains {} of a version that nobody tells",
            package.name
        ),
        version => format!(
            "it contains {} {version}, which does not begin with a number",
            package.name
        ),
    }
}

fn told(package: &Package) -> FoundPackage {
    FoundPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        purl: Some(package.purl.clone()).filter(|purl| !purl.is_empty()),
    }
}

fn found(
    (name, world): (&FleetName, &World),
    (number, generation): (GenerationNumber, &Generation),
    packages: Vec<FoundPackage>,
) -> Affected {
    let view = View {
        world,
        policy: &policy(world),
        held: None,
    };
    Affected {
        name: name.to_string(),
        generation: number.0,
        role: view.role(number, generation).0,
        weight: view.weight(number).percent().into(),
        members: u32::try_from(generation.members.len()).unwrap_or(u32::MAX),
        release: generation.release.to_string(),
        image_id: generation.image_id.clone(),
        packages,
    }
}

/// An answer that looks complete and is not would be worse than none.
fn incomplete(answer: &Search) -> Option<Diagnostic> {
    let open = answer.undecided.as_deref().unwrap_or_default();
    let lines = open.iter().map(|it| {
        let (fleet, generation) = (&it.fleet, it.generation);
        format!(
            "{fleet}, generation {generation} ({}): {}",
            it.release, it.reason
        )
    });
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| {
        Diagnostic::warning(
            format!(
                "Nobody can tell whether all fleets contain {}",
                answer.package
            ),
            format!(
                "These are listed in undecided:\n\n{}\n\nStore a bill of materials with their \
                 releases: sbom in immutable_image_release.",
                lines.join("\n")
            ),
        )
    })
}
