//! `immutable_fleet_abort`: ends a rollout now.

use super::Invocable;
use super::operation::{Answer, Asked, Found, Heard, Kind, candidate, carry_out, refusal};
use crate::diagnostic::Diagnostics;
use crate::driver::Progress;
use crate::model::FleetName;
use crate::resource::Context;
use crate::resource::site::Configured;
use crate::rollout::{Wish, World};
use crate::schema::{Applied, Attributes, Stage};

/// Ends the rollout of a fleet now. The new generation is given up: its traffic returns to the
/// generation that served before, then it is drained and removed. An apply that is under way obeys
/// and ends with an error that names who asked and why; without one the action does it all. The next
/// plan refuses the same release until it or `retry` changes. Where no rollout is under way, nothing
/// happens.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Abort<S: Stage = Applied> {
    /// The fleet's name.
    #[tf(required)]
    pub fleet: S::Of<FleetName>,
    /// Why, for those who read it later: it is told by the apply, the next plan and `failure`.
    #[tf(required)]
    pub reason: S::Of<String>,
    /// Who asks. Without it the user and the machine that Terraform runs as.
    #[tf(optional)]
    pub by: S::Of<Option<String>>,
}

/// The action `immutable_fleet_abort`.
#[derive(Debug)]
pub struct FleetAbort;

impl Invocable for FleetAbort {
    const NAME: &'static str = "fleet_abort";
    type Model<S: Stage> = Abort<S>;
    type Configured = Configured;

    async fn invoke(
        &self,
        context: &Context<Configured>,
        config: Abort,
        progress: &Progress,
    ) -> Diagnostics {
        let asked = Asked {
            purpose: "end the rollout",
            fleet: config.fleet.clone(),
            by: config.by,
            reason: config.reason,
        };
        carry_out(context, progress, asked, &Ending(config.fleet)).await
    }
}

/// The end of a fleet's rollout.
pub(super) struct Ending(pub(super) FleetName);

impl Kind for Ending {
    fn verb(&self) -> &'static str {
        "end the rollout of"
    }

    fn ask(&self, found: &Found) -> Answer {
        match (candidate(found), found.world.stable) {
            (Some(generation), Some(_)) => Answer::Ask(Wish::Abort { generation }),
            (Some(generation), None) => Answer::Impossible(refusal(
                self.verb(),
                &self.0,
                &format!(
                    "Generation {generation} is the first one, and there is none to go back to. \
                     Interrupt its apply, or destroy the fleet."
                ),
            )),
            (None, _) => Answer::Already("no rollout is under way; nothing was changed".to_owned()),
        }
    }

    fn heard(&self, wish: &Wish, world: &World) -> Heard {
        let Wish::Abort { generation } = wish else {
            return Heard::Pending;
        };
        if world.stable == Some(*generation) {
            return Heard::Missed(format!(
                "It came too late: generation {generation} is trusted by now. Roll the fleet back \
                 instead."
            ));
        }
        match world.generations.get(generation) {
            Some(_) => Heard::Pending,
            None => Heard::Done(format!(
                "generation {generation} is gone; the traffic is where it was before the rollout"
            )),
        }
    }
}
