//! Which generation is what, worked out once for each decision.

use super::capacity::Capacity;
use super::health::Headcount;
use super::traffic::Flow;
use super::{FleetGoal, Generation, Going, Policy, Reason, World, health, live, request};
use crate::model::{GenerationNumber, Timestamp, Weight};

/// A generation with what was counted of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) number: GenerationNumber,
    pub(crate) generation: &'a Generation,
    pub(crate) count: Headcount,
    /// The most traffic that it has or may get any moment.
    pub(crate) weight: Weight,
}

impl Subject<'_> {
    /// The members that run or may run any moment: a launch that does not show yet counts too.
    pub(crate) fn running(&self) -> u32 {
        self.generation.wanted.max(self.count.live) + self.count.leaving
    }

    /// The fewest members, at least `least`, that it can shrink to with `healthy` healthy ones left,
    /// or with all that it has.
    pub(crate) fn shrunk_to(&self, least: u32, healthy: u32) -> u32 {
        let wanted = self.generation.wanted;
        let keeps = |left: &u32| {
            self.count.healthy_without(wanted - left) >= healthy.min(self.count.healthy)
        };
        (least.min(wanted)..wanted).find(keeps).unwrap_or(wanted)
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.count.healthy >= self.generation.wanted
    }

    /// Whether it has traffic and a member that is well.
    pub(crate) fn serves_at_all(&self) -> bool {
        self.weight > Weight::NONE && self.count.healthy > 0
    }

    /// Says that members are waited for, and what is known of one that is not healthy.
    pub(crate) fn awaits_healthy(&self, view: &View<'_>, wanted: u32) -> Reason {
        let culprit = health::culprit(self.generation, view.policy, view.now());
        // What a member said before it began to pass its checks is no news.
        let culprit = culprit.filter(|member| member.streak == 0);
        Reason::AwaitsHealthy {
            generation: self.number,
            healthy: self.count.healthy,
            wanted,
            why: culprit.and_then(|member| member.last_error.clone()),
        }
    }
}

/// A world seen with a goal in mind.
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    pub(crate) goal: &'a FleetGoal,
    pub(crate) policy: &'a Policy,
    /// Members wanted now.
    pub(crate) size: u32,
    pub(crate) capacity: Capacity,
    pub(crate) flow: Flow,
    pub(crate) stable: Option<Subject<'a>>,
    /// What shall become stable; absent where it is already, or must still be made.
    pub(crate) candidate: Option<Subject<'a>>,
    /// The earlier generation that stays warm.
    pub(crate) kept: Option<Subject<'a>>,
    /// What must go, the oldest first.
    pub(crate) going: Vec<(Subject<'a>, Going)>,
}

impl<'a> View<'a> {
    pub(crate) fn of(world: &'a World, goal: &'a FleetGoal, policy: &'a Policy) -> Self {
        let size = live::size(world, goal);
        let flow = Flow::of(world, goal.settings.front.is_some());
        let subjects: Vec<Subject<'a>> = world
            .generations
            .iter()
            .map(|(number, generation)| Subject {
                number: *number,
                generation,
                count: Headcount::of(generation, policy, world.now),
                weight: flow.weight(*number),
            })
            .collect();
        let stable = trusted(world);
        let stable = subjects
            .iter()
            .copied()
            .find(|subject| Some(subject.number) == stable);
        let at_rest = stable.is_some_and(|s| s.generation.fingerprint == goal.fingerprint);
        let others = subjects
            .iter()
            .copied()
            .filter(|subject| Some(subject.number) != stable.map(|stable| stable.number));
        let candidate = (!at_rest)
            .then(|| find_candidate(others.clone(), world, goal, policy))
            .flatten();
        let kept = at_rest
            .then(|| find_kept(others.clone(), world.now, policy))
            .flatten();
        let stays = |number| {
            [candidate, kept]
                .iter()
                .flatten()
                .any(|stays| stays.number == number)
        };
        let going = others
            .filter(|subject| !stays(subject.number))
            .map(|subject| (subject, why_going(subject.generation)))
            .collect();
        Self {
            world,
            goal,
            policy,
            size,
            capacity: Capacity::of(size, policy),
            flow,
            stable,
            candidate,
            kept,
            going,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world.now
    }

    /// Whether the traffic is divided between what is stable and what shall be. It is not where there is
    /// no front, nor where the stable generation is one of workers: then members work from the moment
    /// that they are healthy, and the candidate takes all of the traffic once it is whole.
    pub(crate) fn divides_traffic(&self) -> bool {
        let takes_some = |stable: &Subject<'_>| stable.generation.takes_traffic;
        self.flow != Flow::NoFront && self.stable.as_ref().is_none_or(takes_some)
    }

    /// Whether members that differ from their image are replaced. Where the size changes by itself they
    /// are not: nobody could tell the members that were added for it from those that the load asks for.
    pub(crate) fn replaces_drifted(&self) -> bool {
        self.goal.replace_drifted && !self.goal.settings.scaling.is_live()
    }

    /// Whether the stable generation is what is wanted, its size and settings aside.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.stable
            .is_some_and(|stable| stable.generation.fingerprint == self.goal.fingerprint)
    }

