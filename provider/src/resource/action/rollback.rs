//! `immutable_fleet_rollback`: the earlier generation serves again.

use super::Invocable;
use super::abort::Ending;
use super::operation::{Answer, Asked, Found, Heard, Kind, candidate, carry_out, kept, refusal};
use crate::diagnostic::Diagnostics;
use crate::driver::Progress;
use crate::model::FleetName;
use crate::resource::Context;
use crate::resource::site::Configured;
use crate::rollout::{Headcount, Policy, Wish, Words, World};
use crate::schema::{Applied, Attributes, Stage};

/// Gives all of the traffic to the earlier generation at once, which `rollout.keep_previous` keeps
/// warm, and removes the one that served. It needs the fleet's `min_healthy`, or as many healthy members
/// as serve. While a rollout is under way it ends that rollout instead, as `immutable_fleet_abort` does.
/// The next plan refuses the release that was left until it or `retry` changes.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Rollback<S: Stage = Applied> {
    /// The fleet's name.
    #[tf(required)]
    pub fleet: S::Of<FleetName>,
    /// Why, for those who read it later: it is told by the next plan and `failure`.
    #[tf(required)]
    pub reason: S::Of<String>,
    /// Who asks. Without it the user and the machine that Terraform runs as.
    #[tf(optional)]
    pub by: S::Of<Option<String>>,
}

/// The action `immutable_fleet_rollback`.
#[derive(Debug)]
pub struct FleetRollback;

impl Invocable for FleetRollback {
    const NAME: &'static str = "fleet_rollback";
    type Model<S: Stage> = Rollback<S>;
    type Configured = Configured;

    async fn invoke(
        &self,
        context: &Context<Configured>,
        config: Rollback,
        progress: &Progress,
    ) -> Diagnostics {
        let asked = Asked {
            purpose: "roll the fleet back",
            fleet: config.fleet.clone(),
            by: config.by,
            reason: config.reason,
        };
        carry_out(context, progress, asked, &Return(config.fleet)).await
    }
}

/// The return to what a fleet's earlier generation runs.
struct Return(FleetName);

impl Kind for Return {
    fn verb(&self) -> &'static str {
        "roll back"
    }

    fn ask(&self, found: &Found) -> Answer {
        let world = &found.world;
        if candidate(found).is_some() {
            return Ending(self.0.clone()).ask(found);
        }
        if let (Some(from), Some(to)) = (world.stable, kept(world)) {
            return Answer::Ask(Wish::Rollback { from, to });
        }
        let given_up = world.failure.as_ref();
        match given_up.filter(|failure| failure.fingerprint == found.intent.goal.fingerprint) {
            Some(failure) => Answer::Already(format!(
                "generation {} of {} was given up already: {}",
                failure.generation, failure.release, failure.cause.summary
            )),
            None => Answer::Impossible(refusal(
                self.verb(),
                &self.0,
                "No earlier generation is kept warm: rollout.keep_previous is 0s, or its time is \
                 over. Apply the earlier release instead.",
            )),
        }
    }

    fn heard(&self, wish: &Wish, world: &World) -> Heard {
        match wish {
            Wish::Rollback { from, to } => match world.generations.get(from) {
                None if world.stable == Some(*to) => {
                    Heard::Done(format!("generation {to} serves, generation {from} is gone"))
                }
                None => Heard::Missed(format!("Generation {to} no longer serves.")),
                Some(_) => Heard::Pending,
            },
            Wish::Abort { .. }
            | Wish::Promote(_)
            | Wish::Rehearse { .. }
            | Wish::BreakGlass { .. } => Ending(self.0.clone()).heard(wish, world),
        }
    }

    fn stands_against(&self, wish: &Wish, world: &World, policy: &Policy) -> Option<String> {
        let Wish::Rollback { from, to } = wish else {
            return None;
        };
        let kept = world.generations.get(to)?;
        let healthy = Headcount::of(kept, policy, world.now).healthy;
        let mut members = kept.members.iter();
        let ill = members.find_map(|member| {
            let error = member.last_error.as_ref()?;
            Some(format!(" Member {}: {error}.", member.id))
        });
        Some(format!(
            "Generation {to}, which is kept warm, has {} of {} healthy: fewer than the fleet must \
             have, and fewer than serve now. They did not get well within {}.{}\n\nGeneration \
             {from} still has all of the traffic. To go back all the same, apply the earlier \
             release: new members are made from it.",
            healthy,
            kept.wanted,
            Words(policy.launch_deadline),
            ill.unwrap_or_default()
        ))
    }
}
