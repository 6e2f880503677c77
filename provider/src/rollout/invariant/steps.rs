//! The rules about how a candidate gets its traffic: step by step, and never against an alarm.

use super::{Case, alarms_are_quiet, weight};
use crate::model::{GenerationNumber, Weight};
use crate::rollout::{Action, Hold, HoldPoint, Strategy, Traffic};
use std::time::Duration;

/// The share that the action gives a candidate on trial, with the one that it had.
fn candidates_gain(case: &Case<'_>) -> Option<(GenerationNumber, Weight, Weight)> {
    let Action::ShiftTraffic { weights, before } = case.action else {
        return None;
    };
    weights
        .iter()
        .map(|(number, share)| (*number, weight(before, *number), *share))
        .find(|(number, from, to)| to > from && case.is_candidate(*number))
}

/// Judges that a canary takes each of its steps, and holds it. In the place of workers, who took no
/// traffic, there is nothing to divide.
pub(super) fn steps_are_held(case: &Case<'_>) -> Option<String> {
    let Strategy::Canary { steps } = &case.policy.strategy else {
        return None;
    };
    let (number, from, to) = candidates_gain(case)?;
    case.stable().filter(|stable| stable.takes_traffic)?;
    let next = steps.iter().map(|step| step.weight).find(|w| *w > from);
    let next = next.unwrap_or(Weight::ALL);
    let held = steps.iter().rev().find(|step| step.weight <= from);
    let hold = held.map_or(Hold::For(Duration::ZERO), |step| step.hold);
    let rested = HoldPoint {
        generation: number,
        weight: from,
    };
    let Traffic::Known {
        written,
        written_at,
        ..
    } = &case.before.traffic
    else {
        return None;
    };
    let sends_again = weight(written, number) == to;
    let settled = *written_at + case.policy.settle;
    let is_over = match hold {
        _ if case.is_told_to_go_on(rested) => case.before.now >= settled,
        Hold::For(time) => case.before.now >= settled + time,
        Hold::NextApply => false,
    };
    let is_held = from == Weight::NONE || is_over;
    (!sends_again && (to > next || !is_held)).then(|| {
        format!("generation {number} goes from {from} to {to}; {next} comes next, after {hold:?}")
    })
}

/// Judges that a candidate gets no more while an alarm fires or cannot be read.
pub(super) fn alarms_are_heard(case: &Case<'_>) -> Option<String> {
    let (number, from, to) = candidates_gain(case)?;
    let sends_again = matches!(&case.before.traffic, Traffic::Known { written, .. }
        if weight(written, number) == to);
    (!sends_again && !alarms_are_quiet(case))
        .then(|| format!("generation {number} goes from {from} to {to} in spite of an alarm"))
}
