//! What a condemnation and a promotion put on record, whichever cloud keeps it.

use super::{Cause, Condemned, RolloutFailure};
use crate::model::{Fingerprint, GenerationNumber, ReleaseRef, Timestamp};
use std::collections::BTreeMap;

/// A generation that a rollout tried.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// Its number.
    pub number: GenerationNumber,
    /// The hash of what it was started from.
    pub fingerprint: &'a Fingerprint,
    /// What it ran.
    pub release: &'a ReleaseRef,
    /// The goal's retry token.
    pub retry: Option<&'a String>,
}

impl Tried<'_> {
    /// Returns the mark on a condemned generation, and the fleet's last failed rollout, which
    /// outlives it.
    #[must_use]
    pub fn condemned(&self, cause: Cause, at: Timestamp) -> (Condemned, RolloutFailure) {
        let failure = RolloutFailure {
            generation: self.number,
            fingerprint: self.fingerprint.clone(),
            release: self.release.clone(),
            retry: self.retry.cloned(),
            cause: cause.clone(),
            at,
        };
        (Condemned { cause, at }, failure)
    }
}

/// A generation becomes the stable one.
#[derive(Debug, Clone, Copy)]
pub struct Promotion {
    /// The generation.
    pub number: GenerationNumber,
    /// The one that was stable until now; absent: none was.
    pub earlier: Option<GenerationNumber>,
    /// When.
    pub at: Timestamp,
}

impl Promotion {
    /// Returns the generations with the promoted one trusted and the earlier one retired. `times`
    /// gives when a generation was promoted and when it was retired.
    #[must_use]
    pub fn of<G>(
        &self,
        mut generations: BTreeMap<GenerationNumber, G>,
        times: impl Fn(&mut G) -> (&mut Option<Timestamp>, &mut Option<Timestamp>),
    ) -> BTreeMap<GenerationNumber, G> {
        if let Some(promoted) = generations.get_mut(&self.number) {
            let (promoted_at, retired_at) = times(promoted);
            (*promoted_at, *retired_at) = (Some(self.at), None);
        }
        let earlier = self.earlier.filter(|earlier| *earlier != self.number);
        if let Some(earlier) = earlier.and_then(|earlier| generations.get_mut(&earlier)) {
            *times(earlier).1 = Some(self.at);
        }
        generations
    }
}
