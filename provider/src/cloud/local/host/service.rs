//! What the host does for each request.

use super::super::claimant::Claimant;
use super::super::fleet_record::{Claim, FleetRecord};
use super::super::transition::operation;
use super::super::wire::{Note, Reply, Request, Values};
use super::door::Door;
use super::fleet::{Fleet, NextDoor};
use super::fleets::Fleets;
use super::machine::{Machine, blocking};
use super::patience::{ended, removed, reopened};
use super::releases::Releases;
use super::{observation, report, secret};
use crate::cloud::{Error, ErrorKind, Fence, Lease, Result};
use crate::model::{
    FleetName, GenerationNumber, LaunchTemplate, MemberId, Platform, Settings, Timestamp,
};
use crate::rollout::Action;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// The host's work.
pub(super) struct Service {
    pub(super) machine: Arc<Machine>,
    releases: Releases,
    fleets: Fleets,
    /// The last thing that was removed may have been the last thing to do.
    is_leaving: AtomicBool,
}

impl Service {
    /// Takes over what an earlier host has left: nothing half-made stays, every fleet runs again.
    pub(super) fn begin(machine: Arc<Machine>) -> Result<Self> {
        let fleets = machine.store.all_fleets()?;
        let service = Self {
            releases: Releases::new(Arc::clone(&machine)),
            fleets: Fleets::new(Arc::clone(&machine)),
            machine,
            is_leaving: AtomicBool::new(false),
        };
        let used = |digest: &str| {
            let generations = fleets
                .readable
                .iter()
                .flat_map(|record| record.generations.values());
            let is_known = generations
                .into_iter()
                .any(|generation| generation.image == digest);
            // What a record that cannot be read asks for is not known, so everything stays.
            is_known || !fleets.unreadable.is_empty()
        };
        if let Err(error) = service.releases.sweep(used) {
            tracing::warn!(%error, "images that nobody uses could not be removed");
        }
        service.fleets.take_over(fleets.readable);
        Ok(service)
    }

    /// Answers a request; `stop` is for what takes long and serves nobody but who asks.
    pub(super) async fn answer(&self, request: Request, stop: &CancellationToken) -> Reply {
        self.reply(request, stop)
            .await
            .unwrap_or_else(|error| Reply::Failed(error.into()))
    }

    /// Whether there is no fleet to keep. Leases on fleets that never came to be are dropped.
    pub(super) fn is_idle(&self) -> bool {
        let now = now();
        for fleet in self.fleets.all() {
            // Whether the holder of a lease still lives is asked of the system; only a fleet with
            // nothing in it is worth the question.
            let is_blank = fleet.state().record.is_blank();
            let is_void = is_blank && vacated(&fleet).is_void(now);
            // One that cannot be removed now is found void again.
            if is_void && self.machine.store.remove_fleet(&fleet.name).is_ok() {
                self.fleets.drop(&fleet.name);
            }
        }
        self.fleets.is_empty()
    }

