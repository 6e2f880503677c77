//! Generations on their way out: their traffic returned, drained, removed.

use super::patience::Patience;
use super::roles::{Subject, View};
use super::traffic::{Flow, all_on, divided};
use super::{Action, Decision, Going, MemberState, Policy, Reason, World, health, successor};
use crate::model::{GenerationNumber, Timestamp, Weight, Weights};
use std::time::Duration;

/// Decides the next step of removing what must go; absent: nothing must.
pub(crate) fn away(view: &View<'_>) -> Option<Decision> {
    let (first, why) = view.going.first()?;
    trust_the_only_one(view)
        .or_else(|| traffic_back(view))
        .or_else(|| settled(view))
        .or_else(|| grow_back(view, first))
        .or_else(|| keep_until_survivor_is_well(view, first, *why))
        .or_else(|| {
            let going = view
                .going
                .iter()
                .map(|(subject, why)| (subject.number, *why));
            let going: Vec<_> = going.collect();
            Some(remove(
                view.world,
                view.policy,
                &going,
                view.flow != Flow::NoFront,
            ))
        })
}

/// A first generation that serves already and is no longer wanted would leave nothing behind; it is
/// trusted until the wanted one serves, however few of its members are healthy. While none is, it is
/// waited for.
fn trust_the_only_one(view: &View<'_>) -> Option<Decision> {
    let works =
        |subject: &Subject<'_>| view.flow == Flow::NoFront || !subject.generation.takes_traffic;
    let serves = |subject: &Subject<'_>| subject.weight > Weight::NONE || works(subject);
    let (only, _) = view.going.iter().find(|(subject, why)| {
        let stays = subject.generation.draining_since.is_none();
        *why == Going::Superseded && stays && serves(subject)
    })?;
    if view.stable.is_some() {
        return None;
    }
    if only.count.healthy > 0 {
        return Some(trust_it(only));
    }
    let ends = Patience::to_recover(only.generation, view.policy, view.now()).ends();
    (only.weight > Weight::NONE && view.now() < ends).then(|| {
        let reason = only.awaits_healthy(view, only.generation.wanted);
        Decision::wait(ends, None, reason)
    })
}

/// Trusts what serves while nothing else does.
pub(crate) fn trust_it(only: &Subject<'_>) -> Decision {
    let promote = Action::Promote {
        number: only.number,
    };
    Decision::act(promote, Reason::OnlyOneServing)
}

/// Returns the traffic of what goes to the stable generation: at once where that is whole, else as
/// much as its healthy members can take, growing it back meanwhile.
fn traffic_back(view: &View<'_>) -> Option<Decision> {
    let (from, why) = view
        .going
        .iter()
        .find(|(subject, _)| subject.weight > Weight::NONE)?;
    let takes_some = |stable: &&Subject<'_>| stable.generation.takes_traffic;
    let Some(stable) = view.stable.as_ref().filter(takes_some) else {
        return Some(traffic_off(view, from, *why));
    };
    let ends = return_ends(view, stable, from);
    let share = takes_back(view, stable, from, ends);
    if share > stable.weight {
        let reason = Reason::TakesBack {
            generation: stable.number,
            healthy: stable.count.healthy,
            of: stable.generation.wanted,
        };
        return Some(shift(
            view,
            divided(stable.number, share, from.number),
            reason,
        ));
    }
    let waits = if view.now() < ends {
        let reason = stable.awaits_healthy(view, stable.generation.wanted);
        let expected = health::healthy_at(stable.generation, stable.count.healthy + 1, view.policy);
        Decision::wait(ends, expected, reason)
    } else {
        Decision::halt(Reason::NothingToReturnTo {
            going: from.number,
            why: *why,
            stable: stable.number,
        })
    };
    let succeeds = || {
        let may = *why == Going::Superseded && view.now() >= ends;
        may.then(|| successor::decide(view, stable, from)).flatten()
    };
    Some(
        succeeds()
            .or_else(|| grow_back(view, from))
            .unwrap_or(waits),
    )
}

/// Takes the traffic off where nobody is left who could take it. What serves in the place of workers
/// and is no longer wanted is trusted first, if it has proven itself.
fn traffic_off(view: &View<'_>, from: &Subject<'_>, why: Going) -> Decision {
    let workers = view.stable.as_ref().filter(|_| why == Going::Superseded);
    let reason = Reason::Going {
        generation: from.number,
        why,
    };
    workers
        .and_then(|workers| successor::decide(view, workers, from))
        .unwrap_or_else(|| shift(view, Weights::new(), reason))
}

