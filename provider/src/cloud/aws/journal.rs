//! Where a fleet's record is kept, and who may write it.
//!
//! The record is one SSM parameter. A parameter can be *created* by one of many alone, which is the
//! atom that leases are made of; it can be *overwritten* by anyone, which is what they protect
//! against:
//!
//! - A lease on a fleet that has no record begins with the record's creation.
//! - Any later lease begins with the creation of a gate, a parameter that is named after the lease's
//!   number. Who creates it holds the lease, writes that into the record and deletes the gate.
//! - A holder reads the record before every change, and a number above its own ends its right.
//! - Every writing carries its lease's number and its time, and the newest counts whichever arrives
//!   last (`written`): neither an overtaken process nor a call that was given up and comes late puts
//!   an older record back. The next write restores what counts.
//! - Every write returns the parameter's version. Where that is not the next one, the write counts as
//!   failed with a conflict, unless it is the newest all the same.
//! - A record that is gone while its lease runs was deleted by a call that came late, for an earlier
//!   fleet of the name: the holder's own copy makes it again.

use super::call::{Calls, Parameter};
use super::failure::{Failure, Result};
use super::names;
use super::reads::Reads;
use super::record::{FleetRecord, LeaseRecord, Stamp};
use super::written::{self, Entry};
use crate::cloud::{ErrorKind, Fence, Holder, Lease};
use crate::model::{FleetName, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Below this lies everything of all fleets.
pub(super) const FLEETS: &str = "/immutable/fleets/";

/// How often a lease is tried for when others take and leave it meanwhile.
const TRIES: usize = 5;

/// Fleets' records, and those that this process may write.
#[derive(Debug)]
pub(super) struct Journal {
    calls: Calls,
    held: Mutex<BTreeMap<FleetName, Entry>>,
    /// Fleets with a gate whose creation was given up: it may come into being after it was passed.
    late_gates: Mutex<BTreeSet<FleetName>>,
}

impl Journal {
    pub(super) fn new(calls: Calls) -> Self {
        Self {
            calls,
            held: Mutex::default(),
            late_gates: Mutex::default(),
        }
    }

    /// The copy of a record that this process alone may write now; absent: it does not hold the lease.
    pub(super) fn held(&self, fleet: &FleetName) -> Option<FleetRecord> {
        let now = now();
        let held = self.lock();
        let entry = held.get(fleet)?;
        let lease = entry.record.lease.as_ref()?;
        (now < lease.until).then(|| entry.record.clone())
    }

    /// Reads the record for a change by the holder of `fence`.
    ///
    /// # Errors
    /// `Conflict` where the fence is not that of the newest lease.
    pub(super) async fn open(&self, fleet: &FleetName, fence: Fence) -> Result<Entry> {
        match self.read_or_lost(fleet).await? {
            Some(read) => self.writable(fleet, read, fence),
            None => Err(is_nobodys()),
        }
    }

    /// The newer of what was read and of our own copy, where the holder of `fence` may write it.
    fn writable(&self, fleet: &FleetName, read: Entry, fence: Fence) -> Result<Entry> {
        if read.record.fence > fence {
            return Err(taken_over(&read.record));
        }
        let own = self.lock().get(fleet).cloned();
        let entry = match own.filter(|own| own.record.order() > read.record.order()) {
            Some(own) => Entry {
                version: read.version.max(own.version),
                ..own
            },
            None => read,
        };
        if entry.record.fence == fence && entry.record.lease.is_some() {
            return Ok(entry);
        }
        Err(is_nobodys())
    }

    /// Writes a record in place of an entry.
    ///
    /// # Errors
    /// `Conflict` where someone else wrote meanwhile.
    pub(super) async fn write(
        &self,
        fleet: &FleetName,
        entry: &Entry,
        record: FleetRecord,
    ) -> Result<Entry> {
        if record == entry.record && self.lock().get(fleet) == Some(entry) {
            return Ok(entry.clone());
        }
        // Whether a write that fails had its effect only a look can tell.
        self.forget(fleet);
        let mut written = self.put(fleet, entry.version, record).await?;
        if is_made_anew(&written) {
            written = self.put(fleet, written.version, written.record).await?;
        }
        if !self.counts(fleet, &written).await? {
            return Err(Failure::refused(
                ErrorKind::Conflict,
                "someone else wrote the fleet's record at the same time",
            ));
        }
        self.lock().insert(fleet.clone(), written.clone());
        Ok(written)
    }

    /// Writes what shall follow a version of the record, and tells which it became.
    async fn put(&self, fleet: &FleetName, follows: i64, record: FleetRecord) -> Result<Entry> {
        let stamp = Stamp {
            version: follows + 1,
            at: now(),
        };
        let record = FleetRecord { stamp, ..record };
        let (name, value) = (record_name(fleet), text_of(&record)?);
        let version = self.calls.write_parameter(&name, &value).await?;
        Ok(Entry { record, version })
    }

    /// Whether what was written counts, whatever came in between.
    async fn counts(&self, fleet: &FleetName, written: &Entry) -> Result<bool> {
        if written.version == written.record.stamp.version {
            return Ok(true);
        }
        let parameter = Parameter {
            name: record_name(fleet),
            value: text_of(&written.record)?,
            version: written.version,
        };
        let entry = written::entry(&self.calls, &parameter).await?;
        Ok(entry.record == written.record)
    }

    /// Deletes the record, and gates that someone left behind: the fleet is gone.
    pub(super) async fn delete(&self, fleet: &FleetName) -> Result<()> {
        self.forget(fleet);
        let mut below = self
            .calls
            .parameters_below(&format!("{FLEETS}{fleet}"))
            .await?;
        // The record goes last: without it nobody would look for the others again.
        below.sort_by_key(|parameter| is_record(&parameter.name));
        for parameter in below {
            self.calls.delete_parameter(&parameter.name).await?;
        }
        Ok(())
    }

    /// Takes or prolongs a lease.
    pub(super) async fn take(
        &self,
        fleet: &FleetName,
        holder: &Holder,
        duration: Duration,
    ) -> Result<Lease> {
        let mut passed = Fence(0);
        for _ in 0..TRIES {
            let now = now();
            let lease = LeaseRecord {
                holder: holder.clone(),
                until: now + duration,
            };
            let taken = match self.read_or_lost(fleet).await? {
                None => self.begin(fleet, lease).await,
                Some(read) => self.follow(fleet, read, lease, &mut passed).await,
            };
            match taken {
                Ok(Some(lease)) => return Ok(lease),
                Ok(None) => {}
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::refused(
            ErrorKind::Conflict,
            "others take its lease at the same time",
        ))
    }

    /// Makes the record of a fleet that has none. The clock stands in for the memory of an earlier
    /// fleet of the name: whoever held a lease on that one must not match this one's.
    async fn begin(&self, fleet: &FleetName, lease: LeaseRecord) -> Result<Option<Lease>> {
        let fence = Fence(now().milliseconds());
        let until = lease.until;
        let tags = names::fleet_tags(fleet, &lease.holder.0);
        let stamp = Stamp {
            version: 1,
            at: now(),
        };
        let record = FleetRecord::new(fence, Some(lease), stamp);
        let created = self
            .calls
            .create_parameter(&record_name(fleet), &text_of(&record)?, &tags)
            .await;
        match created {
            Ok(version) => {
                self.lock().insert(fleet.clone(), Entry { record, version });
                Ok(Some(Lease { fence, until }))
            }
            Err(failure) if failure.has_code("ParameterAlreadyExists") => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Takes the lease of a fleet that has a record, where it is free, ended or ours.
    async fn follow(
        &self,
        fleet: &FleetName,
        read: Entry,
        lease: LeaseRecord,
        passed: &mut Fence,
    ) -> Result<Option<Lease>> {
        let until = lease.until;
        if let Some(current) = &read.record.lease {
            if current.holder == lease.holder {
                let fence = read.record.fence;
                let is_sure = self.held(fleet).is_some();
                let entry = self.writable(fleet, read, fence)?;
                let mut record = entry.record.clone();
                record.lease = Some(lease);
                self.write(fleet, &entry, record).await?;
                // A call of the lease's beginning failed or lost its answer, and its gate may be there.
                if !is_sure {
                    self.sweep(fleet, fence).await?;
                }
                return Ok(Some(Lease { fence, until }));
            }
            if now() < current.until {
                return Err(is_held(current));
            }
        }
        let fence = Fence(read.record.fence.max(*passed).0 + 1);
        if !self.pass_gate(fleet, fence, &lease, passed).await? {
            return Ok(None);
        }
        let gate = gate_name(fleet, fence);
        let again = self.read(fleet).await?;
        if again.as_ref() != Some(&read) {
            // A gate that was gone already, from a view that was out of date.
            self.calls.delete_parameter(&gate).await?;
            return Ok(None);
        }
        let mut record = read.record.clone();
        record.fence = fence;
        record.lease = Some(lease);
        self.write(fleet, &read, record).await?;
        // Who did not give the lease back may have left gates.
        if read.record.lease.is_some() || *passed > Fence(0) {
            self.sweep(fleet, fence).await?;
        } else if let Err(failure) = self.calls.delete_parameter(&gate).await {
            self.forget(fleet);
            return Err(failure);
        }
        Ok(Some(Lease { fence, until }))
    }

    /// Deletes the gates of a lease and of those before it. Where that fails, the lease is not taken
    /// for sure, so that the next try sweeps again.
    async fn sweep(&self, fleet: &FleetName, fence: Fence) -> Result<()> {
        let swept = async {
            let below = format!("{FLEETS}{fleet}");
            for parameter in self.calls.parameters_below(&below).await? {
                if gate_of(fleet, &parameter.name).is_some_and(|gate| gate <= fence) {
                    self.calls.delete_parameter(&parameter.name).await?;
                }
            }
            Ok(())
        };
        let swept = swept.await;
        if swept.is_err() {
            self.forget(fleet);
        }
        swept
    }

    /// Creates the gate of a lease. Where it exists, its maker holds the lease or died on the way.
    async fn pass_gate(
        &self,
        fleet: &FleetName,
        fence: Fence,
        lease: &LeaseRecord,
        passed: &mut Fence,
    ) -> Result<bool> {
        let name = gate_name(fleet, fence);
        let text = serde_json::to_string(lease)
            .map_err(|error| Failure::refused(ErrorKind::Invalid, error.to_string()))?;
        let tags = names::fleet_tags(fleet, &lease.holder.0);
        match self.calls.create_parameter(&name, &text, &tags).await {
            Ok(_) => return Ok(true),
            Err(failure) if failure.has_code("ParameterAlreadyExists") => {}
            Err(failure) => {
                lock(&self.late_gates).insert(fleet.clone());
                return Err(failure);
            }
        }
        let Some(parameter) = self.calls.parameter(&name).await? else {
            return Ok(false);
        };
        let other: LeaseRecord = serde_json::from_str(&parameter.value)
            .map_err(|error| Failure::refused(ErrorKind::Invalid, format!("{name}: {error}")))?;
        if other.holder == lease.holder {
            return Ok(true);
        }
        if now() < other.until {
            return Err(is_held(&other));
        }
        *passed = fence;
        Ok(false)
    }

    /// Gives a lease back; one that is no longer ours is left alone. A record of nothing goes.
    pub(super) async fn release(&self, fleet: &FleetName, fence: Fence) -> Result<()> {
        let entry = match self.open(fleet, fence).await {
            Ok(entry) => entry,
            Err(failure) if failure.kind == ErrorKind::Conflict => {
                self.forget(fleet);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        if entry.record.is_void() {
            return self.delete(fleet).await;
        }
        if lock(&self.late_gates).contains(fleet) {
            self.sweep(fleet, fence).await?;
            lock(&self.late_gates).remove(fleet);
        }
        let mut record = entry.record.clone();
        record.lease = None;
        self.write(fleet, &entry, record).await?;
        self.forget(fleet);
        Ok(())
    }

    /// Reads all fleets' records.
    pub(super) async fn all(&self) -> Result<BTreeMap<FleetName, FleetRecord>> {
        let parameters = self
            .calls
            .parameters_below(FLEETS.trim_end_matches('/'))
            .await?;
        let mut records = BTreeMap::new();
        for parameter in parameters {
            if let Some(fleet) = fleet_of(&parameter.name) {
                let entry = written::entry(&self.calls, &parameter).await?;
                records.insert(fleet, entry.record);
            }
        }
        Ok(records)
    }

    /// Reads a fleet's record to look at it; absent: there is none.
    pub(super) async fn look(
        &self,
        fleet: &FleetName,
        reads: &Reads,
    ) -> Result<Option<FleetRecord>> {
        let name = record_name(fleet);
        let mut found = reads.parameters.ask(std::slice::from_ref(&name)).await?;
        match found.remove(&name) {
            Some(parameter) => Ok(Some(written::entry(&self.calls, &parameter).await?.record)),
            None => Ok(None),
        }
    }

    async fn read(&self, fleet: &FleetName) -> Result<Option<Entry>> {
        let parameter = self.calls.parameter(&record_name(fleet)).await?;
        match parameter {
            Some(parameter) => written::entry(&self.calls, &parameter).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a record, or takes our own copy of one that was deleted while we hold its lease.
    async fn read_or_lost(&self, fleet: &FleetName) -> Result<Option<Entry>> {
        let read = self.read(fleet).await?;
        let own = if read.is_none() {
            self.held(fleet)
        } else {
            None
        };
        let Some(record) = own else {
            return Ok(read);
        };
        let entry = Entry { record, version: 0 };
        self.lock().insert(fleet.clone(), entry.clone());
        Ok(Some(entry))
    }

    fn forget(&self, fleet: &FleetName) {
        self.lock().remove(fleet);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<FleetName, Entry>> {
        lock(&self.held)
    }
}

/// A poisoned lock is a panic elsewhere; what it guards is a copy of what AWS has.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a parameter below all fleets' is a fleet's record.
fn is_record(name: &str) -> bool {
    name.ends_with("/record")
}

/// The fleet that a parameter is the record of; absent: it is no record.
pub(super) fn fleet_of(name: &str) -> Option<FleetName> {
    let fleet = name.strip_prefix(FLEETS)?.strip_suffix("/record")?;
    fleet.parse().ok()
}

/// The name of a fleet's record.
pub(super) fn record_name(fleet: &FleetName) -> String {
    format!("{FLEETS}{fleet}/record")
}

fn gate_name(fleet: &FleetName, fence: Fence) -> String {
    format!("{FLEETS}{fleet}/lease/{}", fence.0)
}

/// The lease that a parameter is the gate of; absent: it is none.
fn gate_of(fleet: &FleetName, name: &str) -> Option<Fence> {
    let number = name.strip_prefix(&format!("{FLEETS}{fleet}/lease/"))?;
    number.parse().ok().map(Fence)
}

fn text_of(record: &FleetRecord) -> Result<String> {
    serde_json::to_string(record)
        .map_err(|error| Failure::refused(ErrorKind::Invalid, error.to_string()))
}

/// Whether a record was deleted before it was written, though its lease runs: nobody but a call that
/// came late has done that.
fn is_made_anew(written: &Entry) -> bool {
    let lease = written.record.lease.as_ref();
    let is_held = lease.is_some_and(|lease| now() < lease.until);
    is_held && written.version == 1 && written.record.stamp.version != 1
}

fn is_nobodys() -> Failure {
    Failure::refused(
        ErrorKind::Conflict,
        "nobody holds a lease on this fleet; it was given back, or the fleet was destroyed",
    )
}

fn is_held(lease: &LeaseRecord) -> Failure {
    let words = format!("{} holds it until {}", lease.holder.0, lease.until);
    Failure::refused(ErrorKind::Conflict, words)
}

fn taken_over(record: &FleetRecord) -> Failure {
    let words = format!(
        "{} has taken the fleet over in the meantime",
        record.holder()
    );
    Failure::refused(ErrorKind::Conflict, words)
}

/// The time by this machine's clock. AWS has none to ask that costs nothing.
pub(super) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
