//! What may change a generation's size beside us, and how it moves with the traffic.
//!
//! A fleet whose size changes by itself has one generation at a time on which it may: the one with
//! most of the traffic. While another one is on trial it may only grow there, because a part of its
//! load is elsewhere for a while and may come back; the sizes of all others are held.
//!
//! Where it is follows from the record alone, and it is put in force before the record is written:
//! whoever is cut off in between is asked for the same once more.

use super::failure::Result;
use super::look;
use super::names;
use super::record::FleetRecord;
use super::turn::Turn;
use crate::model::{GenerationNumber, Scaling};

/// Someone else's scaler keeps bounds of its own; these only stand in nobody's way.
const WIDEST: (u32, u32) = (1, 100_000);

/// What may change a generation's size beside us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// Nothing.
    Held,
    /// What sizes the fleet, upwards alone.
    Upwards(Scaling),
    /// What sizes the fleet.
    Free(Scaling),
}

impl Reach {
    /// Works out what may change a generation's size.
    pub(super) fn of(record: &FleetRecord, number: GenerationNumber) -> Self {
        let scaling = record.settings.as_ref().map(|settings| &settings.scaling);
        let scaling = match scaling {
            Some(scaling) if serves_most(record) == Some(number) => scaling.clone(),
            Some(_) | None => return Self::Held,
        };
        let others = record.generations.iter();
        let mut others = others.filter(|(other, _)| **other != number);
        let is_tried = others.any(|(_, other)| other.retired_at.is_none() && !other.removing);
        match scaling {
            Scaling::Configured => Self::Held,
            scaling if is_tried => Self::Upwards(scaling),
            scaling => Self::Free(scaling),
        }
    }

    /// The least and most members that a group of this size may have.
    pub(super) fn bounds(&self, size: u32) -> (u32, u32) {
        match self {
            Self::Held => (size, size),
            Self::Upwards(scaling) => (size, bounds(scaling).1.max(size)),
            Self::Free(scaling) => bounds(scaling),
        }
    }

    /// The load that the size is kept for; absent: it does not follow the load.
    fn percent(&self) -> Option<u32> {
        match self {
            Self::Upwards(Scaling::Tracking(tracking))
            | Self::Free(Scaling::Tracking(tracking)) => Some(tracking.cpu),
            Self::Held | Self::Upwards(_) | Self::Free(_) => None,
        }
    }
}

fn bounds(scaling: &Scaling) -> (u32, u32) {
    match scaling {
        Scaling::Tracking(tracking) => (tracking.min, tracking.max),
        Scaling::External | Scaling::Configured => WIDEST,
    }
}

/// The generation with most of the traffic, of two with the same the trusted one.
pub(super) fn serves_most(record: &FleetRecord) -> Option<GenerationNumber> {
    let weights = record.traffic.written.iter();
    let most = weights.max_by_key(|(number, weight)| (**weight, record.stable == Some(**number)));
    most.map(|(number, _)| *number).or(record.stable)
}

impl Turn<'_> {
    /// Brings every group from what may change its size by one record to what may by the next.
    pub(super) async fn rescale(&self, from: &FleetRecord, to: &FleetRecord) -> Result<()> {
        for (number, generation) in &to.generations {
            let (was, is) = (Reach::of(from, *number), Reach::of(to, *number));
            if was != is && !generation.removing {
                self.reach(*number, &was, &is).await?;
            }
        }
        Ok(())
    }

    /// Makes the policy and the bounds of what serves anew, where they were changed by hand: one record
    /// and the next say the same of them. A policy that lost an alarm gets it back with a new one alone.
    pub(super) async fn rescale_anew(&self, from: &FleetRecord, to: &FleetRecord) -> Result<()> {
        let Some(number) = serves_most(to) else {
            return Ok(());
        };
        let is = Reach::of(to, number);
        if is.percent().is_none() || is != Reach::of(from, number) {
            return Ok(());
        }
        let name = names::generation(self.fleet, number);
        self.calls.leave_load(&name).await?;
        self.reach(number, &Reach::Held, &is).await
    }

    async fn reach(&self, number: GenerationNumber, was: &Reach, is: &Reach) -> Result<()> {
        let name = names::generation(self.fleet, number);
        self.memory.policies.forget(&name);
        let Some(group) = self.calls.group(&name).await? else {
            return Ok(());
        };
        if was.percent().is_some() && is.percent().is_none() {
            self.calls.leave_load(&name).await?;
        }
        let bounds = is.bounds(look::whole(group.desired_capacity));
        self.calls.size_group(&name, bounds, None).await?;
        match is.percent() {
            Some(percent) if was.percent() != Some(percent) => {
                self.calls.track_load(&name, percent).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The record with the sizes that its groups have, for a fleet whose size no longer changes by
    /// itself.
    pub(super) async fn with_sizes_found(&self, record: &FleetRecord) -> Result<FleetRecord> {
        let name = |number: &GenerationNumber| names::generation(self.fleet, *number);
        let names: Vec<String> = record.generations.keys().map(name).collect();
        let groups = self.calls.groups(&names).await?;
        let mut next = record.clone();
        for (number, generation) in &mut next.generations {
            let name = name(number);
            let mut named = groups
                .iter()
                .filter(|group| group.auto_scaling_group_name.as_ref() == Some(&name));
            if let Some(group) = named.next() {
                generation.wanted = look::whole(group.desired_capacity);
                generation.wanted_before = generation.wanted;
            }
        }
        Ok(next)
    }
}