/// The share that the stable generation's healthy members can take. A part of them gets its part of
/// the healthy members at least, so that the load is even; when waiting is over, all that is left.
fn takes_back(
    view: &View<'_>,
    stable: &Subject<'_>,
    from: &Subject<'_>,
    ends: Timestamp,
) -> Weight {
    let (here, there) = (stable.count.healthy, from.count.healthy);
    if there == 0 || (here > 0 && view.now() >= ends) {
        return Weight::ALL;
    }
    let full = if is_untouched(stable, from) {
        stable.generation.wanted
    } else {
        view.size
    };
    let by_size = super::Capacity::weight_for(here, full);
    let even = super::Capacity::weight_for(here, here + there);
    by_size.max(even)
}

/// Whether a generation has the members with which it carried everything before another one came.
fn is_untouched(stable: &Subject<'_>, other: &Subject<'_>) -> bool {
    stable.generation.resized_at <= other.generation.created_at
}

/// When the stable generation's time to take the traffic back is over.
fn return_ends(view: &View<'_>, stable: &Subject<'_>, from: &Subject<'_>) -> Timestamp {
    let ends = Patience::to_recover(stable.generation, view.policy, view.now()).ends();
    let condemned = from.generation.condemned.as_ref();
    condemned.map_or(ends, |condemned| {
        ends.max(condemned.at + view.policy.launch_deadline)
    })
}

/// Gives the stable generation back the members that a rolling rollout took from it, making room
/// where there is none. It is done before the other one goes: afterwards nothing would tell it from a
/// fleet that was always smaller. The one that served before took none from it.
fn grow_back(view: &View<'_>, from: &Subject<'_>) -> Option<Decision> {
    let stable = view.stable.as_ref()?;
    let has = stable.generation.wanted;
    let has_taken = from.generation.retired_at.is_none() && !is_untouched(stable, from);
    let is_short = has < view.size && has_taken;
    if !is_short || from.generation.draining_since.is_some() {
        return None;
    }
    let running = view.running();
    let room = view.capacity.room_for_surge(running);
    if room > 0 {
        let reason = Reason::SizeWanted {
            wanted: view.size,
            has,
        };
        let size = has.saturating_add(room).min(view.size);
        return Some(resize(stable.number, size, reason));
    }
    settled(view)
        .or_else(|| spare(view, stable, from))
        .or_else(|| leaving(view))
}

/// Takes from what goes the members that its weight does not need.
fn spare(view: &View<'_>, stable: &Subject<'_>, from: &Subject<'_>) -> Option<Decision> {
    let least = view.capacity.needed_for(from.weight).max(1);
    let minimum = view.capacity.min_healthy;
    let left = if from.weight > Weight::NONE {
        from.shrunk_to(least, minimum.saturating_sub(stable.count.healthy))
    } else {
        least
    };
    (left < from.generation.wanted).then(|| {
        let reason = Reason::CarriedElsewhere {
            by: stable.number,
            weight: stable.weight,
            healthy: stable.count.healthy,
        };
        resize(from.number, left, reason)
    })
}

/// Waits for members on their way out: until they are gone there is no room for others.
pub(crate) fn leaving(view: &View<'_>) -> Option<Decision> {
    let others = view.going.iter().map(|(subject, _)| subject);
    let seen = [&view.stable, &view.candidate, &view.kept];
    let subject = seen
        .into_iter()
        .flatten()
        .chain(others)
        .find(|subject| subject.count.leaving > 0)?;
    let ends = subject.generation.resized_at + view.policy.drain + view.policy.launch_deadline;
    let (generation, leaving) = (subject.number, subject.count.leaving);
    Some(if view.now() < ends {
        let drained = subject.generation.resized_at + view.policy.drain;
        let expected = (drained > view.now()).then_some(drained);
        let mut members = subject.generation.members.iter();
        let waits = members.find(|it| it.state == MemberState::Leaving && it.last_error.is_some());
        let reason = Reason::AwaitsLeaving {
            generation,
            leaving,
            why: waits.and_then(|member| member.last_error.clone()),
        };
        Decision::wait(ends, expected, reason)
    } else {
        Decision::halt(Reason::StuckLeaving {
            generation,
            leaving,
        })
    })
}

