//! What a plan that was made elsewhere foresees of a fleet: its forecast once more, from the two
//! states that the plan shows.

use super::attributes::Fleet;
use super::observed::{self, Phase};
use super::private::Private;
use super::recalled;
use crate::model::Fingerprint;
use crate::resource::site::CloudKind;
use crate::rollout::{FleetGoal, Forecast, Goal, Policy, World, forecast};
use crate::schema::{Applied, Attributes, Field, Planned, Schema};
use crate::value::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longer than any wait of a rollout that rests.
const LONG: Duration = Duration::from_secs(365 * 24 * 3600);

/// Foresees a change of a fleet from the JSON of the states before and after it, as `terraform show
/// -json` prints them. What a plan does not print (changes by others, how long a generation was kept)
/// is left out, so the caller compares [`Forecast::lines`] with those of the plan. Absent: a state is
/// not known, or is not one of this version's.
#[must_use]
pub fn explained(prior: Option<&[u8]>, planned: &[u8]) -> Option<Forecast> {
    let want = read(planned)?;
    let kind = if want.aws.is_some() {
        CloudKind::Aws
    } else {
        CloudKind::Local
    };
    let policy = want.policy(kind.timing());
    let computed = want.goal_on(kind, &BTreeMap::new());
    let goal = FleetGoal {
        fingerprint: want
            .fingerprint
            .clone()
            .map_or_else(|| computed.fingerprint.clone(), Fingerprint),
        ..computed
    };
    let (world, goal) = match prior {
        None => (World::absent(recalled::NOW), goal),
        Some(prior) => resumed(&read(prior)?, goal, &policy),
    };
    Some(forecast(&world, &Goal::Fleet(Box::new(goal)), &policy))
}

fn read(state: &[u8]) -> Option<Fleet> {
    let of = Schema::of::<Fleet<Planned>>(0).value_type();
    let tree = json::conform(json::decode(state).ok()?, &of).ok()?;
    Fleet::<Applied>::decode(&tree).ok()
}

/// The world that a state tells of, and the goal, which goes on from where the rollout rests.
fn resumed(prior: &Fleet, goal: FleetGoal, policy: &Policy) -> (World, FleetGoal) {
    let world = recalled::world(prior, &Private::default());
    let is_held = prior.phase.as_deref() == Some(Phase::Held.word());
    let rested = World {
        now: world.now + LONG,
        ..world.clone()
    };
    let beyond = is_held
        .then(|| observed::held(&rested, goal.clone(), policy))
        .flatten();
    (world, FleetGoal { beyond, ..goal })
}

/// Names the attributes that users write, in their order.
#[must_use]
pub fn configurable() -> Vec<&'static str> {
    let attributes = Fleet::<Planned>::attributes().into_iter();
    let configured = attributes.filter(|attribute| attribute.required || attribute.optional);
    configured.map(|attribute| attribute.name).collect()
}
