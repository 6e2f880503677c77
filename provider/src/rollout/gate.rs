//! What must pass before a candidate gets more: time in force, quiet alarms.

use super::roles::{Subject, View};
use super::traffic::Flow;
use super::{AlarmState, Decision, Policy, Reason, World, health};
use crate::model::{Timestamp, Weight};
use std::time::Duration;

/// How long an alarm may be unreadable where a pass is due. Metrics come by the minute and reads get
/// throttled; five minutes tell a hiccup from an alarm that says nothing.
pub(crate) const ALARM_GRACE: Duration = Duration::from_secs(300);

/// What is known of the alarms of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarms<'a> {
    Quiet,
    Firing { alarm: &'a str, why: &'a str },
    Unreadable { alarm: &'a str, why: &'a str },
}

impl<'a> Alarms<'a> {
    /// Reads the alarms; one that fires says more than one that cannot be read.
    pub(crate) fn of(world: &'a World, policy: &'a Policy) -> Self {
        let states = || {
            policy
                .alarms
                .iter()
                .map(|alarm| (alarm, world.alarms.get(alarm)))
        };
        let firing = states().find_map(|(alarm, state)| match state {
            Some(AlarmState::Firing { why }) => Some(Self::Firing { alarm, why }),
            Some(AlarmState::Quiet | AlarmState::Unreadable { .. }) | None => None,
        });
        let unreadable = states().find_map(|(alarm, state)| match state {
            Some(AlarmState::Unreadable { why }) => Some(Self::Unreadable { alarm, why }),
            None => Some(Self::Unreadable {
                alarm,
                why: "it was not found",
            }),
            Some(AlarmState::Quiet | AlarmState::Firing { .. }) => None,
        });
        firing.or(unreadable).unwrap_or(Self::Quiet)
    }
}

/// Since when a candidate has what it has now: its weight, or its members where none is divided.
pub(crate) fn since(view: &View<'_>, candidate: &Subject<'_>) -> Timestamp {
    match &view.flow {
        Flow::InForce { since, .. } | Flow::NotShown { since, .. }
            if is_weighed(view, candidate) =>
        {
            *since
        }
        Flow::InForce { .. }
        | Flow::NotShown { .. }
        | Flow::NoFront
        | Flow::Foreign { .. }
        | Flow::Unreadable { .. } => ready_at(view, candidate),
    }
}

/// Whether a weight tells how far a candidate is, and not the number of its members.
fn is_weighed(view: &View<'_>, candidate: &Subject<'_>) -> bool {
    view.divides_traffic() || candidate.weight > Weight::NONE
}

/// Since when a candidate has had all its members healthy.
pub(crate) fn ready_at(view: &View<'_>, candidate: &Subject<'_>) -> Timestamp {
    let generation = candidate.generation;
    health::healthy_at(generation, generation.wanted, view.policy)
        .unwrap_or(generation.resized_at)
        .max(generation.resized_at)
}

/// When a candidate may get more: the weights have settled and were held.
pub(crate) fn opens_at(view: &View<'_>, candidate: &Subject<'_>, hold: Duration) -> Timestamp {
    let settle = if is_weighed(view, candidate) {
        view.policy.settle
    } else {
        Duration::ZERO
    };
    since(view, candidate) + settle + hold
}

/// What keeps a candidate where it is; absent: nothing, it may get more.
pub(crate) fn closed(
    view: &View<'_>,
    candidate: &Subject<'_>,
    hold: Duration,
    reason: Reason,
) -> Option<Decision> {
    let settled = opens_at(view, candidate, Duration::ZERO);
    let opens = opens_at(view, candidate, hold);
    if view.now() < settled {
        let settle = view.policy.settle;
        return Some(until(settled, Reason::AwaitsSettled { settle }));
    }
    if view.now() < opens {
        return Some(until(opens, reason));
    }
    match judged(view, candidate) {
        Alarms::Quiet | Alarms::Firing { .. } => None,
        Alarms::Unreadable { alarm, why } => {
            let reason = awaits_alarm(alarm, why);
            Some(Decision::wait(opens + ALARM_GRACE, None, reason))
        }
    }
}

/// The alarms as far as they judge this candidate: not before it has traffic, not where nothing is
/// stable that could serve instead, not on its return, when they tell of what serves now.
pub(crate) fn judged<'a>(view: &View<'a>, candidate: &Subject<'_>) -> Alarms<'a> {
    let has_work = candidate.weight > Weight::NONE || !view.divides_traffic();
    if has_work && view.stable.is_some() && candidate.generation.retired_at.is_none() {
        Alarms::of(view.world, view.policy)
    } else {
        Alarms::Quiet
    }
}

/// What the alarms say against giving a candidate its first traffic. Whatever they say then is not
/// its doing, so nothing is held against it.
pub(crate) fn before_first_traffic(view: &View<'_>, candidate: &Subject<'_>) -> Option<Decision> {
    match Alarms::of(view.world, view.policy) {
        Alarms::Quiet => None,
        Alarms::Firing { alarm, why } => Some(halted(alarm, why)),
        Alarms::Unreadable { alarm, why } => {
            let ends = ready_at(view, candidate) + ALARM_GRACE;
            Some(if view.now() < ends {
                Decision::wait(ends, None, awaits_alarm(alarm, why))
            } else {
                halted(alarm, why)
            })
        }
    }
}

/// What a firing alarm says against making a candidate: it could never be told apart from it.
pub(crate) fn before_creation(view: &View<'_>) -> Option<Decision> {
    match Alarms::of(view.world, view.policy) {
        Alarms::Quiet | Alarms::Unreadable { .. } => None,
        Alarms::Firing { alarm, why } => Some(halted(alarm, why)),
    }
}

fn until(moment: Timestamp, reason: Reason) -> Decision {
    Decision::wait(moment, Some(moment), reason)
}

fn awaits_alarm(alarm: &str, why: &str) -> Reason {
    Reason::AwaitsAlarm {
        alarm: alarm.to_owned(),
        why: why.to_owned(),
    }
}

fn halted(alarm: &str, why: &str) -> Decision {
    Decision::halt(Reason::AlarmBefore {
        alarm: alarm.to_owned(),
        why: why.to_owned(),
    })
}
