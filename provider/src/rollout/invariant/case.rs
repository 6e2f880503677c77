//! What the rules ask of a case, counted once.

use super::{Case, healthy, weight};
use crate::model::{GenerationNumber, Weight};
use crate::rollout::{Action, FleetGoal, Generation, Goal, Strategy, Traffic, World};

impl Case<'_> {
    pub(super) fn fleet(&self) -> Option<&FleetGoal> {
        match self.goal {
            Goal::Fleet(goal) => Some(goal),
            Goal::Absent => None,
        }
    }

    /// The trusted generation; one that drains already is not, its fleet was to be gone.
    pub(super) fn stable(&self) -> Option<&Generation> {
        self.before.generations.get(&self.trusted()?)
    }

    /// The number of the trusted generation.
    fn trusted(&self) -> Option<GenerationNumber> {
        self.before.stable.filter(|number| {
            let stable = self.before.generations.get(number);
            stable.is_some_and(|stable| stable.draining_since.is_none())
        })
    }

    /// Whether the fleet's size changes by itself.
    pub(super) fn is_live(&self) -> bool {
        let settings = self.before.settings.as_ref();
        settings.is_some_and(|settings| settings.scaling.is_live())
    }

    /// The members that a generation shall have.
    pub(super) fn shall_have(&self, generation: &Generation) -> u32 {
        if self.is_live() {
            generation.desired
        } else {
            generation.wanted
        }
    }

    /// The members that the fleet shall have: as many as what serves has, where that changes by
    /// itself.
    pub(super) fn size(&self, goal: &FleetGoal) -> u32 {
        if !self.is_live() {
            return goal.size;
        }
        let stable = self.stable().map_or(goal.size, |stable| stable.desired);
        let serves_alone = self.before.generations.iter().find(|(number, generation)| {
            generation.fingerprint == goal.fingerprint
                && generation.condemned.is_none()
                && generation.draining_since.is_none()
                && matches!(&self.before.traffic, Traffic::Known { written, .. }
                    if weight(written, **number) == Weight::ALL)
        });
        stable.max(serves_alone.map_or(0, |(_, generation)| generation.desired))
    }

    pub(super) fn healthy(&self, generation: &Generation) -> u32 {
        healthy(generation, self.policy, self.before.now)
    }

    /// The healthy members that there must be, and those that a weight must have.
    pub(super) fn minimum(&self, size: u32) -> u32 {
        match &self.policy.strategy {
            Strategy::Rolling { min_healthy, .. } => min_healthy.rounded_up(size).min(size),
            Strategy::BlueGreen | Strategy::Canary { .. } => size,
        }
    }

    pub(super) fn needed(&self, weight: Weight, size: u32) -> u32 {
        let percent = u32::from(weight.percent());
        // A weight is a whole percent, which in a rolling fleet of hundreds is more than one member.
        let slack = u32::from(matches!(self.policy.strategy, Strategy::Rolling { .. }));
        let hundredths = self.minimum(size) * percent.saturating_sub(slack);
        hundredths.div_ceil(100).max(1)
    }

    /// The healthy members that serve in a world where nobody is trusted. Without a front all do.
    fn serving_untrusted(&self, world: &World) -> u32 {
        let serves = |number: GenerationNumber, generation: &Generation| {
            let is_given_up = generation.condemned.is_some() || generation.draining_since.is_some();
            let gets_some = match &world.traffic {
                Traffic::Known { written, .. } => {
                    weight(written, number) > Weight::NONE || !generation.takes_traffic
                }
                Traffic::None | Traffic::Unreadable { .. } => true,
            };
            gets_some && !is_given_up
        };
        let generations = world.generations.iter();
        generations
            .filter(|(number, generation)| serves(**number, generation))
            .map(|(_, generation)| healthy(generation, self.policy, self.before.now))
            .sum()
    }

    /// What is wrong where nobody is trusted and the last member that served is given up. Without a
    /// front a first generation is on trial until it is whole, so a verdict on it is fair.
    pub(super) fn leaves_nobody(&self) -> Option<String> {
        let is_verdict = matches!(self.action, Action::Condemn { .. })
            && matches!(self.before.traffic, Traffic::None);
        let (was, is) = (
            self.serving_untrusted(self.was),
            self.serving_untrusted(self.after),
        );
        (was > 0 && is == 0 && self.before == self.was && !is_verdict)
            .then(|| format!("{was} served though not trusted, and now nobody does"))
    }

    /// Whether a generation has all the traffic that anyone of ours has, or works without any.
    pub(super) fn has_served_alone(&self, number: GenerationNumber) -> bool {
        let generation = self.before.generations.get(&number);
        let works = generation.is_some_and(|generation| !generation.takes_traffic);
        works
            || matches!(&self.before.traffic, Traffic::Known { written, .. }
            if written.keys().eq([&number]) && weight(written, number) > Weight::NONE)
    }

    pub(super) fn is_candidate(&self, number: GenerationNumber) -> bool {
        let is_wanted = self.fleet().is_some_and(|goal| {
            self.before
                .generations
                .get(&number)
                .is_some_and(|generation| {
                    generation.fingerprint == goal.fingerprint && generation.retired_at.is_none()
                })
        });
        is_wanted && self.trusted().is_some_and(|stable| stable != number)
    }

    pub(super) fn is_candidate_in_good_standing(&self, number: GenerationNumber) -> bool {
        let generation = self.before.generations.get(&number);
        self.is_candidate(number) && generation.is_some_and(|g| g.condemned.is_none())
    }
}
