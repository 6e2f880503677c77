//! `immutable_fleet_rehearse`: tries the way back while all is well.

use super::Invocable;
use super::operation::{Answer, Asked, Found, Heard, Kind, candidate, carry_out, kept, refusal};
use crate::diagnostic::Diagnostics;
use crate::driver::Progress;
use crate::model::{FleetName, Weight};
use crate::resource::Context;
use crate::resource::site::Configured;
use crate::rollout::{Traffic, Wish, World};
use crate::schema::{Applied, Attributes, Bounded, Stage};

/// Rehearses a rollback while all is well: a small share of the traffic goes to the earlier
/// generation, which `rollout.keep_previous` keeps warm, and returns once it was read back and has
/// settled. The action tells how long it took. A rehearsal that breaks off leaves the share where it
/// is; the next apply takes it back.
#[derive(Debug, Clone, PartialEq, Attributes)]
pub struct Rehearse<S: Stage = Applied> {
    /// The fleet's name.
    #[tf(required)]
    pub fleet: S::Of<FleetName>,
    /// The share of the traffic that goes there and back, in percent.
    #[tf(optional, default = 5)]
    pub weight: S::Of<Bounded<1, 49>>,
    /// Why, for the log.
    #[tf(optional, default = "a rehearsal")]
    pub reason: S::Of<String>,
    /// Who asks. Without it the user and the machine that Terraform runs as.
    #[tf(optional)]
    pub by: S::Of<Option<String>>,
}

/// The action `immutable_fleet_rehearse`.
#[derive(Debug)]
pub struct FleetRehearse;

impl Invocable for FleetRehearse {
    const NAME: &'static str = "fleet_rehearse";
    type Model<S: Stage> = Rehearse<S>;
    type Configured = Configured;

    async fn invoke(
        &self,
        context: &Context<Configured>,
        config: Rehearse,
        progress: &Progress,
    ) -> Diagnostics {
        let asked = Asked {
            purpose: "rehearse a rollback",
            fleet: config.fleet.clone(),
            by: config.by,
            reason: config.reason,
        };
        let percent = u8::try_from(config.weight.get()).unwrap_or(1);
        let there_and_back = ThereAndBack {
            fleet: config.fleet,
            weight: Weight::new(percent).unwrap_or_default(),
        };
        carry_out(context, progress, asked, &there_and_back).await
    }
}

/// A share of the traffic that goes to the earlier generation and returns.
struct ThereAndBack {
    fleet: FleetName,
    weight: Weight,
}

impl Kind for ThereAndBack {
    fn verb(&self) -> &'static str {
        "rehearse a rollback of"
    }

    fn ask(&self, found: &Found) -> Answer {
        let world = &found.world;
        let impossible = |why: &str| Answer::Impossible(refusal(self.verb(), &self.fleet, why));
        if candidate(found).is_some() {
            return impossible("A rollout is under way; rehearse when it has ended.");
        }
        if matches!(world.traffic, Traffic::None) {
            return impossible("It has no traffic that could go anywhere.");
        }
        match kept(world) {
            Some(to) => Answer::Ask(Wish::Rehearse {
                to,
                weight: self.weight,
            }),
            None => impossible(
                "No earlier generation is kept warm: rollout.keep_previous is 0s, or its time is \
                 over.",
            ),
        }
    }

    fn heard(&self, wish: &Wish, world: &World) -> Heard {
        let (Wish::Rehearse { to, weight }, Some(request)) = (wish, &world.request) else {
            return Heard::Pending;
        };
        if !world.generations.contains_key(to) {
            return Heard::Missed(format!("Generation {to} is gone."));
        }
        let Traffic::Known {
            weights,
            written_at,
            ..
        } = &world.traffic
        else {
            return Heard::Pending;
        };
        if *written_at < request.at || weights.contains_key(to) {
            return Heard::Pending;
        }
        let took = world.now.since(request.at);
        Heard::Done(format!(
            "{weight} of the traffic went to generation {to} and back in {:.1} s",
            took.as_secs_f64()
        ))
    }
}
