//! One look at every fleet, and at the lines whose releases they run.

use crate::cloud;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::{FleetName, GenerationNumber, Line, LineName, Release, ReleaseId, ReleaseRef};
use crate::resource::fleet::observed::{self, exists};
use crate::resource::site::Site;
use crate::resource::trouble;
use crate::rollout::{Generation, HoldPoint, Policy, Strategy, World};
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was seen.
#[derive(Debug)]
pub(super) struct Survey {
    /// The fleets, by name.
    pub(super) fleets: BTreeMap<FleetName, World>,
    lines: BTreeMap<LineName, Line>,
}

impl Survey {
    /// Looks at all fleets at once, or at one alone: a cloud answers many of them with few calls.
    ///
    /// # Errors
    /// One could not be observed. An answer without it would say that it does not run what was asked
    /// for, so there is none.
    pub(super) async fn of(site: &Site, only: Option<&FleetName>) -> Result<Self, Diagnostics> {
        let names = match only {
            Some(name) => vec![name.clone()],
            None => site.cloud.fleets().await.map_err(unseen)?,
        };
        let worlds = names.into_iter().map(|name| async {
            let world = site.cloud.glance(&name).await?;
            Ok::<_, cloud::Error>((name, world))
        });
        let worlds = try_join_all(worlds).await.map_err(unseen)?;
        let fleets: BTreeMap<FleetName, World> = worlds
            .into_iter()
            .filter(|(_, world)| exists(world))
            .collect();
        let lines = lines(site, &fleets).await?;
        Ok(Self { fleets, lines })
    }

    /// Returns what is known of the release that a generation runs; absent: it runs an image as it
    /// stands, or its release is gone.
    pub(super) fn release(&self, of: &Generation) -> Option<&Release> {
        let id = release_id(of)?;
        let line = self.lines.get(&id.line)?;
        line.releases.iter().find(|release| release.id == *id)
    }
}

/// Returns where the rollout of a fleet rests; absent: it does not. What it rests for, only the last
/// apply has said; where nothing is on trial, nobody needs to be asked.
pub(super) async fn held(
    site: &Site,
    fleet: &FleetName,
    world: &World,
) -> Result<Option<HoldPoint>, Diagnostics> {
    let is_on_trial = |(number, of): (&GenerationNumber, &Generation)| {
        let untried = of.retired_at.is_none() && of.promoted_at.is_none();
        world.stable != Some(*number) && untried && of.condemned.is_none()
    };
    if !world.generations.iter().any(is_on_trial) {
        return Ok(None);
    }
    let intent = site.cloud.intent(fleet).await.map_err(unseen)?;
    Ok(intent.and_then(|intent| observed::held(world, intent.goal, &intent.policy)))
}

/// What the policy of a fleet is, the cloud does not tell. A member counts that passes its checks in a
/// streak, and an earlier generation that is still there is kept on purpose.
pub(super) fn policy(world: &World) -> Policy {
    Policy {
        strategy: Strategy::BlueGreen,
        streak: world.settings.as_ref().map_or(1, |it| it.check.streak),
        steady: Duration::ZERO,
        settle: Duration::ZERO,
        bake: Duration::ZERO,
        alarms: Vec::new(),
        launch_deadline: Duration::MAX,
        drain: Duration::ZERO,
        keep_previous: Duration::MAX,
        keep_failed: false,
    }
}

/// Returns the release that a generation runs; absent: it runs an image as it stands.
pub(super) fn release_id(of: &Generation) -> Option<&ReleaseId> {
    match &of.release {
        ReleaseRef::Release(id) => Some(id),
        ReleaseRef::Image(_) => None,
    }
}

async fn lines(
    site: &Site,
    fleets: &BTreeMap<FleetName, World>,
) -> Result<BTreeMap<LineName, Line>, Diagnostics> {
    let generations = fleets.values().flat_map(|world| world.generations.values());
    let ids = generations.filter_map(release_id);
    let names: BTreeSet<&LineName> = ids.map(|id| &id.line).collect();
    let found = names.into_iter().map(|name| site.cloud.line(name));
    let found = try_join_all(found).await.map_err(unseen)?;
    let found = found.into_iter().flatten();
    Ok(found.map(|line| (line.name.clone(), line)).collect())
}

pub(super) fn unseen(error: cloud::Error) -> Diagnostics {
    let told = trouble(&error);
    let so = "Without it the answer would be incomplete, so there is none.";
    Diagnostic {
        detail: format!("{}\n\n{so}", told.detail),
        ..told
    }
    .into()
}
