//! The forecast of a change to a fleet of which nothing is known but its size and its rollout.

use super::attributes::{Fleet, LARGEST_FLEET, Rollout};
use super::private::Private;
use super::{recalled, validate};
use crate::model::{
    Fingerprint, GenerationNumber, LaunchTemplate, LocalLaunch, Platform, ReleaseRef,
};
use crate::resource::site::Timing;
use crate::rollout::{self, FleetGoal, Forecast, Goal};
use crate::schema::{Applied, Attributes, Bounded, Field, Planned, with_defaults};
use crate::value::{Finding, Findings, Tree, json};
use std::collections::BTreeMap;

/// The generation that takes over.
pub(in crate::resource) const CANDIDATE: GenerationNumber = GenerationNumber(2);

/// A fleet at rest, without its size and its rollout.
const AT_REST: &str = r#"{
    "name": "fleet", "release": "fleet@1", "drain": "30s", "drift": "replace",
    "traffic": {"port": 80, "listener": "front"},
    "phase": "stable", "generation": 1, "latest_generation": 1, "drifted": []
}"#;

/// Foresees how a fleet at rest takes a new release.
///
/// # Errors
/// What is wrong with the rollout, as a fleet would say it.
pub(in crate::resource) fn forecast(
    size: Bounded<1, LARGEST_FLEET>,
    rollout: Rollout,
) -> Result<Forecast, Findings> {
    let fleet = at_rest(size, &rollout)?;
    let refused = validate::everywhere(&Fleet::<Planned>::decode(&fleet)?);
    let refused = refused.into_iter().map(|it| Finding {
        path: it.path,
        message: it.detail,
    });
    let refused: Findings = refused.collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let fleet = Fleet::<Applied>::decode(&fleet)?;
    let goal = FleetGoal {
        launch: Some(next_launch()),
        fingerprint: Fingerprint("next".to_owned()),
        size: fleet.wanted_size(),
        settings: fleet.settings(),
        retry: None,
        replace_drifted: true,
        beyond: None,
    };
    let world = recalled::world(&fleet, &Private::default());
    let policy = fleet.policy(Timing::LOCAL);
    let goal = Goal::Fleet(Box::new(goal));
    Ok(rollout::forecast(&world, &goal, &policy))
}

fn at_rest(size: Bounded<1, LARGEST_FLEET>, rollout: &Rollout) -> Result<Tree, Findings> {
    let Tree::Map(mut fleet) = json::decode(AT_REST.as_bytes())? else {
        unreachable!("it is written above");
    };
    let stable = [
        ("number", Tree::from(1)),
        ("release", Tree::from("the earlier release")),
        ("image_id", Tree::from("image")),
        ("fingerprint", Tree::from("now")),
        ("size", size.encode()),
        ("healthy", size.encode()),
        ("weight", Tree::from(100)),
        ("role", Tree::from("stable")),
        ("since", Tree::from("1970-01-01T00:00:00Z")),
        ("resized", Tree::from(false)),
    ];
    let stable = stable.map(|(name, value)| (name.to_owned(), value));
    fleet.insert("size".to_owned(), size.encode());
    fleet.insert("rollout".to_owned(), rollout.encode());
    let generations = vec![Tree::Map(BTreeMap::from(stable))];
    fleet.insert("generations".to_owned(), Tree::Seq(generations));
    Ok(with_defaults(
        &Fleet::<Applied>::attributes(),
        Tree::Map(fleet),
    ))
}

fn next_launch() -> LaunchTemplate {
    LaunchTemplate {
        release: ReleaseRef::Image("the new release".to_owned()),
        config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        port: Some(80),
        health_path: None,
        tags: BTreeMap::new(),
        platform: Platform::Local(LocalLaunch::default()),
    }
}
