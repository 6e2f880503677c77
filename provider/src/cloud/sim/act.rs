//! What each action does, and what it demands.

use super::fleet::{Fleet, Generation};
use crate::cloud::ErrorKind;
use crate::model::{GenerationNumber, Timestamp, Weights, nonzero};
use crate::rollout::{Action, Cause, Condemned, RolloutFailure};
use std::sync::Arc;
use std::time::Duration;

/// Why an action was refused or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the caller should do about it.
    pub kind: ErrorKind,
    /// What was wrong.
    pub why: String,
}

fn refuse<T>(kind: ErrorKind, why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        kind,
        why: why.into(),
    })
}

impl Fleet {
    /// Does an action as the cloud's faults have it: it may fail without effect, and it may have its
    /// effect and fail all the same.
    ///
    /// # Errors
    /// A fault, or a precondition that does not hold; the latter is `Invalid`, as a bug of the caller.
    pub fn attempt(&mut self, action: &Action) -> Result<(), Refusal> {
        if self.dice.happens(self.faults.throttled) {
            return refuse(ErrorKind::Throttled, "too many requests");
        }
        let shown = self.truth();
        self.act(action)?;
        if self.faults.lag > Duration::ZERO {
            self.shown_before = Some((self.now + self.faults.lag, Box::new(shown)));
        }
        if self.dice.happens(self.faults.lost_replies) {
            return refuse(ErrorKind::Unavailable, "the connection broke");
        }
        Ok(())
    }