    /// Whether the host need not wait for another request.
    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed) && self.fleets.is_empty()
    }

    /// The environment variables whose values an earlier host took with it.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = BTreeSet::new();
        self.for_each_unresolved(|_, name| {
            missing.insert(name.to_owned());
        });
        missing.into_iter().collect()
    }

    /// Ends every member and every front.
    pub(super) async fn end(&self) {
        let fleets = self.fleets.all();
        let ends = fleets.iter().map(|fleet| async {
            // Whoever has not ended by then goes with the host: its init dies with us.
            let _ = ended(fleet).await;
            if let Some(front) = fleet.take_door() {
                front.close(Duration::ZERO).await;
            }
        });
        futures_util::future::join_all(ends).await;
    }

    async fn reply(&self, request: Request, stop: &CancellationToken) -> Result<Reply> {
        match request {
            Request::Observe { fleet, alarms } => self.observe(&fleet, alarms).await,
            Request::Act {
                fleet,
                fence,
                action,
                values,
            } => self.act(&fleet, fence, &action, values).await,
            Request::TakeLease {
                fleet,
                holder,
                duration,
                claimant,
            } => self
                .take_lease(
                    &fleet,
                    Claim {
                        holder,
                        claimant,
                        duration,
                    },
                )
                .await
                .map(Reply::Lease),
            Request::ReleaseLease { fleet, fence } => self.release_lease(&fleet, fence).await,
            Request::Note { fleet, note } => self.note(&fleet, *note).await,
            Request::MemberOutput { fleet, member } => {
                self.output(&fleet, &member).map(Reply::Text)
            }
            Request::Import(new) => self
                .releases
                .import(new)
                .await
                .map(|release| Reply::Release(Box::new(release))),
            Request::Verify { release, probe } => self
                .releases
                .verify(&release, &probe, stop)
                .await
                .map(Reply::Trial),
            Request::MoveLine { to, from } => self
                .releases
                .move_line(&to, from.as_ref())
                .await
                .map(|()| self.done()),
            Request::StoreSbom { release, sbom } => self
                .releases
                .store_sbom(release, sbom)
                .await
                .map(|()| self.done()),
            Request::RemoveRelease(release) => {
                self.releases
                    .remove(&release, |image| self.fleets.users(&release, image))
                    .await?;
                Ok(self.left())
            }
            Request::Supply(values) => {
                self.supply(&values);
                Ok(self.done())
            }
            Request::Status => {
                // Images in use are compared with what they were.
                let status =
                    tokio::task::block_in_place(|| report::status(&self.machine, &self.fleets))?;
                Ok(Reply::Status(Box::new(status)))
            }
            Request::Log { member } => self.log(&member).map(Reply::Text),
        }
    }

    async fn observe(&self, name: &FleetName, alarms: Vec<String>) -> Result<Reply> {
        let Some(fleet) = self.fleets.find(name)? else {
            return Ok(Reply::World(Box::new(observation::nothing(&alarms))));
        };
        let machine = Arc::clone(&self.machine);
        let world = blocking(move || observation::world(&machine, &fleet, &alarms)).await?;
        Ok(Reply::World(Box::new(world)))
    }

    async fn act(
        &self,
        name: &FleetName,
        fence: Fence,
        action: &Action,
        values: Values,
    ) -> Result<Reply> {
        let Some(fleet) = self.fleets.find(name)? else {
            return already_gone(name, action).map(|()| self.done());
        };
        let one = fleet.changing.lock().await;
        if fleet.state().is_over {
            return already_gone(name, action).map(|()| self.done());
        }
        let record = fleet.state().record.clone();
        record.check_fence(fence, &operation(action))?;
        match action {
            Action::Configure(settings) => self.configure(&fleet, &record, settings).await?,
            Action::CreateGeneration { number, launch, .. } => {
                self.create(&fleet, &record, action, (*number, launch), values)
                    .await?
            }
            Action::Park(parked) => {
                // A parked member without another one in its place is told so by its generation.
                self.write(&fleet, record.after(action, "", now())?).await?;
                fleet.park(&parked.member);
            }
            Action::Unpark { member } => {
                fleet.unpark(member);
                self.write(&fleet, record.after(action, "", now())?).await?;
            }
            Action::DestroyFleet => return self.destroy(&fleet, &record).await,
            Action::ResizeGeneration { .. }
            | Action::ShiftTraffic { .. }
            | Action::Condemn { .. }
            | Action::Promote { .. }
            | Action::DrainGeneration { .. }
            | Action::DestroyGeneration { .. } => {
                self.write(&fleet, record.after(action, "", now())?).await?
            }
        }
        drop(one);
        if let Action::DestroyGeneration { number, .. } = action {
            removed(&fleet, *number).await?;
        }
        Ok(self.done())
    }

    async fn configure(
        &self,
        fleet: &Fleet,
        record: &FleetRecord,
        settings: &Settings,
    ) -> Result<()> {
        self.check_listener(fleet, settings)?;
        let next = fleet.open_beside(settings)?;
        self.write(
            fleet,
            record.after(&Action::Configure(settings.clone()), "", now())?,
        )
        .await?;
        let (door, in_place) = match next {
            NextDoor::Stays => return Ok(()),
            NextDoor::Beside(door) => (door, false),
            NextDoor::InPlace => (Door::Shut("it changes its protocol".to_owned()), true),
        };
        fleet.replace_door(door);
        if in_place {
            reopened(fleet).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        fleet: &Fleet,
        record: &FleetRecord,
        action: &Action,
        new: (GenerationNumber, &LaunchTemplate),
        values: Values,
    ) -> Result<()> {
        let (number, launch) = new;
        // Until the record says that the image is in use.
        let _unchanged = self.releases.unchanged().await;
        let image = self.releases.image(&launch.release)?;
        let command = match &launch.platform {
            Platform::Local(local) => &local.command,
            Platform::Aws(_) => {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    operation(action),
                    record.subject(),
                    "it is described for AWS, not for this machine",
                ));
            }
        };
        self.machine
            .check_command(&image, command, &record.subject())?;
        let next = record.after(action, &image, now())?;
        self.machine
            .values()
            .insert((fleet.name.clone(), number), values);
        self.write(fleet, next).await
    }

    async fn destroy(&self, fleet: &Fleet, record: &FleetRecord) -> Result<Reply> {
        record.after(&Action::DestroyFleet, "", now())?;
        if let Err(error) = ended(fleet).await {
            fleet.go_on();
            return Err(error);
        }
        if let Some(front) = fleet.take_door() {
            let drain = fleet.state().drain();
            front.close(drain).await;
        }
        let (store, name) = (self.machine.store.clone(), fleet.name.clone());
        if let Err(error) = blocking(move || store.remove_fleet(&name)).await? {
            fleet.go_on();
            return Err(error);
        }
        fleet.forget_all();
        self.fleets.drop(&fleet.name);
        fleet.state().is_over = true;
        Ok(self.left())
    }

    async fn take_lease(&self, name: &FleetName, claim: Claim) -> Result<Lease> {
        loop {
            let fleet = self.fleets.find_or_make(name)?;
            let _one = fleet.changing.lock().await;
            if fleet.state().is_over {
                // It was destroyed while we waited, so there is another one to be found or made.
                continue;
            }
            let (record, lease) = vacated(&fleet).leased(claim, now())?;
            self.write(&fleet, record).await?;
            self.is_leaving.store(false, Ordering::Relaxed);
            return Ok(lease);
        }
    }

    async fn release_lease(&self, name: &FleetName, fence: Fence) -> Result<Reply> {
        if let Some(fleet) = self.fleets.find(name)? {
            let _one = fleet.changing.lock().await;
            let record = fleet.state().record.released(fence);
            if !fleet.state().is_over {
                self.write(&fleet, record).await?;
            }
        }
        Ok(self.done())
    }

    /// Writes down what no member notices.
    async fn note(&self, name: &FleetName, note: Note) -> Result<Reply> {
        // Where there is no fleet, nothing of it is written down to which a note could be added.
        let refused = |note| FleetRecord::new(name.clone()).noted(note);
        let Some(fleet) = self.fleets.find(name)? else {
            return refused(note).map(|_| self.done());
        };
        let _one = fleet.changing.lock().await;
        if fleet.state().is_over {
            return refused(note).map(|_| self.done());
        }
        let record = fleet.state().record.clone();
        self.write(&fleet, record.noted(note)?).await?;
        Ok(self.done())
    }

    /// Writes a record down and then lets the machine follow it.
    async fn write(&self, fleet: &Fleet, record: FleetRecord) -> Result<()> {
        if fleet.state().record != record {
            self.machine.write_fleet(&record).await?;
            fleet.adopt(record);
        }
        Ok(())
    }

    fn output(&self, name: &FleetName, member: &MemberId) -> Result<String> {
        let fleet = self.fleets.find(name)?;
        let member = fleet.and_then(|fleet| fleet.state().members.get(member).cloned());
        Ok(member
            .map(|member| member.output.tail())
            .unwrap_or_default())
    }

    fn log(&self, id: &MemberId) -> Result<String> {
        let member = self
            .fleets
            .all()
            .iter()
            .find_map(|fleet| fleet.state().members.get(id).cloned());
        member.map(|member| member.output.text()).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "read its output",
                format!("member {id}"),
                "there is no such member; see host status",
            )
        })
    }

    fn supply(&self, values: &Values) {
        let mut found = Vec::new();
        self.for_each_unresolved(|key, name| {
            if let Some(value) = values.0.get(name) {
                found.push((key.clone(), name.to_owned(), value.clone()));
            }
        });
        let mut known = self.machine.values();
        for (key, name, value) in found {
            known.entry(key).or_default().0.insert(name, value);
        }
        drop(known);
        self.fleets.all().iter().for_each(|fleet| fleet.retry());
    }

    fn for_each_unresolved(&self, mut each: impl FnMut(&(FleetName, GenerationNumber), &str)) {
        // Names first, values second: whoever launches a member holds a fleet and asks for values.
        let mut needed = Vec::new();
        for fleet in self.fleets.all() {
            for (number, generation) in &fleet.state().record.generations {
                let key = (fleet.name.clone(), *number);
                needed.extend(
                    secret::variables(&generation.launch)
                        .map(|name| (key.clone(), name.to_owned())),
                );
            }
        }
        let known = self.machine.values();
        for (key, name) in needed {
            if known
                .get(&key)
                .is_none_or(|values| !values.0.contains_key(&name))
            {
                each(&key, &name);
            }
        }
    }

    /// Two fleets on one listener: the other one is named, which the machine could not do.
    fn check_listener(&self, fleet: &Fleet, settings: &Settings) -> Result<()> {
        let Some(front) = &settings.front else {
            return Ok(());
        };
        let listens = |other: &&Arc<Fleet>| {
            let state = other.state();
            let theirs = state
                .record
                .settings
                .as_ref()
                .and_then(|settings| settings.front.as_ref());
            other.name != fleet.name
                && theirs.is_some_and(|theirs| theirs.listener == front.listener)
        };
        match self.fleets.all().iter().find(listens) {
            None => Ok(()),
            Some(other) => {
                let words = format!(
                    "fleet {} listens there; each fleet needs a listener of its own",
                    other.name
                );
                Err(Error::new(
                    ErrorKind::Invalid,
                    format!("listen on {}", front.listener),
                    format!("fleet {}", fleet.name),
                    words,
                ))
            }
        }
    }

    fn done(&self) -> Reply {
        Reply::Done { leaving: false }
    }

    /// Something was removed; with the last fleet the host's reason is gone.
    fn left(&self) -> Reply {
        let leaving = self.fleets.is_empty();
        self.is_leaving.store(leaving, Ordering::Relaxed);
        Reply::Done { leaving }
    }
}

/// Returns a fleet's record without the lease of a process that has ended: it comes back no more, and
/// nobody needs to wait until its time is over.
fn vacated(fleet: &Fleet) -> FleetRecord {
    let record = fleet.state().record.clone();
    let lease = record
        .lease
        .as_ref()
        .filter(|lease| lease.claimant.as_ref().is_some_and(Claimant::is_gone));
    lease
        .map(|lease| record.released(lease.fence))
        .unwrap_or(record)
}

fn now() -> Timestamp {
    SystemTime::now().into()
}

/// A removal that is repeated succeeds; nothing else can be done to what is not there.
pub(in crate::cloud::local) fn already_gone(name: &FleetName, action: &Action) -> Result<()> {
    match action {
        Action::DestroyFleet | Action::DestroyGeneration { .. } => Ok(()),
        _ => Err(Error::new(
            ErrorKind::Conflict,
            operation(action),
            format!("fleet {name}"),
            "nobody holds a lease on this fleet; it has been destroyed or never was",
        )),
    }
}
