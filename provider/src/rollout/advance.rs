//! The candidate's way to become stable, by strategy.

use super::clear::{leaving, resize, shift, shift_all, trust_it};
use super::roles::{Subject, View};
use super::traffic::{Flow, divided};
use super::{
    Action, CanaryStep, Capacity, Decision, Hold, HoldPoint, Reason, Strategy, condemn, gate,
    health, request,
};
use crate::model::Weight;
use std::time::Duration;

/// Decides the first step of a rollout: the candidate's creation.
pub(crate) fn create(view: &View<'_>) -> Decision {
    if view.stable.is_some()
        && let Some(halt) = gate::before_creation(view)
    {
        return halt;
    }
    if let Some(wait) = room_is_coming(view) {
        return wait;
    }
    let Some(launch) = &view.goal.launch else {
        return Decision::halt(Reason::NotMade);
    };
    match first_size(view) {
        Ok(size) => Decision::act(
            Action::CreateGeneration {
                number: view.world.latest.next(),
                launch: launch.clone(),
                fingerprint: view.goal.fingerprint.clone(),
                size,
                launch_deadline: view.policy.launch_deadline,
            },
            Reason::ReleaseWanted {
                wanted: launch.release.clone(),
                serving: view
                    .stable
                    .map(|stable| (stable.number, stable.generation.release.clone())),
            },
        ),
        Err(first) => *first,
    }
}

/// The candidate's first members; or what must be done before there is room for any.
fn first_size(view: &View<'_>) -> Result<u32, Box<Decision>> {
    let Some(stable) = &view.stable else {
        return Ok(view.size);
    };
    match &view.policy.strategy {
        Strategy::BlueGreen => Ok(view.size),
        Strategy::Canary { steps } => {
            let weight = next_weight(steps, Weight::NONE);
            Ok(view.capacity.needed_for(weight))
        }
        Strategy::Rolling { .. } => match view.capacity.room_for_surge(view.running()) {
            0 => Err(Box::new(make_room(view, stable))),
            room => Ok(room.min(view.size)),
        },
    }
}

/// A fleet that shall also become smaller becomes so first.
fn make_room(view: &View<'_>, stable: &Subject<'_>) -> Decision {
    let (wanted, has) = (view.size, stable.generation.wanted);
    let left = stable.shrunk_to(wanted, view.capacity.min_healthy);
    if left < has {
        let shrunk = || resize(stable.number, left, Reason::SizeWanted { wanted, has });
        return super::steady::proving(view, stable).unwrap_or_else(shrunk);
    }
    leaving(view).unwrap_or_else(|| super::steady::recovery(view, stable))
}

/// Decides a candidate's next step.
pub(crate) fn decide(view: &View<'_>, candidate: &Subject<'_>) -> Decision {
    let Some(stable) = &view.stable else {
        return first(view, candidate);
    };
    if is_return(candidate) {
        return return_to(view, candidate, stable);
    }
    match &view.policy.strategy {
        Strategy::BlueGreen => blue_green(view, candidate),
        Strategy::Canary { steps } => canary(view, candidate, stable, steps),
        Strategy::Rolling { .. } => rolling(view, candidate, stable),
    }
}

/// How a candidate is watched where it stands.
pub(crate) fn hold(view: &View<'_>, candidate: &Subject<'_>) -> Hold {
    const AT_ONCE: Hold = Hold::For(Duration::ZERO);
    let weight = reached(view, candidate);
    if weight == Weight::ALL {
        return Hold::For(bake_time(view, candidate));
    }
    if is_told_to_go_on(view, candidate) {
        return AT_ONCE;
    }
    match &view.policy.strategy {
        Strategy::BlueGreen | Strategy::Rolling { .. } => AT_ONCE,
        Strategy::Canary { steps } => steps
            .iter()
            .rev()
            .find(|step| step.weight <= weight)
            .map_or(AT_ONCE, |step| step.hold),
    }
}

/// Whether a candidate stands where a person has told the rollout to go on.
pub(crate) fn is_told_to_go_on(view: &View<'_>, candidate: &Subject<'_>) -> bool {
    let here = stands(view, candidate);
    view.goal.beyond == Some(here) || request::is_promoted(view.world, here)
}

