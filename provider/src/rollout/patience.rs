//! How long members are waited for.

use super::{Generation, Health, Member, MemberState, Policy};
use crate::model::Timestamp;
use std::cmp::Reverse;
use std::time::Duration;

/// The deadlines that a generation has in all, at most. Members that take turns in being well must
/// not make a wait that never ends, nor one of days in a fleet of hundreds.
const DEADLINES: u32 = 10;

/// How long a generation is waited for to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Until when one more member must be healthy; it moves with each that gets so.
    pub(crate) one_more: Timestamp,
    /// Until when all of them must be at once.
    pub(crate) all: Timestamp,
}

impl Patience {
    pub(crate) fn ends(self) -> Timestamp {
        self.one_more.min(self.all)
    }

    /// How long a generation that is launched, or grown, is waited for. Where no member is left of
    /// those that were there when it was asked for, on the stable side neither, what they all run on
    /// was down: that time is not the generation's, and its own counts from its members' launch.
    pub(crate) fn to_launch(
        generation: &Generation,
        stable: Option<&Generation>,
        policy: &Policy,
        now: Timestamp,
    ) -> Self {
        let asked = generation.resized_at;
        let anew = stable.and_then(|stable| launched_after(stable, asked));
        let anew = anew.and_then(|_| launched_after(generation, asked));
        let began = anew.unwrap_or(asked);
        let progress = last_well(generation, policy, now).map_or(began, |at| at.max(began));
        Self {
            one_more: progress + policy.launch_deadline,
            all: began + longest(policy, generation.wanted),
        }
    }

    /// How long a generation which was well is waited for to get well again by itself: a member that
    /// the cloud started in place of another one has the whole time for itself.
    pub(crate) fn to_recover(generation: &Generation, policy: &Policy, now: Timestamp) -> Self {
        let ill = |member: &&Member| Health::of(member, policy, now) == Health::Unproven;
        let ill = generation.members.iter().filter(ill);
        let oldest = ill.map(|member| missing_from(member, policy)).min();
        let progress = oldest.max(last_well(generation, policy, now));
        let began = generation.resized_at;
        let unbroken = not_whole_since(generation, policy, now).max(began);
        Self {
            one_more: progress.map_or(began, |at| at.max(began)) + policy.launch_deadline,
            all: unbroken + longest(policy, generation.wanted),
        }
    }
}

/// How long members may take turns in being well: one deadline for each, ten at most.
pub(crate) fn longest(policy: &Policy, wanted: u32) -> Duration {
    let deadlines = wanted.saturating_add(1).min(DEADLINES);
    policy.launch_deadline.saturating_mul(deadlines)
}

/// When the oldest member was launched, where all are newer than a moment and none has failed.
fn launched_after(generation: &Generation, moment: Timestamp) -> Option<Timestamp> {
    let is_left = |state| matches!(state, MemberState::Launching | MemberState::Running);
    let members = || generation.members.iter();
    let has_failed = members().any(|member| member.state == MemberState::Failed);
    let live = members().filter(|member| is_left(member.state));
    live.map(|member| member.launched_at)
        .min()
        .filter(|oldest| *oldest > moment && !has_failed)
}

/// When the last of those that are healthy became so.
fn last_well(generation: &Generation, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let healthy = |member: &&Member| Health::of(member, policy, now) == Health::Healthy;
    let healthy = generation.members.iter().filter(healthy);
    healthy
        .filter_map(|it| it.healthy_since)
        .max()
        .map(|since| since + policy.steady)
}

/// From when on a member is, or was, missing. One whose checks began to pass long after its launch
/// was well before and fell ill; when that was is not known any more.
fn missing_from(member: &Member, policy: &Policy) -> Timestamp {
    let is_late = |since: &Timestamp| since.since(member.launched_at) > policy.launch_deadline;
    let well_again = member.healthy_since.filter(is_late);
    member
        .ill_since
        .or(well_again)
        .unwrap_or(member.launched_at)
}

/// Since when a generation lacked one member or another without a moment between, as far as its
/// members tell; now: it is whole.
///
/// Members at 0..3, 2..5 and 7..now: since 7. At 0..3, 2..8 and 7..now: since 0.
fn not_whole_since(generation: &Generation, policy: &Policy, now: Timestamp) -> Timestamp {
    let gaps = generation.members.iter();
    let mut gaps: Vec<(Timestamp, Timestamp)> =
        gaps.filter_map(|it| gap(it, policy, now)).collect();
    gaps.sort_unstable_by_key(|(_, end)| Reverse(*end));
    gaps.into_iter().fold(
        now,
        |since, (from, to)| if to < since { since } else { since.min(from) },
    )
}

/// From when until when a member was missing last.
fn gap(member: &Member, policy: &Policy, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let until = match Health::of(member, policy, now) {
        Health::Unproven => now,
        Health::Healthy => member.healthy_since? + policy.steady,
        Health::Leaving | Health::Failed | Health::Parked => return None,
    };
    Some((missing_from(member, policy), until))
}
