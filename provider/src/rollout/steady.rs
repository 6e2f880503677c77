//! The stable generation is what is wanted: its traffic, its size, its members.

use super::clear::{resize, shift_all};
use super::condemn::tolerated_exits;
use super::patience::Patience;
use super::roles::{Subject, View};
use super::traffic::{Flow, all_on};
use super::{Decision, Reason, Step, glass, health, request};

/// Decides the next step for a fleet whose stable generation is the wanted one.
pub(crate) fn decide(view: &View<'_>, stable: &Subject<'_>) -> Decision {
    request::rehearse(view, stable)
        .or_else(|| take_traffic(view, stable))
        .or_else(|| glass::park(view, stable))
        .or_else(|| grow(view, stable))
        .or_else(|| shrink(view, stable))
        .or_else(|| get_well(view, stable))
        .or_else(|| replace_drifted(view, stable))
        .or_else(|| glass::remove_overdue(view))
        .unwrap_or_else(|| reached(view, stable))
}

/// Gives the traffic that nobody has to the stable generation: the fleet was to be gone, lost its
/// traffic, and is wanted again; or someone deleted the rule. Whatever comes next begins from there,
/// getting well too: few members are better than none, and some clouds ask no member without traffic.
pub(crate) fn restored(view: &View<'_>) -> Option<Decision> {
    let takes_some = |stable: &&Subject<'_>| stable.generation.takes_traffic;
    let stable = view.stable.as_ref().filter(takes_some)?;
    let Flow::InForce { weights, .. } = &view.flow else {
        return None;
    };
    let is_left = weights.is_empty();
    is_left.then(|| shift_all(view, stable.number, Reason::NobodyHasTraffic))
}

fn take_traffic(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let Flow::InForce { weights, .. } = &view.flow else {
        return None;
    };
    if *weights == all_on(stable.number) {
        return None;
    }
    if !stable.is_whole() {
        return Some(recovery(view, stable));
    }
    let reason = Reason::Healthy {
        healthy: stable.count.healthy,
        wanted: stable.generation.wanted,
    };
    Some(shift_all(view, stable.number, reason))
}

/// Members that still leave from an earlier change take the room of new ones.
fn grow(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let (wanted, has) = (view.size, stable.generation.wanted);
    if has >= wanted {
        return None;
    }
    match view.capacity.room_for_surge(view.running()) {
        0 => super::clear::leaving(view),
        room => {
            let size = has.saturating_add(room).min(wanted);
            Some(resize(
                stable.number,
                size,
                Reason::SizeWanted { wanted, has },
            ))
        }
    }
}

/// Shrinking takes drifted members first, so the others must be well by then.
fn shrink(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let (wanted, has) = (view.size, stable.generation.wanted);
    if has <= wanted {
        return None;
    }
    let sound = has.saturating_sub(stable.count.drifted);
    if stable.count.drifted > 0 && stable.count.healthy_undrifted < sound {
        return Some(recovery(view, stable));
    }
    if let Some(wait) = proving(view, stable) {
        return Some(wait);
    }
    let reason = if stable.count.drifted > 0 {
        Reason::DriftReplaced {
            healthy: stable.count.healthy_undrifted,
            wanted: sound,
        }
    } else {
        Reason::SizeWanted { wanted, has }
    };
    Some(resize(stable.number, wanted, reason))
}

/// Waits for members that pass their checks again and are not proven yet: a cloud that shrinks a
/// generation takes them for well, and would take proven ones instead.
pub(crate) fn proving(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    if stable.count.recovering == 0 {
        return None;
    }
    let since = stable.generation.members.iter();
    let since = since.filter_map(|member| member.healthy_since).max();
    let proven = since.unwrap_or(view.now()) + view.policy.steady;
    let reason = stable.awaits_healthy(view, stable.generation.wanted);
    let ends = proven.max(view.now() + view.policy.steady);
    Some(Decision::wait(ends, Some(proven), reason))
}

/// An apply does not say that all is well while it is not. Drifted members that are to be replaced
/// are not waited for: they may never get well.
fn get_well(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let drifted = if view.replaces_drifted() {
        stable.count.drifted
    } else {
        0
    };
    let sound = stable.generation.wanted.saturating_sub(drifted);
    let healthy = if drifted > 0 {
        stable.count.healthy_undrifted
    } else {
        stable.count.healthy
    };
    (healthy < sound).then(|| recovery(view, stable))
}

fn replace_drifted(view: &View<'_>, stable: &Subject<'_>) -> Option<Decision> {
    let drifted = stable.count.drifted;
    if drifted == 0 || !view.replaces_drifted() {
        return None;
    }
    let running = view.running();
    let leaves = super::clear::leaving(view);
    let surge = view.capacity.drift_surge().min(drifted);
    let limit = view.size.saturating_add(surge);
    if running >= limit && leaves.is_some() {
        return leaves;
    }
    Some(resize(stable.number, limit, Reason::Drifted { drifted }))
}

/// Waits for the stable generation to get well by itself, and ends when it does not.
pub(crate) fn recovery(view: &View<'_>, stable: &Subject<'_>) -> Decision {
    let generation = stable.generation;
    let (healthy, wanted) = (stable.count.healthy, generation.wanted);
    let ends = Patience::to_recover(generation, view.policy, view.now()).ends();
    if view.now() < ends && stable.count.failed < tolerated_exits(wanted) {
        let reason = stable.awaits_healthy(view, wanted);
        let expected = health::healthy_at(generation, wanted, view.policy);
        return Decision::wait(ends, expected, reason);
    }
    let culprit = health::culprit(generation, view.policy, view.now());
    Decision::halt(Reason::StableIll {
        generation: stable.number,
        healthy,
        wanted,
        error: culprit.and_then(|member| member.last_error.clone()),
    })
}

fn reached(view: &View<'_>, stable: &Subject<'_>) -> Decision {
    Decision {
        step: Step::Done,
        reason: Reason::Reached {
            generation: stable.number,
            size: stable.generation.wanted,
            kept: view
                .kept
                .map(|kept| (kept.number, view.policy.keep_previous)),
        },
    }
}
