//! What is held against a candidate. A stable generation is never condemned.

use super::gate::{self, ALARM_GRACE, Alarms};
use super::patience::{Patience, longest};
use super::roles::{Subject, View};
use super::{Action, Cause, Decision, Hold, Reason, Words, advance, health, request};
use crate::model::{Timestamp, Weight};
use std::time::Duration;

/// Members of a launch that may end by themselves before it is given up, at least. One is bad luck,
/// two may share a bad host, three in a row is the image; and a large fleet is allowed a tenth.
const EXITS: u32 = 3;

/// Condemns the candidate when something is held against it. Whatever is found first is the verdict:
/// a person's request first, then alarms before members, because an alarm is the user's own word.
///
/// What serves while nothing is stable is never given up: nothing would be left.
pub(crate) fn candidate(view: &View<'_>) -> Option<Decision> {
    let candidate = view.candidate.as_ref()?;
    if view.stable.is_none() && candidate.serves_at_all() {
        return None;
    }
    let summary = request::abort(view, candidate)
        .or_else(|| firing(view, candidate))
        .or_else(|| fallen_ill(view, candidate))
        .or_else(|| incomplete(view, candidate))
        .or_else(|| unreadable(view, candidate))?;
    let member = health::culprit(candidate.generation, view.policy, view.now());
    let cause = Cause {
        summary: summary.clone(),
        member: member.map(|member| member.id.clone()),
        output: String::new(),
    };
    let action = Action::Condemn {
        number: candidate.number,
        cause,
        retry: view.goal.retry.clone(),
    };
    Some(Decision::act(action, Reason::Condemnable { summary }))
}

fn firing(view: &View<'_>, candidate: &Subject<'_>) -> Option<String> {
    match gate::judged(view, candidate) {
        Alarms::Firing { alarm, why } => Some(format!(
            "alarm {alarm} fired while it had {} of the traffic: {why}",
            candidate.weight
        )),
        Alarms::Quiet | Alarms::Unreadable { .. } => None,
    }
}

/// An alarm that says nothing is no pass: it is waited for where a pass is due, then it fails.
///
/// Where a rollout has rested for days, nobody knows since when an alarm says nothing; whoever goes
/// on from there is told instead.
fn unreadable(view: &View<'_>, candidate: &Subject<'_>) -> Option<String> {
    if !candidate.is_whole() {
        return None;
    }
    let hold = match advance::hold(view, candidate) {
        _ if advance::is_told_to_go_on(view, candidate) => return None,
        Hold::For(hold) => hold,
        Hold::NextApply => Duration::ZERO,
    };
    let opens = gate::opens_at(view, candidate, hold);
    match gate::judged(view, candidate) {
        Alarms::Unreadable { alarm, why } if view.now() >= opens + ALARM_GRACE => Some(format!(
            "alarm {alarm} could not be read for {} when it had to be quiet: {why}",
            Words(ALARM_GRACE)
        )),
        Alarms::Unreadable { .. } | Alarms::Quiet | Alarms::Firing { .. } => None,
    }
}

/// It had enough healthy members for its weight when it got it, and has no longer, by more than the
/// cloud replaces in the course of a day: those few are waited for before it gets more or is trusted.
///
/// Members that were asked for after that are not expected yet.
fn fallen_ill(view: &View<'_>, candidate: &Subject<'_>) -> Option<String> {
    if all_began_anew(view, candidate) {
        return None;
    }
    let generation = candidate.generation;
    let is_growing = generation.resized_at > gate::since(view, candidate);
    let had = if is_growing {
        generation.wanted_before.min(generation.wanted)
    } else {
        generation.wanted
    };
    let needed = view.capacity.needed_for(candidate.weight).min(had);
    let needed = needed.saturating_sub(view.capacity.may_fall_ill(had));
    let needed = match &view.stable {
        Some(stable) if request::is_returned_to(view.world, candidate.number) => {
            needed.min(request::enough(view, stable))
        }
        Some(_) | None => needed,
    };
    let healthy = candidate.count.healthy;
    (candidate.weight > Weight::NONE && healthy < needed).then(|| {
        format!(
            "{healthy} members stayed healthy where {} of the traffic needs {needed}{}",
            candidate.weight,
            last_words(view, candidate)
        )
    })
}

/// Whether no member is left of those that were there when the candidate got its weight, on either
/// side, and none of them failed: the machine or the zone under them all was restarted. That is not
/// the candidate's doing, and the stable generation has nothing better to offer. The launch deadline
/// runs.
fn all_began_anew(view: &View<'_>, candidate: &Subject<'_>) -> bool {
    let since = gate::since(view, candidate);
    let mut sides = [Some(candidate), view.stable.as_ref()]
        .into_iter()
        .flatten();
    sides.all(|side| {
        let members = &side.generation.members;
        side.count.failed == 0 && members.iter().all(|member| member.launched_at > since)
    })
}

/// It does not get whole. A person who goes back to a generation takes it as it is.
fn incomplete(view: &View<'_>, candidate: &Subject<'_>) -> Option<String> {
    if request::is_returned_to(view.world, candidate.number) {
        return None;
    }
    exits(candidate).or_else(|| late(view, candidate))
}

fn exits(candidate: &Subject<'_>) -> Option<String> {
    let (failed, wanted) = (candidate.count.failed, candidate.generation.wanted);
    (failed >= tolerated_exits(wanted) && !candidate.is_whole()).then(|| {
        let words = candidate
            .generation
            .members
            .iter()
            .filter(|member| member.state == super::MemberState::Failed)
            .find_map(|member| member.last_error.as_deref())
            .map(|error| format!(": {error}"));
        format!(
            "{failed} members ended by themselves, {} of {wanted} are healthy{}",
            candidate.count.healthy,
            words.unwrap_or_default()
        )
    })
}

/// How many members may fail before a generation is given up. Size 1: 3; size 400: 40.
pub(crate) fn tolerated_exits(wanted: u32) -> u32 {
    EXITS.max(wanted.div_ceil(10))
}

fn late(view: &View<'_>, candidate: &Subject<'_>) -> Option<String> {
    let patience = patience(view, candidate);
    (!candidate.is_whole() && view.now() >= patience.ends()).then(|| {
        let time = if view.now() >= patience.one_more {
            format!("{} without one more", Words(view.policy.launch_deadline))
        } else {
            let all = longest(view.policy, candidate.generation.wanted);
            format!("{} in which they took turns", Words(all))
        };
        format!(
            "{} of {} were healthy after {time}{}",
            candidate.count.healthy,
            candidate.generation.wanted,
            last_words(view, candidate)
        )
    })
}

/// The end of a candidate's time to be whole.
pub(crate) fn launch_ends(view: &View<'_>, candidate: &Subject<'_>) -> Timestamp {
    patience(view, candidate).ends()
}

/// A candidate that serves well enough gives a member that is replaced as much time as a launch.
fn patience(view: &View<'_>, candidate: &Subject<'_>) -> Patience {
    if candidate.weight > Weight::NONE {
        Patience::to_recover(candidate.generation, view.policy, view.now())
    } else {
        let stable = view.stable.as_ref().map(|stable| stable.generation);
        Patience::to_launch(candidate.generation, stable, view.policy, view.now())
    }
}

fn last_words(view: &View<'_>, candidate: &Subject<'_>) -> String {
    health::culprit(candidate.generation, view.policy, view.now())
        .and_then(|member| member.last_error.as_deref())
        .map(|error| format!(": {error}"))
        .unwrap_or_default()
}
