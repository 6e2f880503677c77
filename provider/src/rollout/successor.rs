//! A superseded generation that is all that serves, because the stable one died under it or takes no
//! traffic.

use super::clear::{resize, shift_all, trust_it};
use super::gate::{self, ALARM_GRACE, Alarms};
use super::patience::Patience;
use super::roles::{Subject, View};
use super::{Decision, Reason};
use crate::model::Weight;

/// Makes a superseded generation the stable one, where the stable one takes no traffic, or has had its
/// time to get well and has no healthy member left. It is trusted like any other: with all of the traffic, whole,
/// baked, and no alarm against it. Absent: it cannot be, for it is not well either.
pub(super) fn decide(
    view: &View<'_>,
    stable: &Subject<'_>,
    from: &Subject<'_>,
) -> Option<Decision> {
    let can_serve = stable.generation.takes_traffic && stable.count.healthy > 0;
    if can_serve || from.generation.draining_since.is_some() {
        return None;
    }
    if let Some(decision) = grown(view, from) {
        return Some(decision);
    }
    if !from.is_whole() || from.count.healthy < view.capacity.needed_for(Weight::ALL) {
        return None;
    }
    let bake = view.policy.bake;
    let patience_ends = gate::opens_at(view, from, bake) + ALARM_GRACE;
    match gate::judged(view, from) {
        Alarms::Firing { .. } => return None,
        Alarms::Unreadable { .. } if view.now() >= patience_ends => return None,
        Alarms::Unreadable { .. } | Alarms::Quiet => {}
    }
    if from.weight < Weight::ALL {
        return Some(shift_all(view, from.number, Reason::OnlyOneServing));
    }
    Some(gate::closed(view, from, bake, Reason::Bakes { bake }).unwrap_or_else(|| trust_it(from)))
}

/// Gives it the members that all of the traffic needs, as far as there is room, and waits for them.
fn grown(view: &View<'_>, from: &Subject<'_>) -> Option<Decision> {
    let (needed, has) = (
        view.capacity.needed_for(Weight::ALL),
        from.generation.wanted,
    );
    let room = view.capacity.room_for_surge(view.running());
    let size = has.saturating_add(room).min(needed);
    if size > has {
        let weight = Weight::ALL;
        let reason = Reason::WeightNeeds {
            weight,
            needed,
            has,
        };
        return Some(resize(from.number, size, reason));
    }
    let ends = Patience::to_recover(from.generation, view.policy, view.now()).ends();
    (!from.is_whole() && view.now() < ends).then(|| {
        let reason = from.awaits_healthy(view, has);
        Decision::wait(ends, None, reason)
    })
}