    /// All members that run or may run any moment, without those of the earlier generation that the
    /// user keeps on top of everything else.
    pub(crate) fn running(&self) -> u32 {
        let unseen = self.going.iter().map(|(subject, _)| *subject);
        let seen = [self.stable, self.candidate];
        seen.into_iter()
            .flatten()
            .chain(unseen)
            .map(|subject| subject.running())
            .sum()
    }
}

/// The stable generation, unless it drains: then its fleet was to be gone, it gets nothing any more,
/// and another one must be made.
fn trusted(world: &World) -> Option<GenerationNumber> {
    let generation = world.generations.get(&world.stable?)?;
    world.stable.filter(|_| generation.draining_since.is_none())
}

/// A generation of the wanted fingerprint that can still serve: neither condemned nor draining.
///
/// One that served before is taken only while its members are well: a cold one is made anew, so
/// that an old illness is not held against the release. What a person asks for is taken as it is.
fn find_candidate<'a>(
    others: impl Iterator<Item = Subject<'a>>,
    world: &World,
    goal: &FleetGoal,
    policy: &Policy,
) -> Option<Subject<'a>> {
    let is_usable = |subject: &Subject<'_>| {
        let generation = subject.generation;
        let is_growing = world.now < generation.resized_at + policy.launch_deadline;
        let is_warm = generation.retired_at.is_none()
            || subject.is_whole()
            || is_growing
            || request::is_returned_to(world, subject.number);
        generation.fingerprint == goal.fingerprint
            && generation.condemned.is_none()
            && generation.draining_since.is_none()
            && (is_warm || subject.weight > Weight::NONE)
    };
    others.filter(is_usable).max_by_key(|subject| {
        (
            subject.weight,
            subject.generation.retired_at.is_some(),
            subject.number,
        )
    })
}

/// The generation that served last, while its time is not over. A rehearsal that broke off leaves it
/// a small share of the traffic, which is taken back without giving it up.
fn find_kept<'a>(
    others: impl Iterator<Item = Subject<'a>>,
    now: Timestamp,
    policy: &Policy,
) -> Option<Subject<'a>> {
    let newest = others
        .filter(|subject| subject.generation.retired_at.is_some())
        .max_by_key(|subject| subject.generation.retired_at)?;
    let retired_at = newest.generation.retired_at?;
    let is_kept = now < retired_at + policy.keep_previous
        && newest.generation.condemned.is_none()
        && newest.generation.draining_since.is_none()
        && newest.weight.percent() < 50;
    is_kept.then_some(newest)
}

fn why_going(generation: &Generation) -> Going {
    if generation.condemned.is_some() {
        Going::Condemned
    } else if generation.retired_at.is_some() {
        Going::Retired
    } else {
        Going::Superseded
    }
}
