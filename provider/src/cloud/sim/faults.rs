//! What can be made to go wrong.

use super::Fate;
use crate::model::{GenerationNumber, Weights};
use crate::rollout::AlarmState;
use std::time::Duration;

/// How badly a cloud behaves. The default behaves well.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Faults {
    /// Changes of a thousand that fail without effect.
    pub throttled: u32,
    /// Changes of a thousand whose effect happens and whose reply gets lost.
    pub lost_replies: u32,
    /// Looks of a thousand that fail.
    pub unreadable: u32,
    /// Looks of a thousand, of a run that waits, that tell some things as the look before them did.
    pub in_part: u32,
    /// Launches of a thousand that end by themselves.
    pub exits: u32,
    /// Launches of a thousand that never get healthy.
    pub sick: u32,
    /// How long a look may still show the world before the last change.
    pub lag: Duration,
    /// How long weights take to show.
    pub shows_after: Duration,
    /// Members that there is room for; absent: any number.
    pub room: Option<u32>,
    /// Whether requests in flight cannot be counted.
    pub blind: bool,
}

/// Something that happens to a fleet by itself or by a stranger's hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The oldest live member of a generation ends.
    Exit(GenerationNumber),
    /// The oldest live member of a generation fails its checks from now on.
    Ill(GenerationNumber),
    /// The ill members of a generation are well again.
    Well(GenerationNumber),
    /// The oldest live member of a generation differs from its image.
    Drift(GenerationNumber),
    /// An alarm says something else.
    Alarm(String, AlarmState),
    /// Someone else divides the traffic.
    Weights(Weights),
    /// Someone else changes a generation's capacity.
    Capacity(GenerationNumber, u32),
    /// What sizes the fleet, where its size changes by itself, asks for so many members.
    Scale(u32),
    /// The front can be read or not.
    Front {
        /// Whether it can.
        readable: bool,
    },
    /// Members launched from now on fare otherwise.
    Fate(Fate),
}

/// Dice that fall the same way for the same seed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dice(u64);

impl Dice {
    /// Takes the dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Throws a number below `sides`; 0 for no sides.
    pub fn below(&mut self, sides: u64) -> u64 {
        // SplitMix64: the shortest generator whose neighbouring seeds do not resemble each other.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).checked_rem(sides).unwrap_or(0)
    }

    /// Throws whether something happens that happens so often in a thousand.
    pub fn happens(&mut self, in_thousand: u32) -> bool {
        in_thousand > 0 && self.below(1000) < u64::from(in_thousand)
    }
}
