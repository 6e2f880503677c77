//! A fleet's whole memory, and what each action makes of it.
//!
//! Nothing here calls AWS: a record and an action give the next record, or the reason why not. It is
//! one SSM parameter, which holds 8 KiB at most, so it says what AWS itself does not tell and nothing
//! twice.

use super::failure::{Failure, Result};
use crate::cloud::{ErrorKind, Fence, Holder};
use crate::model::{
    Fingerprint, GenerationNumber, MemberId, ReleaseRef, Settings, Timestamp, Weight, Weights,
    nonzero,
};
use crate::rollout::{Cause, Condemned, Parked, Promotion, RolloutFailure, Tried};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form of the record. One that is not known is refused instead of being guessed at.
pub(super) const FORMAT: u32 = 1;

/// What is kept of a member's output beside a verdict: the end says most, and the record is small.
const LONGEST_OUTPUT: usize = 1024;
/// What is kept of a verdict's sentence.
const LONGEST_SUMMARY: usize = 600;

/// Everything that AWS's own things do not tell of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FleetRecord {
    pub(super) format: u32,
    /// The newest lease's number; it only grows.
    pub(super) fence: Fence,
    /// Tells this writing from earlier ones, whichever arrives last.
    pub(super) stamp: Stamp,
    /// Who may change the fleet; absent: nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<LeaseRecord>,
    /// Absent: there is no such fleet, only a lease to make one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<Settings>,
    /// Where the fleet's rule is; absent: it has no front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) front: Option<FrontRecord>,
    #[serde(default)]
    pub(super) generations: BTreeMap<GenerationNumber, GenerationRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stable: Option<GenerationNumber>,
    #[serde(default)]
    pub(super) latest: GenerationNumber,
    #[serde(default)]
    pub(super) traffic: TrafficRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<RolloutFailure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parked: Option<MemberId>,
    /// The members that a person looks at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) looked_at: Vec<Parked>,
}

/// What tells one writing of a record from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// The version of its parameter that it was to become.
    pub(super) version: i64,
    /// When it was sent, by its writer's clock.
    pub(super) at: Timestamp,
}

/// Who may change a fleet, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaseRecord {
    pub(super) holder: Holder,
    pub(super) until: Timestamp,
}

/// The rule that the fleet owns, and what its listener told when the fleet was configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrontRecord {
    /// The listener that the rule is one of.
    pub(super) listener: String,
    /// The rule's place among the listener's rules; 0: it has no rules.
    pub(super) priority: u32,
    /// Where clients connect.
    pub(super) endpoint: String,
    /// The rule, or a listener for TCP itself; absent: it is made, or taken over, with the first
    /// generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    /// The target group that a listener for TCP forwards what the fleet does not get to; absent: the
    /// listener is for HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fallback: Option<String>,
}

/// What AWS does not tell of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GenerationRecord {
    pub(super) fingerprint: Fingerprint,
    pub(super) release: ReleaseRef,
    pub(super) image_id: String,
    /// What every member shall have; a member that has others was touched.
    pub(super) security_group_ids: Vec<String>,
    /// Where its members listen; absent: they take no traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<u16>,
    /// What its target group asks its members for; absent: nothing but whether they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) health_path: Option<String>,
    /// Absent: it has no port, or its making stopped before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target_group: Option<String>,
    pub(super) wanted: u32,
    pub(super) wanted_before: u32,
    pub(super) created_at: Timestamp,
    pub(super) resized_at: Timestamp,
    /// The verdict without the member's output, which the failure keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) condemned: Option<Condemned>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) promoted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retired_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) draining_since: Option<Timestamp>,
    /// Its removal has begun.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) removing: bool,
}

/// How the traffic was divided by us and before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct TrafficRecord {
    pub(super) written: Weights,
    pub(super) before: Weights,
    pub(super) written_at: Timestamp,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

impl FleetRecord {
    /// A record of nothing but a lease, or of nothing at all.
    pub(super) fn new(fence: Fence, lease: Option<LeaseRecord>, stamp: Stamp) -> Self {
        Self {
            format: FORMAT,
            fence,
            stamp,
            lease,
            settings: None,
            front: None,
            generations: BTreeMap::new(),
            stable: None,
            latest: GenerationNumber::default(),
            traffic: TrafficRecord::default(),
            failure: None,
            parked: None,
            looked_at: Vec::new(),
        }
    }

