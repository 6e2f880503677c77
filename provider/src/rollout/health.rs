//! Classifies each member once; everything else counts classes.

use super::{Generation, Member, MemberState, Policy};
use crate::model::{MemberId, Timestamp};

/// What a member is worth to its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// On its way: launching, or running without the streak and the steady time.
    Unproven,
    /// It has its streak and has had it for long enough.
    Healthy,
    /// On its way out.
    Leaving,
    /// Could not be started or ended by itself.
    Failed,
    /// Out of everything, for a person to look at.
    Parked,
}

impl Health {
    /// Classifies a member.
    #[must_use]
    pub fn of(member: &Member, policy: &Policy, now: Timestamp) -> Self {
        match member.state {
            MemberState::Launching => Self::Unproven,
            MemberState::Running => match steady_at(member, policy) {
                Some(steady) if steady <= now => Self::Healthy,
                Some(_) | None => Self::Unproven,
            },
            MemberState::Leaving => Self::Leaving,
            MemberState::Failed => Self::Failed,
            MemberState::Parked => Self::Parked,
        }
    }
}

/// The moment from which a member counts as healthy if it goes on like this; absent: not foreseeable.
fn steady_at(member: &Member, policy: &Policy) -> Option<Timestamp> {
    let since = member.healthy_since?;
    (member.state == MemberState::Running && member.streak >= policy.streak)
        .then(|| since + policy.steady)
}

/// How many members of a generation are in which condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headcount {
    /// Members that are healthy.
    pub healthy: u32,
    /// Members that are healthy and do not differ from their image.
    pub healthy_undrifted: u32,
    /// Members launching or running, the healthy ones included.
    pub live: u32,
    /// Running members that pass their checks and have not done so for long enough.
    pub recovering: u32,
    /// Members launching or running that differ from their image.
    pub drifted: u32,
    /// Members on their way out.
    pub leaving: u32,
    /// Members that could not be started or ended by themselves, as far as the cloud remembers.
    pub failed: u32,
}

impl Headcount {
    /// Counts a generation's members.
    #[must_use]
    pub fn of(generation: &Generation, policy: &Policy, now: Timestamp) -> Self {
        generation
            .members
            .iter()
            .fold(Self::default(), |count, member| {
                let health = Health::of(member, policy, now);
                let recovers = health == Health::Unproven && member.streak > 0;
                let count = count.with(health, member.drift.is_some());
                Self {
                    recovering: count.recovering + u32::from(recovers),
                    ..count
                }
            })
    }

    /// The healthy members that are left when `count` members are taken: drifted ones go first, then
    /// those that are not healthy. 6 live, 4 of them healthy, 1 of these drifted, 2 taken: 3.
    #[must_use]
    pub fn healthy_without(&self, count: u32) -> u32 {
        let drifted = self.healthy - self.healthy_undrifted;
        let ill = self.live - self.healthy;
        let taken = count.min(drifted) + count.saturating_sub(drifted + ill);
        self.healthy.saturating_sub(taken)
    }

    fn with(self, health: Health, drifted: bool) -> Self {
        let drifts = u32::from(drifted);
        match health {
            Health::Healthy => Self {
                healthy: self.healthy + 1,
                healthy_undrifted: self.healthy_undrifted + 1 - drifts,
                live: self.live + 1,
                drifted: self.drifted + drifts,
                ..self
            },
            Health::Unproven => Self {
                live: self.live + 1,
                drifted: self.drifted + drifts,
                ..self
            },
            Health::Leaving => Self {
                leaving: self.leaving + 1,
                ..self
            },
            Health::Failed => Self {
                failed: self.failed + 1,
                ..self
            },
            Health::Parked => self,
        }
    }
}

/// The moment at which a generation will have `count` healthy members if all goes on like this;
/// absent: not foreseeable.
#[must_use]
pub(crate) fn healthy_at(
    generation: &Generation,
    count: u32,
    policy: &Policy,
) -> Option<Timestamp> {
    let mut moments: Vec<Timestamp> = generation
        .members
        .iter()
        .filter_map(|member| steady_at(member, policy))
        .collect();
    moments.sort_unstable();
    let index = usize::try_from(count.checked_sub(1)?).ok()?;
    moments.get(index).copied()
}

/// The member that shows best what is wrong with a generation; absent: none shows anything.
#[must_use]
pub(crate) fn culprit<'a>(
    generation: &'a Generation,
    policy: &Policy,
    now: Timestamp,
) -> Option<&'a Member> {
    let ill = |member: &&Member| match Health::of(member, policy, now) {
        Health::Failed | Health::Unproven => true,
        Health::Healthy | Health::Leaving | Health::Parked => false,
    };
    generation.members.iter().filter(ill).min_by_key(|member| {
        (
            member.last_error.is_none(),
            member.state != MemberState::Failed,
            member.streak,
            &member.id,
        )
    })
}

/// The member to park when a generation goes: the one its verdict names, else one that is ill, else
/// any that runs, for an alarm names none.
#[must_use]
pub(crate) fn to_park(
    generation: &Generation,
    policy: &Policy,
    now: Timestamp,
) -> Option<MemberId> {
    let named = generation
        .condemned
        .as_ref()
        .and_then(|condemned| condemned.cause.member.clone());
    let is_here = |id: &MemberId| generation.members.iter().any(|member| member.id == *id);
    named
        .filter(is_here)
        .or_else(|| culprit(generation, policy, now).map(|member| member.id.clone()))
        .or_else(|| {
            let runs = |member: &&Member| member.state == MemberState::Running;
            let any = generation.members.iter().find(runs);
            any.map(|member| member.id.clone())
        })
}