/// How long a candidate bakes at full weight.
fn bake_time(view: &View<'_>, candidate: &Subject<'_>) -> Duration {
    let full = HoldPoint {
        generation: candidate.number,
        weight: Weight::ALL,
    };
    if request::is_promoted(view.world, full) {
        Duration::ZERO
    } else {
        view.policy.bake
    }
}

fn stands(view: &View<'_>, candidate: &Subject<'_>) -> HoldPoint {
    HoldPoint {
        generation: candidate.number,
        weight: reached(view, candidate),
    }
}

/// The weight that a candidate has reached. Where no traffic is divided it is the largest one that its members
/// are enough for.
fn reached(view: &View<'_>, candidate: &Subject<'_>) -> Weight {
    if view.divides_traffic() || candidate.weight > Weight::NONE {
        return candidate.weight;
    }
    let members = candidate.generation.wanted;
    match &view.policy.strategy {
        _ if members >= view.size => Weight::ALL,
        Strategy::BlueGreen | Strategy::Rolling { .. } => Weight::NONE,
        Strategy::Canary { steps } => steps
            .iter()
            .rev()
            .map(|step| step.weight)
            .find(|weight| view.capacity.needed_for(*weight) <= members)
            .unwrap_or(Weight::NONE),
    }
}

fn is_return(candidate: &Subject<'_>) -> bool {
    candidate.generation.retired_at.is_some()
}

/// The first generation of all: there is nothing to compare it with and nothing to go back to, so
/// neither steps nor bake nor alarms would decide anything. Once it serves, it is better than nothing.
fn first(view: &View<'_>, candidate: &Subject<'_>) -> Decision {
    if candidate.serves_at_all() && !candidate.is_whole() {
        return settled(view, candidate).unwrap_or_else(|| trust_it(candidate));
    }
    grown(view, candidate, view.size)
        .or_else(|| full_weight(view, candidate, healthy(candidate)))
        .or_else(|| settled(view, candidate))
        .unwrap_or_else(|| promote(candidate, None))
}

/// Going back to a generation that served before: it takes all of the traffic at once. Where a person
/// asks for it, it need not be whole; what it lacks comes once it is trusted.
fn return_to(view: &View<'_>, candidate: &Subject<'_>, stable: &Subject<'_>) -> Decision {
    let reason = Reason::StillWarm {
        healthy: candidate.count.healthy,
        wanted: candidate.generation.wanted,
    };
    let is_asked = request::is_returned_to(view.world, candidate.number);
    let is_enough = is_asked && candidate.count.healthy >= request::enough(view, stable);
    let all = view.size.max(candidate.generation.wanted);
    (!is_enough)
        .then(|| grown(view, candidate, all))
        .flatten()
        .or_else(|| full_weight(view, candidate, reason))
        .or_else(|| settled(view, candidate))
        .unwrap_or_else(|| promote(candidate, None))
}

/// All of the traffic in one step. A candidate with a part of it got that by another strategy, and is
/// on trial: what it has must have settled, and no alarm may stand against it.
fn blue_green(view: &View<'_>, candidate: &Subject<'_>) -> Decision {
    let is_on_trial = candidate.weight > Weight::NONE && candidate.weight < Weight::ALL;
    let settled = || gate::closed(view, candidate, Duration::ZERO, bakes(Duration::ZERO));
    grown(view, candidate, view.size)
        .or_else(|| first_traffic(view, candidate))
        .or_else(|| is_on_trial.then(settled).flatten())
        .or_else(|| full_weight(view, candidate, healthy(candidate)))
        .unwrap_or_else(|| bake(view, candidate))
}

/// The step that it stands on is held first; then capacity for the next weight, then the weight.
fn canary(
    view: &View<'_>,
    candidate: &Subject<'_>,
    stable: &Subject<'_>,
    steps: &[CanaryStep],
) -> Decision {
    let weight = reached(view, candidate);
    if weight == Weight::ALL {
        return grown(view, candidate, view.size)
            .or_else(|| undivided(view, candidate))
            .unwrap_or_else(|| bake(view, candidate));
    }
    let next = next_weight(steps, weight);
    let has_it_all = || grown(view, candidate, candidate.generation.wanted);
    let shifted = || {
        let weights = divided(candidate.number, next, stable.number);
        let is_due = view.divides_traffic();
        is_due.then(|| shift(view, weights, healthy(candidate)))
    };
    held(view, candidate, weight)
        .or_else(has_it_all)
        .or_else(|| needed(view, candidate, next))
        .or_else(|| first_share(view, candidate))
        .or_else(shifted)
        .unwrap_or_else(|| bake(view, candidate))
}

