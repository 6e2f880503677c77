//! The fleet shall be gone.

use super::clear;
use super::traffic::{Flow, SENT_AGAIN_AFTER, SHOWS_WITHIN};
use super::{Action, Decision, Division, Going, Policy, Reason, Step, Traffic, World};
use crate::model::{GenerationNumber, Weights, nonzero};

/// Decides the next step of removing a whole fleet. What someone else changed does not matter: it
/// goes too.
pub(crate) fn decide(world: &World, policy: &Policy) -> Decision {
    let has_front = !matches!(world.traffic, Traffic::None);
    traffic_off(world)
        .or_else(|| clear::settling(world, &Flow::of(world, false), policy.settle))
        .or_else(|| remove_generations(world, policy, has_front))
        .unwrap_or_else(|| remove_fleet(world))
}

fn traffic_off(world: &World) -> Option<Decision> {
    let off = |before: Weights, reason| {
        let weights = Weights::new();
        Some(Decision::act(
            Action::ShiftTraffic { weights, before },
            reason,
        ))
    };
    let goes = Reason::Going {
        generation: world.stable.unwrap_or(world.latest),
        why: Going::FleetGoes,
    };
    if world.generations.is_empty() {
        return None;
    }
    match Flow::of(world, false) {
        Flow::NoFront => None,
        Flow::Unreadable { why } => Some(Decision::wait(
            world.now + SHOWS_WITHIN,
            None,
            Reason::AwaitsReadable { why },
        )),
        Flow::InForce { weights, .. } if weights.is_empty() => None,
        Flow::InForce { weights, .. } => off(weights, goes),
        Flow::NotShown {
            shown,
            written,
            since,
        } => {
            let (from, to) = (Division(&shown).to_string(), Division(&written).to_string());
            if world.now < since + SENT_AGAIN_AFTER {
                let reason = Reason::AwaitsShown {
                    shown: from,
                    written: to,
                };
                Some(Decision::wait(since + SHOWS_WITHIN, None, reason))
            } else {
                off(nonzero(&shown), goes)
            }
        }
        // We took it off already and someone puts it back.
        Flow::Foreign { shown, written } if written.is_empty() => {
            Some(Decision::halt(Reason::ForeignWeights { shown, written }))
        }
        Flow::Foreign { shown, .. } => off(shown, goes),
    }
}

fn remove_generations(world: &World, policy: &Policy, has_front: bool) -> Option<Decision> {
    let going: Vec<(GenerationNumber, Going)> = world
        .generations
        .keys()
        .map(|number| (*number, Going::FleetGoes))
        .collect();
    (!going.is_empty()).then(|| clear::remove(world, policy, &going, has_front))
}

fn remove_fleet(world: &World) -> Decision {
    match &world.settings {
        Some(_) => Decision::act(
            Action::DestroyFleet,
            Reason::Going {
                generation: world.latest,
                why: Going::FleetGoes,
            },
        ),
        None => Decision {
            step: Step::Done,
            reason: Reason::Gone,
        },
    }
}