    /// Where this writing stands among all of its record's: the newest is the greatest.
    pub(super) fn order(&self) -> (Fence, Timestamp) {
        (self.fence, self.stamp.at)
    }

    /// Whether it holds nothing but a lease.
    pub(super) fn is_void(&self) -> bool {
        self.settings.is_none()
            && self.generations.is_empty()
            && self.parked.is_none()
            && self.looked_at.is_empty()
    }

    /// Who holds the lease, for whoever does not.
    pub(super) fn holder(&self) -> &str {
        self.lease
            .as_ref()
            .map_or("nobody", |lease| lease.holder.0.as_str())
    }

    /// Finds a generation that is not on its way out.
    pub(super) fn generation(&self, number: GenerationNumber) -> Result<&GenerationRecord> {
        self.generations
            .get(&number)
            .filter(|generation| !generation.removing)
            .ok_or_else(|| {
                Failure::refused(
                    ErrorKind::NotFound,
                    format!("there is no generation {number}"),
                )
            })
    }

    /// Returns the record with one generation changed.
    pub(super) fn with(
        &self,
        number: GenerationNumber,
        change: impl FnOnce(&mut GenerationRecord),
    ) -> Result<Self> {
        let mut generation = self.generation(number)?.clone();
        change(&mut generation);
        let mut next = self.clone();
        next.generations.insert(number, generation);
        Ok(next)
    }

    /// Returns the record with another size wanted of a generation.
    pub(super) fn resized(
        &self,
        number: GenerationNumber,
        size: u32,
        now: Timestamp,
    ) -> Result<Self> {
        if size == 0 || self.generation(number)?.draining_since.is_some() {
            let words = format!("generation {number} cannot have {size} members");
            return Err(Failure::refused(ErrorKind::Invalid, words));
        }
        self.with(number, |generation| {
            if generation.wanted != size {
                generation.wanted_before = generation.wanted;
                generation.wanted = size;
                generation.resized_at = now;
            }
        })
    }

    /// Returns the record with weights written, where `shown` is what the rule shows.
    ///
    /// # Errors
    /// `Conflict` where the rule shows neither what it showed when this was decided nor what is
    /// wanted; `Invalid` where the weights cannot be.
    pub(super) fn shifted(
        &self,
        weights: &Weights,
        before: &Weights,
        shown: &Weights,
        now: Timestamp,
    ) -> Result<Self> {
        let (weights, before, shown) = (nonzero(weights), nonzero(before), nonzero(shown));
        let sum: u32 = weights
            .values()
            .map(|weight| u32::from(weight.percent()))
            .sum();
        // What someone else wrote is taken over as it is, a stranger's share included.
        let adopts = weights == before && weights == shown;
        if !adopts && !matches!(sum, 0 | 100) {
            let words = format!("the weights {} do not add up to 100%", Shares(&weights));
            return Err(Failure::refused(ErrorKind::Invalid, words));
        }
        for number in weights.keys() {
            let generation = self.generation(*number)?;
            if generation.draining_since.is_some() {
                let words = format!("generation {number} is on its way out");
                return Err(Failure::refused(ErrorKind::Invalid, words));
            }
            if generation.port.is_none() {
                let words = format!("generation {number} has no port to take traffic at");
                return Err(Failure::refused(ErrorKind::Invalid, words));
            }
        }
        if shown != before && shown != weights {
            let words = format!(
                "the rule shows {}, not {}: someone else changed it",
                Shares(&shown),
                Shares(&before)
            );
            return Err(Failure::refused(ErrorKind::Conflict, words));
        }
        let mut next = self.clone();
        if next.traffic.written != weights {
            next.traffic = TrafficRecord {
                written: weights,
                before: shown,
                written_at: now,
            };
        }
        Ok(next)
    }

    /// Returns the record with a generation condemned; the first verdict stands.
    pub(super) fn condemned(
        &self,
        number: GenerationNumber,
        cause: &Cause,
        retry: Option<&String>,
        now: Timestamp,
    ) -> Result<Self> {
        let generation = self.generation(number)?;
        if generation.condemned.is_some() {
            return Ok(self.clone());
        }
        let cause = Cause {
            summary: start(&cause.summary, LONGEST_SUMMARY).to_owned(),
            member: cause.member.clone(),
            output: end(&cause.output, LONGEST_OUTPUT).to_owned(),
        };
        let tried = Tried {
            number,
            fingerprint: &generation.fingerprint,
            release: &generation.release,
            retry,
        };
        let (mut condemned, failure) = tried.condemned(cause, now);
        // It is kept once, with the failure.
        condemned.cause.output.clear();
        let mut next = self.with(number, |generation| generation.condemned = Some(condemned))?;
        next.failure = Some(failure);
        Ok(next)
    }

