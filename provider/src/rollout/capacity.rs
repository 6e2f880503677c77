//! Surge and minimum: how many members there may and must be.

use super::{Policy, Strategy};
use crate::model::{CountOrShare, Weight};

/// Drifted members are replaced in batches of this share where the strategy names no surge: the
/// documented default of `surge`.
const DEFAULT_SURGE: CountOrShare = CountOrShare::Share(25);

/// The numbers of members that a policy allows for a fleet of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Members wanted.
    pub size: u32,
    /// Members above the size, at most, at least 1.
    pub surge: u32,
    /// Healthy members, at least.
    pub min_healthy: u32,
    is_rolling: bool,
}

impl Capacity {
    /// Works the limits out. Rolling, size 10, surge "25%", min_healthy "75%": surge 3, 8 healthy.
    /// The other strategies run a whole second generation: surge 10, 10 healthy.
    #[must_use]
    pub fn of(size: u32, policy: &Policy) -> Self {
        match &policy.strategy {
            Strategy::BlueGreen | Strategy::Canary { .. } => Self {
                size,
                surge: size,
                min_healthy: size,
                is_rolling: false,
            },
            Strategy::Rolling { surge, min_healthy } => Self {
                size,
                surge: surge.rounded_up(size).max(1),
                min_healthy: min_healthy.rounded_up(size).min(size),
                is_rolling: true,
            },
        }
    }

    /// The members above the size when drifted ones are replaced.
    #[must_use]
    pub fn drift_surge(&self) -> u32 {
        if self.is_rolling {
            self.surge
        } else {
            DEFAULT_SURGE.rounded_up(self.size).max(1)
        }
    }

    /// How many members may be launched beside `running` ones, those that leave included.
    /// Size 10, surge 3, 12 running: 1.
    #[must_use]
    pub fn room_for_surge(&self, running: u32) -> u32 {
        self.size.saturating_add(self.surge).saturating_sub(running)
    }

    /// The healthy members that a weight needs. Size 6, 50%: 3; 5%: 1.
    ///
    /// A rolling rollout shares the load of `min_healthy` members, less the one percent that a
    /// weight cannot express: size 400, min_healthy 400, 1 member replaced, 99%: 392.
    #[must_use]
    pub fn needed_for(&self, weight: Weight) -> u32 {
        let percent = u32::from(weight.percent());
        match (percent, self.is_rolling) {
            (0, _) => 0,
            (_, false) => CountOrShare::Share(percent).rounded_up(self.size).max(1),
            (_, true) => CountOrShare::Share(percent - 1)
                .rounded_up(self.min_healthy)
                .max(1),
        }
    }

    /// How many of a candidate's members may be ill at a time once all were healthy: a twentieth,
    /// for one host that is lost must not condemn hundreds. Size 19: 0; size 400: 20. A rolling
    /// rollout allows what `min_healthy` says.
    #[must_use]
    pub fn may_fall_ill(&self, members: u32) -> u32 {
        if self.is_rolling { 0 } else { members / 20 }
    }

    /// The weight that so many healthy members can take. Size 6: 2 take 33%, 6 take 100%. One member
    /// takes at least 1%, however large the fleet.
    #[must_use]
    pub fn weight_for(healthy: u32, size: u32) -> Weight {
        match healthy {
            0 => Weight::NONE,
            _ if healthy >= size => Weight::ALL,
            _ => share_of(healthy, size),
        }
    }

    /// What a rolling rollout leaves of the stable generation at least, while the candidate has
    /// `candidate` healthy members and the weight `weight`. Size 6, candidate 2 at 33%: 4. It never
    /// falls below what the rest of the weight needs.
    #[must_use]
    pub fn left_of_stable(&self, candidate: u32, weight: Weight) -> u32 {
        self.size
            .saturating_sub(candidate)
            .max(self.needed_for(weight.rest()))
            .max(1)
    }
}

/// So many of so many in percent, rounded down, within 1..=99.
fn share_of(part: u32, whole: u32) -> Weight {
    let percent = u64::from(part) * 100 / u64::from(whole.max(1));
    let percent = u8::try_from(percent.clamp(1, 99)).unwrap_or(99);
    Weight::new(percent).unwrap_or(Weight::NONE)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::rollout::tests::policy;

    fn rolling(size: u32, surge: &str, min_healthy: &str) -> Capacity {
        let strategy = Strategy::Rolling {
            surge: surge.parse().unwrap(),
            min_healthy: min_healthy.parse().unwrap(),
        };
        Capacity::of(size, &policy(strategy))
    }

    #[test]
    fn surge_is_never_nothing_and_the_minimum_never_above_the_size() {
        for (size, surge, min_healthy, expected) in [
            (1, "25%", "100%", (1, 1)),
            (1, "0", "0", (1, 0)),
            (3, "25%", "50%", (1, 2)),
            (6, "25%", "75%", (2, 5)),
            (7, "3", "9", (3, 7)),
            (10, "25%", "75%", (3, 8)),
            (400, "0%", "99%", (1, 396)),
        ] {
            let capacity = rolling(size, surge, min_healthy);
            assert_eq!(
                (capacity.surge, capacity.min_healthy),
                expected,
                "size {size}, surge {surge}, min_healthy {min_healthy}"
            );
        }
    }

    #[test]
    fn room_is_what_is_left_below_size_and_surge() {
        for (running, room) in [(10, 3), (12, 1), (13, 0), (20, 0)] {
            let capacity = rolling(10, "25%", "100%");
            assert_eq!(capacity.room_for_surge(running), room, "{running} running");
        }
    }

    #[test]
    fn a_canary_weight_needs_its_exact_share() {
        for (size, percent, needed) in [
            (6, 5, 1),
            (6, 50, 3),
            (6, 51, 4),
            (1, 5, 1),
            (6, 0, 0),
            (400, 1, 4),
        ] {
            let capacity = Capacity::of(size, &policy(Strategy::BlueGreen));
            let weight = Weight::new(percent).unwrap();
            assert_eq!(capacity.needed_for(weight), needed, "{percent}% of {size}");
        }
    }

    #[test]
    fn a_twentieth_may_fall_ill_where_min_healthy_says_nothing() {
        let whole = Capacity::of(400, &policy(Strategy::BlueGreen));
        for (members, tolerated) in [(3, 0), (19, 0), (20, 1), (100, 5), (400, 20)] {
            assert_eq!(whole.may_fall_ill(members), tolerated, "{members}");
        }
        assert_eq!(rolling(400, "25%", "90%").may_fall_ill(400), 0);
    }

    #[test]
    fn a_rolling_batch_can_always_take_its_weight_and_the_rest_fits_what_is_left() {
        for size in 1..=120 {
            for batch in 1..size {
                let capacity = rolling(size, "25%", "100%");
                let weight = Capacity::weight_for(batch, size);
                assert!(capacity.needed_for(weight) <= batch, "{batch} of {size}");
                let left = capacity.left_of_stable(batch, weight);
                assert_eq!(left, size - batch, "{batch} of {size} at {weight}");
            }
        }
    }
}