/// What keeps a canary at the step that it has reached.
fn held(view: &View<'_>, candidate: &Subject<'_>, weight: Weight) -> Option<Decision> {
    if weight == Weight::NONE || !candidate.is_whole() {
        return None;
    }
    match hold(view, candidate) {
        Hold::For(hold) => gate::closed(view, candidate, hold, Reason::Holds { weight, hold })
            .map(|wait| wait.halted_after(view.now())),
        Hold::NextApply => gate::closed(view, candidate, Duration::ZERO, bakes(Duration::ZERO))
            .or_else(|| Some(Decision::held(stands(view, candidate)))),
    }
}

/// Batches: the candidate's members get their share of the traffic, then as many stable ones go,
/// then there is room for the next batch. The last stable members stay until it has baked.
fn rolling(view: &View<'_>, candidate: &Subject<'_>, stable: &Subject<'_>) -> Decision {
    let is_on_trial = candidate.weight > Weight::NONE || !view.divides_traffic();
    let settled = || gate::closed(view, candidate, Duration::ZERO, bakes(Duration::ZERO));
    let next = || {
        if candidate.generation.wanted >= view.size {
            undivided(view, candidate).unwrap_or_else(|| bake(view, candidate))
        } else {
            batch(view, candidate, stable)
        }
    };
    grown(view, candidate, candidate.generation.wanted)
        .or_else(|| first_share(view, candidate))
        .or_else(|| is_on_trial.then(settled).flatten())
        .or_else(|| proportional(view, candidate, stable))
        .unwrap_or_else(next)
}

/// Gives the candidate the share of the traffic that its members can take; never less than it has.
fn proportional(
    view: &View<'_>,
    candidate: &Subject<'_>,
    stable: &Subject<'_>,
) -> Option<Decision> {
    let share = Capacity::weight_for(candidate.count.healthy, view.size);
    (view.divides_traffic() && share > candidate.weight).then(|| {
        let weights = divided(candidate.number, share, stable.number);
        shift(view, weights, healthy(candidate))
    })
}

/// Takes the stable members that the candidate's stand in for, then grows the candidate.
fn batch(view: &View<'_>, candidate: &Subject<'_>, stable: &Subject<'_>) -> Decision {
    let weight = if view.divides_traffic() {
        candidate.weight
    } else {
        Capacity::weight_for(candidate.count.healthy, view.size)
    };
    let healthy = candidate.count.healthy;
    let least = view.capacity.left_of_stable(healthy, weight);
    let left = stable.shrunk_to(least, view.capacity.min_healthy.saturating_sub(healthy));
    if left < stable.generation.wanted {
        if let Some(wait) = super::steady::proving(view, stable) {
            return wait;
        }
        let reason = Reason::CarriedElsewhere {
            by: candidate.number,
            weight,
            healthy: candidate.count.healthy,
        };
        return resize(stable.number, left, reason);
    }
    // All that leave are waited for, not only as many as give room: batches stay as planned.
    if let Some(wait) = room_is_coming(view) {
        return wait;
    }
    let (running, has) = (view.running(), candidate.generation.wanted);
    match view.capacity.room_for_surge(running) {
        0 => leaving(view).unwrap_or_else(|| super::steady::recovery(view, stable)),
        room => {
            let size = has.saturating_add(room).min(view.size);
            let limit = view.size.saturating_add(view.capacity.surge);
            resize(
                candidate.number,
                size,
                Reason::RoomForSurge { running, limit },
            )
        }
    }
}

