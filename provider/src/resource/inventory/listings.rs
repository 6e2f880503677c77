//! What `terraform query` finds: every fleet and every line of releases.

use super::survey::{Survey, release_id, unseen};
use crate::diagnostic::Diagnostics;
use crate::model::LineName;
use crate::resource::fleet::FleetResource;
use crate::resource::release::ReleaseResource;
use crate::resource::site::Configured;
use crate::resource::{Context, Listed, Listing};
use crate::rollout::World;
use crate::schema::{Applied, Attributes, Stage};
use futures_util::future::try_join_all;
use std::collections::BTreeSet;

/// The list of fleets.
#[derive(Debug)]
pub struct ListFleets;

/// Finds the fleets of the provider's cloud, whoever manages them.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct FleetFilter<S: Stage = Applied> {
    /// Only fleets that run a release of this line.
    #[tf(optional)]
    pub line: S::Of<Option<LineName>>,
}

impl Listing for ListFleets {
    type Of = FleetResource;
    type Filter<S: Stage> = FleetFilter<S>;

    async fn list(
        &self,
        context: &Context<Configured>,
        filter: FleetFilter,
    ) -> Result<Vec<Listed>, Diagnostics> {
        let site = context.configured.site("list fleets")?;
        let survey = Survey::of(site, None).await?;
        let line = filter.line.as_ref();
        let fleets = survey.fleets.iter();
        let found = fleets.filter(|(_, world)| line.is_none_or(|line| runs(world, line)));
        Ok(found
            .map(|(name, world)| Listed {
                identity: name.to_string(),
                display_name: format!("{name} ({})", running(world)),
            })
            .collect())
    }
}

fn runs(world: &World, line: &LineName) -> bool {
    let mut ids = world.generations.values().filter_map(release_id);
    ids.any(|id| id.line == *line)
}

/// What the generation that is trusted runs, or all that there is.
fn running(world: &World) -> String {
    let stable = world.stable.and_then(|it| world.generations.get(&it));
    let all = world.generations.values().map(|it| it.release.to_string());
    stable.map_or_else(
        || all.collect::<Vec<String>>().join(", "),
        |it| it.release.to_string(),
    )
}

/// The list of lines.
#[derive(Debug)]
pub struct ListReleases;

/// Finds the lines of releases of the provider's cloud, whoever manages them.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct ReleaseFilter<S: Stage = Applied> {
    /// `true`: only lines of which a fleet runs a release; `false`: only those that nobody runs.
    #[tf(optional)]
    pub used: S::Of<Option<bool>>,
}

impl Listing for ListReleases {
    type Of = ReleaseResource;
    type Filter<S: Stage> = ReleaseFilter<S>;

    async fn list(
        &self,
        context: &Context<Configured>,
        filter: ReleaseFilter,
    ) -> Result<Vec<Listed>, Diagnostics> {
        let site = context.configured.site("list releases")?;
        let names = site.cloud.lines().await.map_err(unseen)?;
        let lines = names.iter().map(|name| site.cloud.line(name));
        let lines = try_join_all(lines).await.map_err(unseen)?;
        let used = match filter.used {
            None => BTreeSet::new(),
            Some(_) => used_lines(&Survey::of(site, None).await?),
        };
        let is_wanted = |name: &LineName| match filter.used {
            None => true,
            Some(wanted) => used.contains(name) == wanted,
        };
        // A line of which nothing was ever accepted is nothing that a resource could manage.
        let found = lines.into_iter().flatten().filter_map(|line| {
            let current = line.current.filter(|_| is_wanted(&line.name))?;
            Some(Listed {
                identity: line.name.to_string(),
                display_name: current.to_string(),
            })
        });
        Ok(found.collect())
    }
}

fn used_lines(survey: &Survey) -> BTreeSet<LineName> {
    let worlds = survey.fleets.values();
    let generations = worlds.flat_map(|world| world.generations.values());
    let ids = generations.filter_map(release_id);
    ids.map(|id| id.line.clone()).collect()
}