    /// Returns the record with a generation trusted.
    pub(super) fn promoted(&self, number: GenerationNumber, now: Timestamp) -> Result<Self> {
        if self.stable == Some(number) {
            return Ok(self.clone());
        }
        let generation = self.generation(number)?;
        if generation.condemned.is_some() || generation.draining_since.is_some() {
            let words = format!("generation {number} cannot be trusted: it is on its way out");
            return Err(Failure::refused(ErrorKind::Invalid, words));
        }
        let promotion = Promotion {
            number,
            earlier: self.stable,
            at: now,
        };
        let mut next = self.clone();
        next.generations = promotion.of(next.generations, |generation| {
            (&mut generation.promoted_at, &mut generation.retired_at)
        });
        next.stable = Some(number);
        next.failure = None;
        Ok(next)
    }

    /// Returns the record with a generation draining.
    pub(super) fn draining(&self, number: GenerationNumber, now: Timestamp) -> Result<Self> {
        self.check_out_of_traffic(number)?;
        self.with(number, |generation| {
            generation.draining_since.get_or_insert(now);
        })
    }

    /// Returns the record with a generation's removal begun.
    pub(super) fn removing(&self, number: GenerationNumber) -> Result<Self> {
        self.check_out_of_traffic(number)?;
        let mut next = self.clone();
        if let Some(generation) = next.generations.get_mut(&number) {
            generation.removing = true;
        }
        Ok(next)
    }

    /// Returns the record without a generation that is gone. Its number stays used.
    pub(super) fn without(&self, number: GenerationNumber) -> Self {
        let mut next = self.clone();
        next.generations.remove(&number);
        next.latest = next.latest.max(number);
        next.traffic.before.remove(&number);
        next.stable = next.stable.filter(|stable| *stable != number);
        next
    }

    fn check_out_of_traffic(&self, number: GenerationNumber) -> Result<()> {
        let weight = self
            .traffic
            .written
            .get(&number)
            .copied()
            .unwrap_or_default();
        if weight == Weight::NONE {
            return Ok(());
        }
        let words = format!("generation {number} has {weight} of the traffic");
        Err(Failure::refused(ErrorKind::Invalid, words))
    }
}

impl GenerationRecord {
    /// The verdict with the output that the fleet's failure keeps, where it is the same verdict.
    pub(super) fn verdict(
        &self,
        number: GenerationNumber,
        failure: Option<&RolloutFailure>,
    ) -> Option<Condemned> {
        let mut condemned = self.condemned.clone()?;
        if let Some(failure) = failure.filter(|failure| failure.generation == number) {
            condemned.cause.output.clone_from(&failure.cause.output);
        }
        Some(condemned)
    }
}

/// Weights in words.
pub(super) struct Shares<'a>(pub(super) &'a Weights);

impl std::fmt::Display for Shares<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no weights");
        }
        for (index, (number, weight)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}generation {number} {weight}")?;
        }
        Ok(())
    }
}

