//! `immutable_fleet_promote`: ends the hold where a rollout stands.

use super::Invocable;
use super::operation::{Answer, Asked, Found, Heard, Kind, candidate, carry_out, refusal};
use crate::diagnostic::Diagnostics;
use crate::driver::Progress;
use crate::model::{FleetName, Weight};
use crate::resource::Context;
use crate::resource::site::Configured;
use crate::rollout::{Goal, HoldPoint, Reason, Traffic, Wish, World, decide};
use crate::schema::{Applied, Attributes, Stage};

/// Ends the hold or the bake where a fleet's rollout stands: an apply that is under way goes on with
/// its next step at once, and a rollout that rests until the next apply is taken on by the action
/// itself, to its next hold or its end. What the new generation must prove, it must prove all the
/// same: its members' health, settled weights, quiet alarms.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Promote<S: Stage = Applied> {
    /// The fleet's name.
    #[tf(required)]
    pub fleet: S::Of<FleetName>,
    /// Why, for the log.
    #[tf(required)]
    pub reason: S::Of<String>,
    /// Who asks. Without it the user and the machine that Terraform runs as.
    #[tf(optional)]
    pub by: S::Of<Option<String>>,
}

/// The action `immutable_fleet_promote`.
#[derive(Debug)]
pub struct FleetPromote;

impl Invocable for FleetPromote {
    const NAME: &'static str = "fleet_promote";
    type Model<S: Stage> = Promote<S>;
    type Configured = Configured;

    async fn invoke(
        &self,
        context: &Context<Configured>,
        config: Promote,
        progress: &Progress,
    ) -> Diagnostics {
        let asked = Asked {
            purpose: "end the hold",
            fleet: config.fleet.clone(),
            by: config.by,
            reason: config.reason,
        };
        carry_out(context, progress, asked, &GoingOn(config.fleet)).await
    }
}

/// The end of the hold where a fleet's rollout stands.
struct GoingOn(FleetName);

impl Kind for GoingOn {
    fn verb(&self) -> &'static str {
        "end the hold of"
    }

    fn ask(&self, found: &Found) -> Answer {
        let Found { world, intent } = found;
        let goal = Goal::Fleet(Box::new(intent.goal.clone()));
        let reason = decide(world, &goal, &intent.policy).reason;
        let weight = match reason {
            Reason::Held(point) => return Answer::Ask(Wish::Promote(point)),
            Reason::Holds { weight, .. } => weight,
            Reason::Bakes { .. } => Weight::ALL,
            Reason::Reached { .. } => {
                let words = format!("no rollout is under way: {reason}; nothing was changed");
                return Answer::Already(words);
            }
            other => {
                let why = format!("It is not held: {other}.");
                return Answer::Impossible(refusal(self.verb(), &self.0, &why));
            }
        };
        match candidate(found) {
            Some(generation) => Answer::Ask(Wish::Promote(HoldPoint { generation, weight })),
            None => Answer::Already("no rollout is under way; nothing was changed".to_owned()),
        }
    }

    fn heard(&self, wish: &Wish, world: &World) -> Heard {
        let Wish::Promote(HoldPoint { generation, weight }) = wish else {
            return Heard::Pending;
        };
        if world.stable == Some(*generation) {
            return Heard::Done(format!("generation {generation} is trusted"));
        }
        let Some(candidate) = world.generations.get(generation) else {
            return Heard::Missed(format!("Generation {generation} is gone."));
        };
        if let Some(condemned) = &candidate.condemned {
            return Heard::Missed(format!(
                "Generation {generation} was given up: {}.",
                condemned.cause.summary
            ));
        }
        match &world.traffic {
            Traffic::Known { weights, .. } => match weights.get(generation) {
                Some(now) if now > weight => {
                    Heard::Done(format!("generation {generation} has gone on to {now}"))
                }
                Some(_) | None => Heard::Pending,
            },
            // Without a front only the generation's size tells, and the driver's own word.
            Traffic::None if candidate.resized_at > asked_after(world) => {
                Heard::Done(format!("generation {generation} has gone on"))
            }
            Traffic::None | Traffic::Unreadable { .. } => Heard::Pending,
        }
    }
}

/// When a person asked; a world without a request was asked nothing yet.
fn asked_after(world: &World) -> crate::model::Timestamp {
    world
        .request
        .as_ref()
        .map_or(world.now, |request| request.at)
}
