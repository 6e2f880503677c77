//! One change to one fleet.
//!
//! Each action first writes down what it is about to do and then does it, in steps that may each be
//! repeated: whoever comes after an interruption finds the intent and goes on from there.

use super::call::Calls;
use super::failure::{Failure, Result};
use super::front::{self, FleetRule};
use super::journal::{Journal, now};
use super::memory::Memory;
use super::reads::Reads;
use super::record::{FleetRecord, Shares};
use super::written::Entry;
use crate::cloud::phrase::phrase;
use crate::cloud::{ErrorKind, Fence};
use crate::model::{FleetName, Front, Settings, Weights, nonzero};
use crate::rollout::Action;

/// What is needed to change a fleet.
pub(super) struct Turn<'a> {
    pub(super) calls: &'a Calls,
    pub(super) reads: &'a Reads,
    pub(super) journal: &'a Journal,
    pub(super) memory: &'a Memory,
    pub(super) fleet: &'a FleetName,
}

impl Turn<'_> {
    /// Does an action.
    pub(super) async fn act(&self, fence: Fence, action: &Action) -> Result<()> {
        let is_end = matches!(action, Action::DestroyFleet);
        if is_end && self.journal.look(self.fleet, self.reads).await?.is_none() {
            return Ok(());
        }
        let entry = self.journal.open(self.fleet, fence).await?;
        let now = now();
        match action {
            Action::Configure(settings) => self.configure(entry, settings).await,
            Action::CreateGeneration {
                number,
                launch,
                fingerprint,
                size,
                launch_deadline,
            } => {
                let new = super::create::New {
                    number: *number,
                    launch,
                    fingerprint,
                    size: *size,
                    launch_deadline: *launch_deadline,
                };
                self.create(entry, &new).await
            }
            Action::ResizeGeneration { number, size } => self.resize(entry, *number, *size).await,
            Action::ShiftTraffic { weights, before } => self.shift(entry, weights, before).await,
            Action::Condemn {
                number,
                cause,
                retry,
            } => {
                let condemned = entry.record.condemned(*number, cause, retry.as_ref(), now);
                let next = condemned?;
                self.write(&entry, next).await.map(drop)
            }
            Action::Promote { number } => {
                let next = entry.record.promoted(*number, now)?;
                self.write(&entry, next).await.map(drop)
            }
            // Without weight it gets nothing new, and the load balancer lets what runs go on.
            Action::DrainGeneration { number } => {
                let next = entry.record.draining(*number, now)?;
                self.write(&entry, next).await.map(drop)
            }
            Action::DestroyGeneration { number, park } => {
                self.destroy(entry, *number, park.as_ref()).await
            }
            Action::Park(parked) => self.park_for(entry, parked).await,
            Action::Unpark { member } => self.unpark(entry, member).await,
            Action::DestroyFleet => self.destroy_fleet(&entry).await,
        }
    }

    /// Writes a record, once what may change sizes beside us is where it shall be by then.
    pub(super) async fn write(&self, entry: &Entry, record: FleetRecord) -> Result<Entry> {
        self.rescale(&entry.record, &record).await?;
        self.journal.write(self.fleet, entry, record).await
    }

    /// The rule of a fleet with a front.
    pub(super) fn rule<'a>(
        &'a self,
        settings: &'a Front,
        record: &'a FleetRecord,
    ) -> FleetRule<'a> {
        FleetRule {
            calls: self.calls,
            fleet: self.fleet,
            settings,
            owner: record.holder(),
        }
    }

    async fn configure(&self, entry: Entry, settings: &Settings) -> Result<()> {
        let record = &entry.record;
        let earlier = record.settings.as_ref();
        let placed = match &settings.front {
            Some(front) => {
                let rule = self.rule(front, record);
                let place = rule.place(record.front.as_ref()).await?;
                Some(rule.settle(record.front.as_ref(), place).await?)
            }
            None => {
                let front = earlier.and_then(|earlier| earlier.front.as_ref());
                if let (Some(front), Some(there)) = (front, &record.front) {
                    self.rule(front, record).delete(there).await?;
                }
                None
            }
        };
        self.set_targets(record, settings).await?;
        let sizes_itself = |settings: &Settings| settings.scaling.is_live();
        let mut next = if earlier.is_some_and(sizes_itself) && !sizes_itself(settings) {
            self.with_sizes_found(record).await?
        } else {
            record.clone()
        };
        if record.settings.is_none() {
            next.traffic.written_at = now();
        }
        if placed.is_none() {
            next.traffic.written = Weights::new();
            next.traffic.before = Weights::new();
        }
        next.front = placed;
        next.settings = Some(settings.clone());
        self.rescale_anew(&entry.record, &next).await?;
        self.write(&entry, next).await.map(drop)
    }

    /// Brings the target groups that exist to the thresholds and the drain time that shall be.
    async fn set_targets(&self, record: &FleetRecord, settings: &Settings) -> Result<()> {
        let Some(earlier) = &record.settings else {
            return Ok(());
        };
        let groups = record
            .generations
            .values()
            .filter(|generation| !generation.removing)
            .filter_map(|generation| generation.target_group.as_deref());
        for arn in groups {
            if earlier.check != settings.check {
                let thresholds = front::thresholds(&settings.check);
                self.calls.count_targets_by(arn, thresholds).await?;
            }
            if earlier.drain != settings.drain {
                self.calls
                    .drain_targets_for(arn, front::drain_seconds(settings.drain))
                    .await?;
            }
        }
        Ok(())
    }

    async fn shift(&self, entry: Entry, weights: &Weights, before: &Weights) -> Result<()> {
        let settings = entry.record.settings.as_ref();
        let front = settings.and_then(|settings| settings.front.clone());
        let (Some(front), Some(place)) = (front, &entry.record.front) else {
            return Err(no_front());
        };
        let read = match &place.rule {
            Some(arn) => self.rule(&front, &entry.record).read(arn).await?,
            None => None,
        };
        let shown = read
            .as_ref()
            .map(|read| front::shown(read, &entry.record))
            .unwrap_or_default();
        let next = entry.record.shifted(weights, before, &shown, now())?;
        let mut entry = self.write(&entry, next).await?;
        let weights = nonzero(weights);
        if shown == weights {
            return Ok(());
        }
        if read.is_none() {
            entry = self.with_rule_again(entry, &front, &weights).await?;
        }
        self.weigh(entry, &front, &weights).await
    }

    /// Writes the weights into the rule. Where a target group was deleted by hand, it is made again:
    /// AWS names it only when the rule is to use it.
    async fn weigh(&self, entry: Entry, front: &Front, weights: &Weights) -> Result<()> {
        let place = entry.record.front.clone();
        let place = place.and_then(|place| Some((place.rule.clone()?, place)));
        let Some((arn, place)) = place else {
            return Err(no_front());
        };
        let rule = self.rule(front, &entry.record);
        match rule.weigh((&place, &arn), &entry.record, weights).await {
            Err(failure) if failure.has_code("TargetGroupNotFound") => {}
            other => return other,
        }
        let entry = self.with_target_groups_again(entry, weights).await?;
        let rule = self.rule(front, &entry.record);
        rule.weigh((&place, &arn), &entry.record, weights).await
    }

    async fn with_target_groups_again(&self, entry: Entry, weights: &Weights) -> Result<Entry> {
        let mut entry = entry;
        for number in weights.keys() {
            entry = self.with_target_group_again(entry, *number).await?;
        }
        Ok(entry)
    }

    /// Makes the rule once more after someone deleted it, and target groups that went with it.
    async fn with_rule_again(
        &self,
        entry: Entry,
        front: &Front,
        weights: &Weights,
    ) -> Result<Entry> {
        let entry = self.with_target_groups_again(entry, weights).await?;
        let group = weights.keys().find_map(|number| {
            let generation = entry.record.generations.get(number)?;
            generation.target_group.clone()
        });
        let (Some(place), Some(group)) = (&entry.record.front, group) else {
            return Err(no_front());
        };
        let rule = self.rule(front, &entry.record);
        let mut next = entry.record.clone();
        next.front = Some(rule.with(place, &group).await?);
        self.write(&entry, next).await
    }
}

fn no_front() -> Failure {
    Failure::refused(ErrorKind::Invalid, "the fleet has no front")
}

/// Says what an action does, as a phrase after "could not".
pub(super) fn operation(action: &Action) -> String {
    phrase(action, |weights| Shares(&nonzero(weights)).to_string())
}