fn start(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The last `length` bytes of a text, or a few less where that would cut a character.
pub(super) fn end(text: &str, length: usize) -> &str {
    let mut start = text.len().saturating_sub(length);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Front, HealthCheck, Protocol, Scaling};
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_milliseconds(1_763_700_000_000);

    fn generation() -> GenerationRecord {
        GenerationRecord {
            fingerprint: Fingerprint("0123456789abcdef".to_owned()),
            release: ReleaseRef::Image("ami-0123456789abcdef0".to_owned()),
            image_id: "ami-0123456789abcdef0".to_owned(),
            security_group_ids: vec!["sg-0123456789abcdef0".to_owned(); 5],
            port: Some(8080),
            health_path: Some("/healthz".to_owned()),
            target_group: Some(format!("arn:aws:elasticloadbalancing:{}", "x".repeat(100))),
            wanted: 400,
            wanted_before: 300,
            created_at: NOW,
            resized_at: NOW,
            condemned: None,
            promoted_at: None,
            retired_at: None,
            draining_since: None,
            removing: false,
        }
    }

    fn fleet(generations: u32) -> FleetRecord {
        let lease = LeaseRecord {
            holder: Holder("apply on build-7, process 4711".to_owned()),
            until: NOW,
        };
        let stamp = Stamp {
            version: 1,
            at: NOW,
        };
        let mut record = FleetRecord::new(Fence(1), Some(lease), stamp);
        record.settings = Some(Settings {
            front: Some(Front {
                listener: "x".repeat(150),
                protocol: Protocol::Http,
                hosts: vec!["a-long-host-name.example.com".to_owned(); 5],
                paths: Vec::new(),
                priority: Some(1),
            }),
            check: HealthCheck {
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(2),
                streak: 3,
            },
            drain: Duration::from_secs(30),
            scaling: Scaling::Configured,
        });
        for number in 1..=generations {
            record
                .generations
                .insert(GenerationNumber(number), generation());
        }
        record
    }

    const FIRST: GenerationNumber = GenerationNumber(1);
    const SECOND: GenerationNumber = GenerationNumber(2);

    fn all_on(number: GenerationNumber) -> Weights {
        Weights::from([(number, Weight::ALL)])
    }

    fn cause() -> Cause {
        Cause {
            summary: "s".repeat(5000),
            member: Some(MemberId("i-0123456789abcdef0".to_owned())),
            output: format!("{}the end", "é".repeat(5000)),
        }
    }

    #[test]
    fn a_record_fits_a_parameter_and_mostly_a_standard_one() {
        let size = |record: &FleetRecord| serde_json::to_string(record).unwrap().len();
        assert!(size(&fleet(2)) < 4096, "{}", size(&fleet(2)));
        let mut worst = fleet(4);
        for number in 1..=4 {
            worst = worst
                .condemned(GenerationNumber(number), &cause(), None, NOW)
                .unwrap();
        }
        assert!(size(&worst) < 8192, "{}", size(&worst));
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let record = fleet(2).condemned(SECOND, &cause(), None, NOW).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<FleetRecord>(&text).unwrap(), record);
    }

    #[test]
    fn the_first_verdict_stands_and_keeps_the_end_of_the_output() {
        let condemned = fleet(2).condemned(SECOND, &cause(), None, NOW).unwrap();
        let other = Cause {
            summary: "another".to_owned(),
            ..cause()
        };
        assert_eq!(
            condemned.condemned(SECOND, &other, None, NOW).unwrap(),
            condemned
        );
        let failure = condemned.failure.as_ref();
        let verdict = condemned.generations[&SECOND]
            .verdict(SECOND, failure)
            .unwrap();
        assert!(verdict.cause.output.ends_with("the end"));
        assert!(verdict.cause.output.len() <= LONGEST_OUTPUT);
    }

    #[test]
    fn a_shift_is_from_what_is_shown() {
        let record = fleet(2);
        let none = Weights::new();
        let shifted = record.shifted(&all_on(FIRST), &none, &none, NOW).unwrap();
        assert_eq!(shifted.traffic.written, all_on(FIRST));
        assert_eq!(shifted.traffic.before, none);
        // Sent again after its reply was lost, it is the same.
        let again = shifted.shifted(
            &all_on(FIRST),
            &none,
            &all_on(FIRST),
            NOW + Duration::from_secs(1),
        );
        assert_eq!(again.unwrap(), shifted);
        let foreign = shifted.shifted(&all_on(SECOND), &all_on(FIRST), &none, NOW);
        assert_eq!(foreign.unwrap_err().kind, ErrorKind::Conflict);
    }

    #[test]
    fn what_has_traffic_is_neither_drained_nor_removed() {
        let none = Weights::new();
        let record = fleet(1).shifted(&all_on(FIRST), &none, &none, NOW).unwrap();
        assert_eq!(
            record.draining(FIRST, NOW).unwrap_err().kind,
            ErrorKind::Invalid
        );
        assert_eq!(record.removing(FIRST).unwrap_err().kind, ErrorKind::Invalid);
    }

    #[test]
    fn a_number_stays_used_when_its_generation_is_gone() {
        let record = fleet(2).promoted(SECOND, NOW).unwrap().without(SECOND);
        assert_eq!((record.latest, record.stable), (SECOND, None));
    }

    #[test]
    fn a_promotion_retires_the_earlier_one_and_clears_the_failure() {
        let first = fleet(2).promoted(FIRST, NOW).unwrap();
        let second = first.promoted(SECOND, NOW).unwrap();
        assert_eq!(second.generations[&FIRST].retired_at, Some(NOW));
        assert_eq!(second.stable, Some(SECOND));
        let back = second.promoted(FIRST, NOW).unwrap();
        assert_eq!(back.generations[&FIRST].retired_at, None);
    }
}
