//! The fleets that a host keeps.

use super::super::fleet_record::FleetRecord;
use super::super::store::Kept as OnRecord;
use super::fleet::Fleet;
use super::machine::Machine;
use crate::cloud::Result;
use crate::model::{FleetName, ReleaseId, ReleaseRef};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;

/// All fleets of one host, each with the task that keeps it.
pub(super) struct Fleets {
    machine: Arc<Machine>,
    kept: Mutex<BTreeMap<FleetName, Kept>>,
}

struct Kept {
    fleet: Arc<Fleet>,
    keeper: JoinHandle<()>,
}

impl Fleets {
    pub(super) fn new(machine: Arc<Machine>) -> Self {
        Self {
            machine,
            kept: Mutex::default(),
        }
    }

    /// Takes over the fleets that an earlier host has left.
    pub(super) fn take_over(&self, records: Vec<FleetRecord>) {
        for record in records {
            let fleet = self.keep(record);
            fleet.fleet.reopen_door();
            self.kept().insert(fleet.fleet.name.clone(), fleet);
        }
    }

    /// Returns a fleet; absent: there is none.
    ///
    /// # Errors
    /// Its record cannot be read. It is tried again each time: somebody may set it right.
    pub(super) fn find(&self, name: &FleetName) -> Result<Option<Arc<Fleet>>> {
        match self.kept().entry(name.clone()) {
            Entry::Occupied(there) => Ok(Some(Arc::clone(&there.get().fleet))),
            Entry::Vacant(free) => {
                let Some(record) = self.machine.store.fleet(name)? else {
                    return Ok(None);
                };
                let kept = free.insert(self.keep(record));
                kept.fleet.reopen_door();
                Ok(Some(Arc::clone(&kept.fleet)))
            }
        }
    }

    /// Returns a fleet, which is made where there is none. Nothing is on record of a new one yet.
    ///
    /// # Errors
    /// Its record cannot be read.
    pub(super) fn find_or_make(&self, name: &FleetName) -> Result<Arc<Fleet>> {
        if let Some(fleet) = self.find(name)? {
            return Ok(fleet);
        }
        // Two callers who find nothing get the same one.
        let mut all = self.kept();
        let kept = all
            .entry(name.clone())
            .or_insert_with(|| self.keep(FleetRecord::new(name.clone())));
        Ok(Arc::clone(&kept.fleet))
    }

    /// Keeps a fleet no more.
    pub(super) fn drop(&self, name: &FleetName) {
        if let Some(kept) = self.kept().remove(name) {
            kept.keeper.abort();
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Fleet>> {
        self.kept()
            .values()
            .map(|kept| Arc::clone(&kept.fleet))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept().is_empty()
    }

    /// Names, in words, the fleets that run a release or may do so.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(super) fn users(&self, release: &ReleaseId, image: Option<&str>) -> Result<Vec<String>> {
        let reference = ReleaseRef::Release(release.clone());
        let uses = |fleet: &Arc<Fleet>| {
            let generations = &fleet.state().record.generations;
            generations.values().any(|generation| {
                generation.launch.release == reference || Some(generation.image.as_str()) == image
            })
        };
        let all = self.all();
        let users = all.iter().filter(|fleet| uses(fleet));
        let mut users: Vec<String> = users.map(|fleet| format!("fleet {}", fleet.name)).collect();
        for (name, _) in self.unreadable()? {
            users.push(format!(
                "fleet {name} (its record cannot be read, so it may)"
            ));
        }
        Ok(users)
    }

    /// Tells which fleets cannot be kept because of their records, and why.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(super) fn unreadable(&self) -> Result<Vec<(FleetName, crate::cloud::Error)>> {
        let OnRecord { unreadable, .. } = self.machine.store.all_fleets()?;
        let kept = self.kept();
        let lost = unreadable
            .into_iter()
            .filter(|(name, _)| !kept.contains_key(name));
        Ok(lost.collect())
    }

    fn keep(&self, record: FleetRecord) -> Kept {
        let fleet = Arc::new(Fleet::new(record, Arc::clone(&self.machine)));
        Kept {
            keeper: tokio::spawn(Arc::clone(&fleet).keep()),
            fleet,
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<FleetName, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
