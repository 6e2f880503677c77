//! What each action makes of a fleet's record.
//!
//! Nothing here touches a process or a file: a record and an action give the next record or the
//! reason why not. The host writes it down first and then makes the machine follow.

use super::fleet_record::{FleetRecord, GenerationRecord, Removal, TrafficRecord};
use crate::cloud::phrase::phrase;
use crate::cloud::{Error, ErrorKind, Result};
use crate::model::{GenerationNumber, MemberId, Settings, Timestamp, Weight, Weights, nonzero};
use crate::rollout::{Action, Cause, Parked, Promotion, Tried};

impl FleetRecord {
    /// Returns the record after an action. `image` is the digest that a new generation's release is
    /// bound to; the other actions do not look at it.
    ///
    /// # Errors
    /// `Conflict` or `Invalid` with the precondition that does not hold.
    pub(super) fn after(&self, action: &Action, image: &str, now: Timestamp) -> Result<Self> {
        let step = Step {
            record: self,
            action,
            now,
        };
        match action {
            Action::Configure(settings) => Ok(step.configure(settings)),
            Action::CreateGeneration {
                number,
                launch,
                fingerprint,
                size,
                ..
            } => step.create(*number, || GenerationRecord {
                fingerprint: fingerprint.clone(),
                launch: launch.clone(),
                image: image.to_owned(),
                wanted: *size,
                wanted_before: *size,
                created_at: now,
                resized_at: now,
                condemned: None,
                promoted_at: None,
                retired_at: None,
                draining_since: None,
                removal: None,
            }),
            Action::ResizeGeneration { number, size } => step.resize(*number, *size),
            Action::ShiftTraffic { weights, before } => step.shift(weights, before),
            Action::Condemn {
                number,
                cause,
                retry,
            } => step.condemn(*number, cause, retry.as_ref()),
            Action::Promote { number } => step.promote(*number),
            Action::DrainGeneration { number } => step.drain(*number),
            Action::DestroyGeneration { number, park } => step.destroy(*number, park.as_ref()),
            Action::Park(parked) => Ok(step.park(parked)),
            Action::Unpark { member } => Ok(step.unpark(member)),
            Action::DestroyFleet => step.destroy_fleet(),
        }
    }
}

/// One action on one record.
struct Step<'a> {
    record: &'a FleetRecord,
    action: &'a Action,
    now: Timestamp,
}

