//! A fleet's whole memory: what outlives the host.
//!
//! Nothing here touches a process or a file. What an action makes of a record is told in
//! [`transition`](super::transition).

use super::claimant::Claimant;
use super::wire::Note;
use crate::cloud::{Error, ErrorKind, Fence, Holder, Lease, Result};
use crate::model::{
    Fingerprint, FleetName, GenerationNumber, LaunchTemplate, MemberId, Settings, Timestamp,
    Weight, Weights,
};
use crate::rollout::{Condemned, Intent, Parked, Request, RolloutFailure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The form of the record. A host refuses one that it does not know instead of guessing.
pub(super) const FORMAT: u32 = 1;

/// Everything that outlives the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FleetRecord {
    pub(super) format: u32,
    pub(super) name: FleetName,
    pub(super) settings: Option<Settings>,
    pub(super) generations: BTreeMap<GenerationNumber, GenerationRecord>,
    pub(super) stable: Option<GenerationNumber>,
    pub(super) latest: GenerationNumber,
    pub(super) traffic: TrafficRecord,
    pub(super) failure: Option<RolloutFailure>,
    pub(super) lease: Option<LeaseRecord>,
    /// What a person has asked for last.
    #[serde(default)]
    pub(super) request: Option<Request>,
    /// The members that a person looks at.
    #[serde(default)]
    pub(super) parked: Vec<Parked>,
    /// What the last apply was up to.
    #[serde(default)]
    pub(super) intent: Option<Intent>,
}

/// A generation as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GenerationRecord {
    pub(super) fingerprint: Fingerprint,
    pub(super) launch: LaunchTemplate,
    /// The digest of the image that the launch template's release is bound to.
    pub(super) image: String,
    pub(super) wanted: u32,
    /// What `wanted` was before it was last changed.
    pub(super) wanted_before: u32,
    pub(super) created_at: Timestamp,
    pub(super) resized_at: Timestamp,
    pub(super) condemned: Option<Condemned>,
    pub(super) promoted_at: Option<Timestamp>,
    pub(super) retired_at: Option<Timestamp>,
    pub(super) draining_since: Option<Timestamp>,
    /// It is being removed; the member to park, if any.
    pub(super) removal: Option<Removal>,
}

/// A removal that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Removal {
    pub(super) park: Option<MemberId>,
}

/// How the traffic is divided and was before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct TrafficRecord {
    pub(super) weights: Weights,
    pub(super) before: Weights,
    pub(super) written_at: Timestamp,
}

/// Who may change the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeaseRecord {
    pub(super) holder: Holder,
    pub(super) fence: Fence,
    pub(super) until: Timestamp,
    /// Given back; the fence stays, so that the next holder's is greater.
    pub(super) released: bool,
    /// The process that holds it; absent: only time tells when it is over.
    #[serde(default)]
    pub(super) claimant: Option<Claimant>,
}

/// The wish for a lease.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) holder: Holder,
    pub(super) claimant: Option<Claimant>,
    pub(super) duration: Duration,
}

impl FleetRecord {
    pub(super) fn new(name: FleetName) -> Self {
        Self {
            format: FORMAT,
            name,
            settings: None,
            generations: BTreeMap::new(),
            stable: None,
            latest: GenerationNumber::default(),
            traffic: TrafficRecord::default(),
            failure: None,
            lease: None,
            request: None,
            parked: Vec::new(),
            intent: None,
        }
    }

    /// Whether the record holds nothing but perhaps a lease that is over.
    pub(super) fn is_void(&self, now: Timestamp) -> bool {
        let leased = self.lease.as_ref().is_some_and(|lease| lease.runs(now));
        self.is_blank() && !leased
    }

    /// Whether nothing has been made of the fleet.
    pub(super) fn is_blank(&self) -> bool {
        self.settings.is_none() && self.generations.is_empty()
    }

    /// Returns the record without a generation whose members are gone.
    pub(super) fn without(&self, number: GenerationNumber) -> Self {
        let mut next = self.clone();
        next.generations.remove(&number);
        next.traffic.weights.remove(&number);
        next.traffic.before.remove(&number);
        if next.stable == Some(number) {
            next.stable = None;
        }
        next
    }

    /// Returns the record with the lease given to whoever claims it.
    ///
    /// # Errors
    /// `Conflict` while another holder's lease runs.
    pub(super) fn leased(&self, claim: Claim, now: Timestamp) -> Result<(Self, Lease)> {
        let Claim {
            holder,
            claimant,
            duration,
        } = claim;
        let until = now + duration;
        let fence = match &self.lease {
            Some(lease) if lease.holder == holder && !lease.released => lease.fence,
            Some(lease) if lease.runs(now) => {
                let words = format!("{} holds it until {}", lease.holder.0, lease.until);
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "take the lease",
                    self.subject(),
                    words,
                ));
            }
            Some(lease) => Fence(lease.fence.0.max(now.milliseconds()) + 1),
            // The clock stands in for the memory of a fleet of this name that was destroyed: a
            // process that held a lease on that one must not match this one's.
            None => Fence(now.milliseconds() + 1),
        };
        let mut next = self.clone();
        next.lease = Some(LeaseRecord {
            holder,
            fence,
            until,
            released: false,
            claimant,
        });
        Ok((next, Lease { fence, until }))
    }

    /// Returns the record with the lease given back; one that is another's stays.
    pub(super) fn released(&self, fence: Fence) -> Self {
        let mut next = self.clone();
        if let Some(lease) = next.lease.as_mut().filter(|lease| lease.fence == fence) {
            lease.released = true;
        }
        next
    }

    /// Refuses an action whose lease is not the newest.
    pub(super) fn check_fence(&self, fence: Fence, operation: &str) -> Result<()> {
        let words = match &self.lease {
            Some(lease) if lease.fence == fence => return Ok(()),
            Some(lease) => format!(
                "{} has taken the fleet over in the meantime",
                lease.holder.0
            ),
            None => {
                "nobody holds a lease on this fleet; it has been destroyed or never was".to_owned()
            }
        };
        Err(Error::new(
            ErrorKind::Conflict,
            operation,
            self.subject(),
            words,
        ))
    }

    /// Returns the record with a note.
    ///
    /// # Errors
    /// `Conflict` when the lease that it rests on is not the newest; `NotFound` when something is asked
    /// of a fleet that does not exist.
    pub(super) fn noted(self, note: Note) -> Result<Self> {
        Ok(match note {
            Note::Intent { fence, intent } => {
                self.check_fence(fence, "leave what is intended")?;
                Self {
                    intent: Some(*intent),
                    ..self
                }
            }
            Note::Asked(_) if self.settings.is_none() => {
                return Err(Error::new(
                    ErrorKind::NotFound,
                    "ask for something",
                    self.subject(),
                    "there is no such fleet",
                ));
            }
            Note::Asked(request) => Self { request, ..self },
        })
    }

    pub(super) fn subject(&self) -> String {
        format!("fleet {}", self.name)
    }

    /// The generation's share of the traffic.
    pub(super) fn weight(&self, number: GenerationNumber) -> Weight {
        self.traffic
            .weights
            .get(&number)
            .copied()
            .unwrap_or_default()
    }
}

impl LeaseRecord {
    pub(super) fn runs(&self, now: Timestamp) -> bool {
        !self.released && now < self.until
    }
}
