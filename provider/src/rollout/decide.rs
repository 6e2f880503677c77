//! The ladder: one world in, the next step and its reason out.

use super::roles::View;
use super::traffic::{Flow, SENT_AGAIN_AFTER, SHOWS_WITHIN};
use super::{
    Action, Decision, Division, FleetGoal, Goal, Policy, Reason, RolloutFailure, Step, Strategy,
    World, advance, clear, condemn, dismantle, live, request, steady,
};

/// Decides what comes next for a fleet.
///
/// It is total, pure and memoryless: the same world, goal and policy give the same answer, whoever
/// asks and whatever was done before. The ladder asks, in this order: is anything unsafe, is anything
/// in flight, what is next. A world at its goal gives [`Step::Done`].
#[must_use]
pub fn decide(world: &World, goal: &Goal, policy: &Policy) -> Decision {
    match goal {
        Goal::Absent => dismantle::decide(world, policy),
        Goal::Fleet(goal) => {
            let seen = live::seen(world);
            request::rollback(&seen, goal, policy)
                .unwrap_or_else(|| decide_fleet(&View::of(&seen, goal, policy)))
        }
    }
}

pub(crate) fn decide_fleet(view: &View<'_>) -> Decision {
    configure(view)
        .or_else(|| halt_for_strangers(view))
        .or_else(|| halt_for_batches(view))
        .or_else(|| condemn::candidate(view))
        .or_else(|| read_back(view))
        .or_else(|| clear::away(view))
        .or_else(|| steady::restored(view))
        .unwrap_or_else(|| towards_goal(view))
}

/// The fleet's record comes first: without it nothing made could be found again.
fn configure(view: &View<'_>) -> Option<Decision> {
    let reason = match &view.world.settings {
        None => Reason::NoRecord,
        Some(settings) if *settings != view.goal.settings => Reason::SettingsDiffer,
        Some(_) => return None,
    };
    let action = Action::Configure(view.goal.settings.clone());
    Some(Decision::act(action, reason))
}

/// What we own and someone else changed: going on would fight them, so a person decides.
fn halt_for_strangers(view: &View<'_>) -> Option<Decision> {
    let foreign = super::Foreign::of(view.world);
    if let Some(weights) = foreign.weights {
        return Some(Decision::halt(Reason::ForeignWeights {
            shown: weights.shown,
            written: weights.written,
        }));
    }
    let (generation, capacity) = foreign.capacity.into_iter().next()?;
    Some(Decision::halt(Reason::ForeignCapacity {
        generation,
        shown: capacity.shown,
        written: capacity.written,
    }))
}

/// Batches are counted against a size that stays; one that changes by itself while members of both
/// generations come and go is nobody's any more.
fn halt_for_batches(view: &View<'_>) -> Option<Decision> {
    let rolls = matches!(view.policy.strategy, Strategy::Rolling { .. });
    (rolls && live::is_live(view.world)).then(|| Decision::halt(Reason::RollsWhatScales))
}

/// Nothing that rests on weights is decided before the weights that we wrote are read back.
fn read_back(view: &View<'_>) -> Option<Decision> {
    match &view.flow {
        Flow::Unreadable { why } => {
            let reason = Reason::AwaitsReadable { why: why.clone() };
            Some(Decision::wait(view.now() + SHOWS_WITHIN, None, reason))
        }
        Flow::NotShown {
            shown,
            written,
            since,
        } => {
            let (from, to) = (Division(shown).to_string(), Division(written).to_string());
            if view.now() < *since + SENT_AGAIN_AFTER {
                let reason = Reason::AwaitsShown {
                    shown: from,
                    written: to,
                };
                return Some(Decision::wait(*since + SHOWS_WITHIN, None, reason));
            }
            let action = Action::ShiftTraffic {
                weights: written.clone(),
                before: shown.clone(),
            };
            let reason = Reason::SentAgain {
                shown: from,
                written: to,
            };
            Some(Decision::act(action, reason))
        }
        Flow::NoFront | Flow::InForce { .. } | Flow::Foreign { .. } => capacity_read_back(view),
    }
}

/// Nor is anything decided before a capacity that we wrote is read back; one that still does not show
/// may have been lost.
fn capacity_read_back(view: &View<'_>) -> Option<Decision> {
    let is_unseen = |(_, generation): &(_, &super::Generation)| {
        generation.desired != generation.wanted && generation.draining_since.is_none()
    };
    let (number, generation) = view.world.generations.iter().find(is_unseen)?;
    let shown = format!("{} members", generation.desired);
    let written = generation.wanted.to_string();
    if view.now() < generation.resized_at + SENT_AGAIN_AFTER {
        let ends = generation.resized_at + SHOWS_WITHIN;
        let reason = Reason::AwaitsShown { shown, written };
        return Some(Decision::wait(ends, None, reason));
    }
    let action = Action::ResizeGeneration {
        number: *number,
        size: generation.wanted,
    };
    Some(Decision::act(action, Reason::SentAgain { shown, written }))
}

fn towards_goal(view: &View<'_>) -> Decision {
    match (&view.stable, &view.candidate) {
        (Some(stable), _) if view.is_at_rest() => steady::decide(view, stable),
        (_, Some(candidate)) => advance::decide(view, candidate),
        (_, None) => match refused(view.world, view.goal) {
            Some(failure) => Decision {
                step: Step::RolledBack,
                reason: Reason::RolledBack(Box::new(failure.clone())),
            },
            None => advance::create(view),
        },
    }
}

/// The failure that stands against trying a goal; absent: it may be tried. A plan asks it too.
#[must_use]
pub fn refused<'a>(world: &'a World, goal: &FleetGoal) -> Option<&'a RolloutFailure> {
    world
        .failure
        .as_ref()
        .filter(|failure| failure.fingerprint == goal.fingerprint && failure.retry == goal.retry)
}