impl Step<'_> {
    fn configure(&self, settings: &Settings) -> FleetRecord {
        let mut next = self.record.clone();
        if next.settings.is_none() {
            next.traffic.written_at = self.now;
        }
        if settings.front.is_none() {
            // Weights of a front that is gone would hold their generations for ever.
            next.traffic.weights.clear();
            next.traffic.before.clear();
        }
        next.settings = Some(settings.clone());
        next
    }

    fn create(
        &self,
        number: GenerationNumber,
        new: impl FnOnce() -> GenerationRecord,
    ) -> Result<FleetRecord> {
        let new = new();
        if self.record.settings.is_none() {
            return Err(self.refuse(ErrorKind::Invalid, "the fleet has not been configured"));
        }
        match self.record.generations.get(&number) {
            Some(there) if there.fingerprint == new.fingerprint && there.removal.is_none() => {
                return Ok(self.record.clone());
            }
            Some(_) => {
                return Err(self.refuse(
                    ErrorKind::AlreadyExists,
                    "it exists and runs something else",
                ));
            }
            None => {}
        }
        if number != self.record.latest.next() {
            let words = format!(
                "the next generation's number is {}",
                self.record.latest.next()
            );
            return Err(self.refuse(ErrorKind::Conflict, words));
        }
        let mut next = self.record.clone();
        next.latest = number;
        next.generations.insert(number, new);
        Ok(next)
    }

    fn resize(&self, number: GenerationNumber, size: u32) -> Result<FleetRecord> {
        let now = self.now;
        self.edit(number, |generation| {
            if generation.wanted != size {
                generation.wanted_before = generation.wanted;
                generation.wanted = size;
                generation.resized_at = now;
            }
        })
    }

    fn shift(&self, weights: &Weights, before: &Weights) -> Result<FleetRecord> {
        let wanted = nonzero(weights);
        let in_force = nonzero(&self.record.traffic.weights);
        if wanted == in_force {
            return Ok(self.record.clone());
        }
        if in_force != nonzero(before) {
            let words = format!(
                "the weights in force are {}, not {}",
                words(&in_force),
                words(before)
            );
            return Err(self.refuse(ErrorKind::Conflict, words));
        }
        // No traffic at all is how a fleet ends.
        if !matches!(
            wanted
                .values()
                .map(|weight| u32::from(weight.percent()))
                .sum(),
            0 | 100
        ) {
            return Err(self.refuse(
                ErrorKind::Invalid,
                format!("the weights {} do not add up to 100%", words(weights)),
            ));
        }
        if self
            .record
            .settings
            .as_ref()
            .is_none_or(|settings| settings.front.is_none())
        {
            return Err(self.refuse(ErrorKind::Invalid, "the fleet has no front"));
        }
        self.can_serve(&wanted)?;
        let mut next = self.record.clone();
        next.traffic = TrafficRecord {
            weights: weights.clone(),
            before: self.record.traffic.weights.clone(),
            written_at: self.now,
        };
        Ok(next)
    }

    fn can_serve(&self, weights: &Weights) -> Result<()> {
        for number in weights.keys() {
            let generation = self.generation(*number)?;
            if generation.draining_since.is_some() || generation.removal.is_some() {
                return Err(self.refuse(
                    ErrorKind::Conflict,
                    format!("generation {number} is on its way out"),
                ));
            }
            if generation.launch.port.is_none() {
                let words = format!("generation {number} has no port to take traffic at");
                return Err(self.refuse(ErrorKind::Invalid, words));
            }
        }
        Ok(())
    }

    fn condemn(
        &self,
        number: GenerationNumber,
        cause: &Cause,
        retry: Option<&String>,
    ) -> Result<FleetRecord> {
        let generation = self.generation(number)?;
        if generation.condemned.is_some() {
            return Ok(self.record.clone());
        }
        let tried = Tried {
            number,
            fingerprint: &generation.fingerprint,
            release: &generation.launch.release,
            retry,
        };
        let (condemned, failure) = tried.condemned(cause.clone(), self.now);
        let mut next = self.edit(number, |generation| generation.condemned = Some(condemned))?;
        next.failure = Some(failure);
        Ok(next)
    }

    fn promote(&self, number: GenerationNumber) -> Result<FleetRecord> {
        if self.record.stable == Some(number) {
            return Ok(self.record.clone());
        }
        self.generation(number)?;
        let promotion = Promotion {
            number,
            earlier: self.record.stable,
            at: self.now,
        };
        let mut next = self.record.clone();
        next.generations = promotion.of(next.generations, |generation| {
            (&mut generation.promoted_at, &mut generation.retired_at)
        });
        next.stable = Some(number);
        next.failure = None;
        Ok(next)
    }

    fn drain(&self, number: GenerationNumber) -> Result<FleetRecord> {
        self.check_out_of_traffic(number)?;
        let now = self.now;
        self.edit(number, |generation| {
            generation.draining_since.get_or_insert(now);
        })
    }

    fn destroy(&self, number: GenerationNumber, park: Option<&MemberId>) -> Result<FleetRecord> {
        if !self.record.generations.contains_key(&number) && number <= self.record.latest {
            return Ok(self.record.clone());
        }
        self.check_out_of_traffic(number)?;
        self.edit(number, |generation| {
            generation.removal.get_or_insert(Removal {
                park: park.cloned(),
            });
        })
    }

    fn park(&self, parked: &Parked) -> FleetRecord {
        let mut next = self.unpark(&parked.member);
        next.parked.push(parked.clone());
        next
    }

    fn unpark(&self, member: &MemberId) -> FleetRecord {
        let mut next = self.record.clone();
        next.parked.retain(|parked| parked.member != *member);
        next
    }

    fn destroy_fleet(&self) -> Result<FleetRecord> {
        match self.record.generations.keys().next() {
            Some(number) => Err(self.refuse(
                ErrorKind::Conflict,
                format!("generation {number} is still there"),
            )),
            None => Ok(FleetRecord::new(self.record.name.clone())),
        }
    }

    fn check_out_of_traffic(&self, number: GenerationNumber) -> Result<()> {
        let weight = self.record.weight(number);
        if weight == Weight::NONE {
            return Ok(());
        }
        Err(self.refuse(
            ErrorKind::Conflict,
            format!("generation {number} has {weight} of the traffic"),
        ))
    }

    fn generation(&self, number: GenerationNumber) -> Result<&GenerationRecord> {
        let words = format!("there is no generation {number}");
        self.record
            .generations
            .get(&number)
            .ok_or_else(|| self.refuse(ErrorKind::NotFound, words))
    }

    fn edit(
        &self,
        number: GenerationNumber,
        change: impl FnOnce(&mut GenerationRecord),
    ) -> Result<FleetRecord> {
        let mut generation = self.generation(number)?.clone();
        change(&mut generation);
        let mut next = self.record.clone();
        next.generations.insert(number, generation);
        Ok(next)
    }

    fn refuse(&self, kind: ErrorKind, words: impl Into<String>) -> Error {
        Error::new(
            kind,
            operation(self.action),
            self.record.subject(),
            words.into(),
        )
    }
}

/// Says what an action does, as a phrase after "could not".
pub(super) fn operation(action: &Action) -> String {
    phrase(action, words)
}

fn words(weights: &Weights) -> String {
    if weights.is_empty() {
        return "none".to_owned();
    }
    let shares = weights
        .iter()
        .map(|(number, weight)| format!("generation {number}: {weight}"));
    shares.collect::<Vec<_>>().join(", ")
}