    /// Does an action.
    ///
    /// # Errors
    /// Its precondition does not hold, or there is no room.
    pub fn act(&mut self, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::Configure(settings) => {
                if settings.front.is_none() {
                    self.coming = None;
                    self.weigh(Weights::new(), self.now);
                    self.written = Weights::new();
                    self.before = Weights::new();
                }
                if settings.scaling.is_configured() && self.is_live() {
                    self.take_sizes();
                }
                self.settings = Some(settings.clone());
                Ok(())
            }
            Action::CreateGeneration { .. } => self.create(action),
            Action::ResizeGeneration { number, size } => self.resize(*number, *size),
            Action::ShiftTraffic { weights, before } => self.shift(weights, before),
            Action::Condemn {
                number,
                cause,
                retry,
            } => self.condemn(*number, cause, retry.as_ref()),
            Action::Promote { number } => self.promote(*number),
            Action::DrainGeneration { number } => self.drain(*number),
            Action::DestroyGeneration { number, park } => {
                self.destroy(*number)?;
                if let Some(member) = park {
                    self.parked = Some(member.to_string());
                }
                Ok(())
            }
            Action::Park(parked) => {
                self.park(parked);
                Ok(())
            }
            Action::Unpark { member } => {
                self.looked_at.retain(|parked| parked.member != *member);
                Ok(())
            }
            Action::DestroyFleet => self.destroy_fleet(),
        }
    }

    fn is_live(&self) -> bool {
        let settings = self.settings.as_ref();
        settings.is_some_and(|settings| settings.scaling.is_live())
    }

    /// Sizes that changed by themselves are ours from now on.
    fn take_sizes(&mut self) {
        for generation in self.generations.values_mut() {
            generation.wanted = generation.desired;
            generation.wanted_before = generation.desired;
        }
    }

    fn create(&mut self, action: &Action) -> Result<(), Refusal> {
        let Action::CreateGeneration {
            number,
            launch,
            fingerprint,
            size,
            ..
        } = action
        else {
            return Ok(());
        };
        if let Some(generation) = self.generations.get(number) {
            return if generation.fingerprint == *fingerprint {
                Ok(())
            } else {
                refuse(
                    ErrorKind::AlreadyExists,
                    format!("generation {number} is another one"),
                )
            };
        }
        if self.settings.is_none() || *number != self.latest.next() || *size == 0 {
            return refuse(
                ErrorKind::Invalid,
                format!("generation {number} of {size} cannot be made"),
            );
        }
        self.room_for(*size)?;
        let now = self.now;
        self.latest = *number;
        let generation = Generation {
            fingerprint: fingerprint.clone(),
            launch: Arc::new(launch.clone()),
            wanted: *size,
            wanted_before: *size,
            desired: *size,
            created_at: now,
            resized_at: now,
            members: Vec::new(),
            condemned: None,
            promoted_at: None,
            retired_at: None,
            draining_since: None,
            idle_from: Timestamp::default(),
            launched: 0,
        };
        self.generations.insert(*number, generation);
        self.launch(*number, *size, now);
        Ok(())
    }

    fn room_for(&self, more: u32) -> Result<(), Refusal> {
        let running: usize = self.generations.values().map(|g| g.members.len()).sum();
        let running = u32::try_from(running).unwrap_or(u32::MAX);
        match self.faults.room {
            Some(room) if running.saturating_add(more) > room => refuse(
                ErrorKind::NoCapacity,
                format!("{running} of {room} are taken"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    fn resize(&mut self, number: GenerationNumber, size: u32) -> Result<(), Refusal> {
        let Some(generation) = self.generations.get(&number) else {
            return refuse(
                ErrorKind::NotFound,
                format!("there is no generation {number}"),
            );
        };
        if generation.wanted == size && generation.desired == size {
            return Ok(());
        }
        if size == 0 || generation.draining_since.is_some() {
            return refuse(
                ErrorKind::Invalid,
                format!("generation {number} cannot have {size}"),
            );
        }
        self.room_for(size.saturating_sub(generation.live()))?;
        let now = self.now;
        if let Some(generation) = self.generations.get_mut(&number)
            && generation.wanted != size
        {
            generation.wanted_before = generation.wanted;
            generation.wanted = size;
            generation.resized_at = now;
        }
        self.set_capacity(number, size);
        Ok(())
    }

    fn shift(&mut self, weights: &Weights, before: &Weights) -> Result<(), Refusal> {
        let (weights, before) = (nonzero(weights), nonzero(before));
        let total: u32 = weights.values().map(|w| u32::from(w.percent())).sum();
        let can_serve = |number: &GenerationNumber| {
            self.generations
                .get(number)
                .is_some_and(|it| it.draining_since.is_none() && it.launch.port.is_some())
        };
        if !(weights.is_empty() || total == 100) || !weights.keys().all(can_serve) {
            return refuse(ErrorKind::Invalid, format!("traffic cannot be {weights:?}"));
        }
        if self.weights != before && self.weights != weights {
            return refuse(
                ErrorKind::Conflict,
                format!("traffic is {:?}", self.weights),
            );
        }
        let now = self.now;
        if self.written != weights {
            self.before = self.weights.clone();
            self.written_at = now;
        }
        self.written = weights.clone();
        if self.weights == weights {
            self.coming = None;
        } else if self.faults.shows_after == Duration::ZERO {
            self.weigh(weights, now);
        } else if self
            .coming
            .as_ref()
            .is_none_or(|(_, coming)| *coming != weights)
        {
            self.coming = Some((now + self.faults.shows_after, weights));
        }
        Ok(())
    }

    fn condemn(
        &mut self,
        number: GenerationNumber,
        cause: &Cause,
        retry: Option<&String>,
    ) -> Result<(), Refusal> {
        let now = self.now;
        let Some(generation) = self.generations.get_mut(&number) else {
            return refuse(
                ErrorKind::NotFound,
                format!("there is no generation {number}"),
            );
        };
        if generation.condemned.is_none() {
            generation.condemned = Some(Condemned {
                cause: cause.clone(),
                at: now,
            });
            self.failure = Some(RolloutFailure {
                generation: number,
                fingerprint: generation.fingerprint.clone(),
                release: generation.launch.release.clone(),
                retry: retry.cloned(),
                cause: cause.clone(),
                at: now,
            });
        }
        Ok(())
    }

    fn promote(&mut self, number: GenerationNumber) -> Result<(), Refusal> {
        let now = self.now;
        if self.stable == Some(number) {
            return Ok(());
        }
        match self.generations.get_mut(&number) {
            Some(generation)
                if generation.condemned.is_none() && generation.draining_since.is_none() =>
            {
                generation.promoted_at = Some(now);
                generation.retired_at = None;
            }
            Some(_) | None => {
                return refuse(
                    ErrorKind::Invalid,
                    format!("generation {number} cannot be trusted"),
                );
            }
        }
        let earlier = self.stable.replace(number);
        if let Some(generation) = earlier.and_then(|n| self.generations.get_mut(&n)) {
            generation.retired_at = Some(now);
        }
        self.failure = None;
        Ok(())
    }

    fn has_traffic(&self, number: GenerationNumber) -> bool {
        self.weights.contains_key(&number)
            || self.written.contains_key(&number)
            || self
                .coming
                .as_ref()
                .is_some_and(|(_, w)| w.contains_key(&number))
    }

    fn drain(&mut self, number: GenerationNumber) -> Result<(), Refusal> {
        if self.has_traffic(number) {
            return refuse(
                ErrorKind::Invalid,
                format!("generation {number} has traffic"),
            );
        }
        let now = self.now;
        if let Some(generation) = self.generations.get_mut(&number)
            && generation.draining_since.is_none()
        {
            generation.draining_since = Some(now);
        }
        Ok(())
    }

    fn destroy(&mut self, number: GenerationNumber) -> Result<(), Refusal> {
        let Some(generation) = self.generations.get(&number) else {
            return Ok(());
        };
        let settings = self.settings.as_ref();
        let drain = settings.map_or(Duration::ZERO, |settings| settings.drain);
        let has_front = settings.is_some_and(|settings| settings.front.is_some());
        let is_drained = generation
            .draining_since
            .is_some_and(|since| self.now >= (since + drain).min(generation.idle_from.max(since)));
        if self.has_traffic(number) || (has_front && !is_drained) {
            return refuse(
                ErrorKind::Invalid,
                format!("generation {number} is still in use"),
            );
        }
        self.generations.remove(&number);
        self.stable = self.stable.filter(|stable| *stable != number);
        Ok(())
    }

    fn destroy_fleet(&mut self) -> Result<(), Refusal> {
        if !self.generations.is_empty() {
            return refuse(ErrorKind::Invalid, "generations are left");
        }
        self.settings = None;
        self.latest = GenerationNumber::default();
        self.failure = None;
        self.request = None;
        self.looked_at = Vec::new();
        self.intent = None;
        self.parked = None;
        self.written = Weights::new();
        self.before = Weights::new();
        self.weigh(Weights::new(), self.now);
        Ok(())
    }
}