/// Waits until the weights in force have been so for long enough to be relied upon.
fn settled(view: &View<'_>) -> Option<Decision> {
    settling(view.world, &view.flow, view.policy.settle)
}

/// Keeps the generation that served last until the one that serves now is well: should it not get
/// well, its release can be gone back to at once.
fn keep_until_survivor_is_well(
    view: &View<'_>,
    earlier: &Subject<'_>,
    why: Going,
) -> Option<Decision> {
    let stable = view.stable.as_ref().filter(|_| view.is_at_rest())?;
    let is_well = stable.count.healthy
        >= view
            .capacity
            .needed_for(Weight::ALL)
            .min(stable.generation.wanted);
    let is_out = earlier.generation.draining_since.is_some() || why != Going::Retired;
    (!is_well && !is_out).then(|| super::steady::recovery(view, stable))
}

/// Drains what goes, then destroys it. All of it has weight 0 by now.
pub(crate) fn remove(
    world: &World,
    policy: &Policy,
    going: &[(GenerationNumber, Going)],
    has_front: bool,
) -> Decision {
    let reason = |generation, why| Reason::Going { generation, why };
    let of = |number: &GenerationNumber| world.generations.get(number);
    let drained_at = |number: &GenerationNumber| {
        let generation = of(number)?;
        let idle = generation.in_flight == Some(0);
        let since = generation.draining_since?;
        Some(if idle { since } else { since + policy.drain })
    };
    let serving = going
        .iter()
        .find(|(number, _)| has_front && drained_at(number).is_none());
    if let Some((number, why)) = serving {
        let action = Action::DrainGeneration { number: *number };
        return Decision::act(action, reason(*number, *why));
    }
    let is_drained =
        |number: &GenerationNumber| drained_at(number).is_none_or(|at| at <= world.now);
    if let Some((number, why)) = going.iter().find(|(number, _)| is_drained(number)) {
        let park = of(number)
            .filter(|generation| policy.keep_failed && generation.condemned.is_some())
            .and_then(|generation| health::to_park(generation, policy, world.now));
        let action = Action::DestroyGeneration {
            number: *number,
            park,
        };
        return Decision::act(action, reason(*number, *why));
    }
    let next = going
        .iter()
        .filter_map(|(number, _)| drained_at(number).map(|at| (at, *number)))
        .min();
    let (ends, generation) = next.unwrap_or((world.now, GenerationNumber::default()));
    let reason = Reason::AwaitsDrained {
        generation,
        in_flight: of(&generation).and_then(|generation| generation.in_flight),
        drain: policy.drain,
    };
    Decision::wait(ends, Some(ends), reason)
}

/// Waits until weights have settled; absent: they have, or there is no front.
pub(crate) fn settling(world: &World, flow: &Flow, settle: Duration) -> Option<Decision> {
    match flow {
        Flow::InForce { since, .. } if world.now < *since + settle => {
            let ends = *since + settle;
            let reason = Reason::AwaitsSettled { settle };
            Some(Decision::wait(ends, Some(ends), reason))
        }
        Flow::InForce { .. }
        | Flow::NoFront
        | Flow::NotShown { .. }
        | Flow::Foreign { .. }
        | Flow::Unreadable { .. } => None,
    }
}

/// Decides to divide the traffic anew, from what is in force.
pub(crate) fn shift(view: &View<'_>, weights: Weights, reason: Reason) -> Decision {
    let before = match &view.flow {
        Flow::InForce { weights, .. } => weights.clone(),
        Flow::NotShown { shown, .. } | Flow::Foreign { shown, .. } => shown.clone(),
        Flow::NoFront | Flow::Unreadable { .. } => Weights::new(),
    };
    Decision::act(Action::ShiftTraffic { weights, before }, reason)
}

/// Decides to give one generation all the traffic.
pub(crate) fn shift_all(view: &View<'_>, number: GenerationNumber, reason: Reason) -> Decision {
    shift(view, all_on(number), reason)
}

/// Decides to change a generation's capacity.
pub(crate) fn resize(number: GenerationNumber, size: u32, reason: Reason) -> Decision {
    Decision::act(Action::ResizeGeneration { number, size }, reason)
}