/// Gives a candidate the members that it lacks and waits for all of them to be healthy. One that is
/// too large becomes smaller while it has no traffic, else after its promotion.
fn grown(view: &View<'_>, candidate: &Subject<'_>, size: u32) -> Option<Decision> {
    let has = candidate.generation.wanted;
    let to = if has > size && candidate.weight == Weight::NONE {
        spared(view, candidate, size)
    } else {
        size.max(has)
    };
    if to != has {
        let reason = Reason::SizeWanted { wanted: size, has };
        let resized = || resize(candidate.number, to, reason);
        return Some(room_is_coming(view).unwrap_or_else(resized));
    }
    (!candidate.is_whole()).then(|| {
        let reason = candidate.awaits_healthy(view, has);
        let ends = condemn::launch_ends(view, candidate);
        let expected = health::healthy_at(candidate.generation, has, view.policy);
        Decision::wait(ends, expected, reason)
    })
}

/// Waits for members that leave from an earlier change, for they take room. Should they be stuck, it
/// goes on without them.
fn room_is_coming(view: &View<'_>) -> Option<Decision> {
    leaving(view).filter(Decision::is_wait)
}

/// What a candidate without traffic can shrink to. Workers serve from the moment they are healthy,
/// and shrinking takes drifted ones first: those that the minimum needs stay until others are.
fn spared(view: &View<'_>, candidate: &Subject<'_>, size: u32) -> u32 {
    if view.divides_traffic() {
        return size;
    }
    let elsewhere = view.stable.as_ref().map_or(0, |it| it.count.healthy);
    candidate.shrunk_to(size, view.capacity.min_healthy.saturating_sub(elsewhere))
}

/// Gives a candidate the members that a weight needs.
fn needed(view: &View<'_>, candidate: &Subject<'_>, weight: Weight) -> Option<Decision> {
    let (needed, has) = (
        view.capacity.needed_for(weight),
        candidate.generation.wanted,
    );
    (has < needed).then(|| {
        let reason = Reason::WeightNeeds {
            weight,
            needed,
            has,
        };
        room_is_coming(view).unwrap_or_else(|| resize(candidate.number, needed, reason))
    })
}

fn first_traffic(view: &View<'_>, candidate: &Subject<'_>) -> Option<Decision> {
    (candidate.weight == Weight::NONE && view.flow != Flow::NoFront)
        .then(|| gate::before_first_traffic(view, candidate))
        .flatten()
}

/// What must pass before a candidate gets its first part of the traffic.
fn first_share(view: &View<'_>, candidate: &Subject<'_>) -> Option<Decision> {
    let is_due = view.divides_traffic();
    is_due.then(|| first_traffic(view, candidate)).flatten()
}

/// All of the traffic at once for a candidate that came in the place of workers, who took none.
fn undivided(view: &View<'_>, candidate: &Subject<'_>) -> Option<Decision> {
    first_traffic(view, candidate).or_else(|| full_weight(view, candidate, healthy(candidate)))
}

fn full_weight(view: &View<'_>, candidate: &Subject<'_>, reason: Reason) -> Option<Decision> {
    let is_due = view.flow != Flow::NoFront && candidate.weight < Weight::ALL;
    is_due.then(|| shift_all(view, candidate.number, reason))
}

fn bake(view: &View<'_>, candidate: &Subject<'_>) -> Decision {
    let bake = bake_time(view, candidate);
    gate::closed(view, candidate, bake, bakes(bake))
        .map(|wait| wait.halted_after(view.now()))
        .unwrap_or_else(|| promote(candidate, Some(bake)))
}

fn bakes(bake: Duration) -> Reason {
    Reason::Bakes { bake }
}

fn settled(view: &View<'_>, candidate: &Subject<'_>) -> Option<Decision> {
    match view.flow {
        Flow::NoFront => None,
        Flow::InForce { .. }
        | Flow::NotShown { .. }
        | Flow::Foreign { .. }
        | Flow::Unreadable { .. } => {
            gate::closed(view, candidate, Duration::ZERO, bakes(Duration::ZERO))
        }
    }
}

fn promote(candidate: &Subject<'_>, bake: Option<Duration>) -> Decision {
    let action = Action::Promote {
        number: candidate.number,
    };
    Decision::act(action, Reason::Proven { bake })
}

fn healthy(candidate: &Subject<'_>) -> Reason {
    Reason::Healthy {
        healthy: candidate.count.healthy,
        wanted: candidate.generation.wanted,
    }
}

fn next_weight(steps: &[CanaryStep], weight: Weight) -> Weight {
    steps
        .iter()
        .map(|step| step.weight)
        .find(|next| *next > weight)
        .unwrap_or(Weight::ALL)
}
