//! Who decides how many members a fleet has, as users write it.

use super::attributes::{Autoscale, Capacity, Fleet};
use super::goal::whole;
use crate::model::{Scaling, Tracking};
use crate::schema::Bounded;

impl Fleet {
    /// Returns who decides about the size.
    pub(super) fn scaling(&self) -> Scaling {
        match (&self.autoscale, self.capacity) {
            (Some(autoscale), _) => Scaling::Tracking(Tracking {
                min: whole(autoscale.min),
                max: whole(autoscale.max),
                cpu: whole(autoscale.cpu),
            }),
            (None, Capacity::External) => Scaling::External,
            (None, Capacity::Managed) => Scaling::Configured,
        }
    }

    /// Returns the members wanted; where the size changes by itself, those of the first generation.
    pub(super) fn wanted_size(&self) -> u32 {
        let least = self.autoscale.as_ref().map(|autoscale| autoscale.min);
        self.size.or(least).map_or(1, whole)
    }

    /// Returns the fleet with its size decided about as a cloud tells it.
    pub(super) fn with_scaling(self, scaling: &Scaling) -> Self {
        if self.scaling() == *scaling {
            return self;
        }
        let (size, autoscale, capacity) = match scaling {
            Scaling::Configured => (self.size, None, Capacity::Managed),
            Scaling::External => (self.size, None, Capacity::External),
            Scaling::Tracking(tracking) => (None, autoscale(*tracking), Capacity::Managed),
        };
        Self {
            size,
            autoscale,
            capacity,
            ..self
        }
    }
}

fn autoscale(tracking: Tracking) -> Option<Autoscale> {
    Some(Autoscale {
        min: Bounded::new(tracking.min.into())?,
        max: Bounded::new(tracking.max.into())?,
        cpu: Bounded::new(tracking.cpu.into())?,
    })
}
