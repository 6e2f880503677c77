//! What a look while waiting tells.

use crate::rollout::World;

/// What a look while waiting tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// What is known.
    pub world: World,
    /// Whether all of it is as it is now, so that it can be acted on.
    pub is_whole: bool,
}
