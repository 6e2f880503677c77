//! The machine behind the trait of all clouds.

use super::fleet::Fleet;
use super::library::{Library, check_reach, facts};
use super::{Refusal, SimClock};
use crate::cloud::{
    Cloud, Error, ErrorKind, Fence, Finding, Holder, ImageFacts, Lease, NewRelease, Polled, Probe,
    Reach, Result, Trial, Wish,
};
use crate::model::{
    FleetName, GenerationNumber, ImageSource, LaunchTemplate, Line, LineName, MemberId, Release,
    ReleaseId, ReleaseRef, Sbom,
};
use crate::rollout::{Action, Intent, Request, World};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A cloud in memory.
#[derive(Debug)]
pub struct Sim {
    clock: Arc<SimClock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fleets: BTreeMap<FleetName, Fleet>,
    leases: BTreeMap<FleetName, (Holder, Lease)>,
    library: Library,
    fences: u64,
    calls: u64,
    boots: Duration,
    findings: Vec<Finding>,
    wishes: Vec<Wish>,
    /// What the last look at each fleet told.
    looks: BTreeMap<FleetName, World>,
}

impl Sim {
    /// Makes a cloud whose members boot in `boots`.
    #[must_use]
    pub fn new(clock: Arc<SimClock>, boots: Duration) -> Self {
        let state = State {
            boots,
            ..State::default()
        };
        Self {
            clock,
            state: Mutex::new(state),
        }
    }

    /// Reaches into a fleet, to look at what is true or to make something happen.
    pub fn with_fleet<T>(&self, name: &FleetName, reach: impl FnOnce(&mut Fleet) -> T) -> T {
        let mut state = self.state();
        let now = self.clock.now();
        let boots = state.boots;
        let fleet = state
            .fleets
            .entry(name.clone())
            .or_insert_with(|| Fleet::new(1, boots));
        fleet.pass(now);
        reach(fleet)
    }

    /// Says what trials of a release shall find.
    pub fn set_trial(&self, release: &ReleaseId, trial: Trial) {
        self.state().library.trials.insert(release.clone(), trial);
    }

    /// Takes a release's image away from a place, as somebody does by hand.
    pub fn lose_image(&self, release: &ReleaseId, place: &str) {
        let mut state = self.state();
        let lost = state.library.lost.entry(release.clone()).or_default();
        lost.insert(place.to_owned());
    }

    /// Lets the look at a line fail that follows its next move.
    pub fn hide_next_move(&self) {
        self.state().library.hides_next_move = true;
    }

    /// Says what every look ahead shall find from now on.
    pub fn set_findings(&self, findings: Vec<Finding>) {
        self.state().findings = findings;
    }

    /// Returns the wishes that were looked into so far, and forgets them.
    pub fn take_wishes(&self) -> Vec<Wish> {
        std::mem::take(&mut self.state().wishes)
    }

    /// The calls made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// A poisoned lock is a test that failed elsewhere; what it guards is still whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.calls += 1;
        state
    }
}

fn error(refusal: Refusal, operation: &str, subject: &FleetName) -> Error {
    Error::new(
        refusal.kind,
        operation,
        format!("fleet {subject}"),
        refusal.why,
    )
}

fn library_error((kind, why): (ErrorKind, String), operation: &str) -> Error {
    Error::new(kind, operation, "releases", why)
}

/// A world of which nothing but the newest generation is looked at anew.
fn in_part(world: World, before: World) -> World {
    let newest = world.generations.keys().copied().max();
    let mut generations = world.generations;
    for (number, earlier) in before.generations {
        if let Some(now) = generations.get_mut(&number)
            && Some(number) != newest
        {
            now.members = earlier.members;
        }
    }
    World {
        generations,
        traffic: before.traffic,
        alarms: before.alarms,
        request: before.request,
        ..world
    }
}

#[async_trait]
impl Cloud for Sim {
    async fn observe(&self, fleet: &FleetName, alarms: &[String]) -> Result<World> {
        drop(self.call());
        let world = self.with_fleet(fleet, |fleet_| {
            if fleet_.dice.happens(fleet_.faults.unreadable) {
                let refusal = Refusal {
                    kind: ErrorKind::Unavailable,
                    why: "no answer".to_owned(),
                };
                return Err(error(refusal, "observe", fleet));
            }
            let mut world = fleet_.look();
            world.alarms.retain(|alarm, _| alarms.contains(alarm));
            Ok(world)
        })?;
        self.state().looks.insert(fleet.clone(), world.clone());
        Ok(world)
    }

    async fn poll(&self, fleet: &FleetName, alarms: &[String]) -> Result<Polled> {
        let before = self.state().looks.get(fleet).cloned();
        let world = self.observe(fleet, alarms).await?;
        let is_in_part = self.with_fleet(fleet, |fleet| fleet.dice.happens(fleet.faults.in_part));
        Ok(match before.filter(|_| is_in_part) {
            Some(before) => Polled {
                world: in_part(world, before),
                is_whole: false,
            },
            None => Polled {
                world,
                is_whole: true,
            },
        })
    }

    async fn fleets(&self) -> Result<Vec<FleetName>> {
        let state = self.call();
        let existing = state
            .fleets
            .iter()
            .filter(|(_, fleet)| fleet.settings.is_some());
        Ok(existing.map(|(name, _)| name.clone()).collect())
    }

    async fn preflight(&self, wish: &Wish) -> Vec<Finding> {
        let mut state = self.call();
        state.wishes.push(wish.clone());
        state.findings.clone()
    }

    async fn act(&self, fleet: &FleetName, fence: Fence, action: &Action) -> Result<()> {
        let state = self.call();
        let stale = state
            .leases
            .get(fleet)
            .is_none_or(|(_, lease)| lease.fence != fence);
        let unknown = if let Action::CreateGeneration { launch, .. } = action
            && let ReleaseRef::Release(id) = &launch.release
        {
            state.library.release(id).is_none()
        } else {
            false
        };
        drop(state);
        let operation = "act";
        let refused = |kind, why: &str| {
            let why = why.to_owned();
            Err(error(Refusal { kind, why }, operation, fleet))
        };
        if stale {
            return refused(ErrorKind::Conflict, "the lease is another one's");
        }
        if unknown {
            return refused(ErrorKind::NotFound, "there is no such release");
        }
        self.with_fleet(fleet, |machine| machine.attempt(action))
            .map_err(|refusal| error(refusal, operation, fleet))
    }

    async fn take_lease(
        &self,
        fleet: &FleetName,
        holder: &Holder,
        duration: Duration,
    ) -> Result<Lease> {
        let now = self.clock.now();
        let mut state = self.call();
        let until = now + duration;
        let fence = match state.leases.get(fleet) {
            Some((other, lease)) if other != holder && lease.until > now => {
                let why = format!("{} holds it until {}", other.0, lease.until);
                let kind = ErrorKind::Conflict;
                return Err(error(Refusal { kind, why }, "take the lease", fleet));
            }
            Some((same, lease)) if same == holder => lease.fence,
            Some(_) | None => {
                state.fences += 1;
                Fence(state.fences)
            }
        };
        let lease = Lease { fence, until };
        state
            .leases
            .insert(fleet.clone(), (holder.clone(), lease.clone()));
        Ok(lease)
    }

    async fn release_lease(&self, fleet: &FleetName, fence: Fence) -> Result<()> {
        let mut state = self.call();
        if state
            .leases
            .get(fleet)
            .is_some_and(|(_, lease)| lease.fence == fence)
        {
            state.leases.remove(fleet);
        }
        Ok(())
    }

    async fn leave_intent(&self, fleet: &FleetName, fence: Fence, intent: &Intent) -> Result<()> {
        let state = self.call();
        let held = state.leases.get(fleet);
        if held.is_none_or(|(_, lease)| lease.fence != fence) {
            let (kind, why) = (ErrorKind::Conflict, "the lease is another one's".to_owned());
            return Err(error(Refusal { kind, why }, "leave the intent", fleet));
        }
        drop(state);
        self.with_fleet(fleet, |fleet| fleet.intent = Some(intent.clone()));
        Ok(())
    }

    async fn intent(&self, fleet: &FleetName) -> Result<Option<Intent>> {
        drop(self.call());
        Ok(self.with_fleet(fleet, |fleet| fleet.intent.clone()))
    }

    async fn ask(&self, fleet: &FleetName, request: Option<&Request>) -> Result<()> {
        drop(self.call());
        self.with_fleet(fleet, |machine| {
            if machine.settings.is_none() {
                let (kind, why) = (ErrorKind::NotFound, "there is no such fleet".to_owned());
                return Err(error(Refusal { kind, why }, "ask", fleet));
            }
            machine.request = request.cloned();
            Ok(())
        })
    }

    async fn member_output(&self, fleet: &FleetName, member: &MemberId) -> Result<String> {
        drop(self.call());
        self.with_fleet(fleet, |fleet| {
            let members = fleet.generations.values().flat_map(|g| &g.members);
            let is_here = members.into_iter().any(|one| one.id() == *member);
            Ok(if is_here {
                format!("last words of {member}")
            } else {
                String::new()
            })
        })
    }

    async fn endpoint(&self, fleet: &FleetName) -> Result<Option<String>> {
        drop(self.call());
        self.with_fleet(fleet, |fleet| {
            let front = fleet.settings.as_ref().and_then(|s| s.front.as_ref());
            Ok(front.map(|front| format!("http://{}", front.listener)))
        })
    }

    async fn launch_template(
        &self,
        fleet: &FleetName,
        generation: GenerationNumber,
    ) -> Result<Option<LaunchTemplate>> {
        drop(self.call());
        self.with_fleet(fleet, |fleet| {
            let found = fleet.generations.get(&generation);
            Ok(found.map(|found| LaunchTemplate::clone(&found.launch)))
        })
    }

    async fn line(&self, line: &LineName) -> Result<Option<Line>> {
        let seen = self.call().library.look(line);
        seen.map_err(|why| library_error(why, "look at the line"))
    }

    async fn lines(&self) -> Result<Vec<LineName>> {
        Ok(self.call().library.lines())
    }

    async fn store_sbom(&self, release: &ReleaseId, sbom: &Sbom) -> Result<()> {
        let stored = self.call().library.store_sbom(release, sbom);
        stored.map_err(|why| library_error(why, "store its bill of materials"))
    }

    async fn sbom(&self, release: &ReleaseId) -> Result<Option<Sbom>> {
        Ok(self.call().library.sbom(release))
    }

    async fn inspect(&self, source: &ImageSource) -> Result<ImageFacts> {
        drop(self.call());
        facts(source).map_err(|why| library_error(why, "inspect the image"))
    }

    async fn import(&self, release: &NewRelease) -> Result<Release> {
        let now = self.clock.now();
        let imported = self.call().library.import(release, now);
        imported.map_err(|why| library_error(why, "import the image"))
    }

    async fn verify(
        &self,
        release: &ReleaseId,
        _probe: &Probe,
        stop: &CancellationToken,
    ) -> Result<Trial> {
        let state = self.call();
        if state.library.release(release).is_none() {
            let why = (
                ErrorKind::NotFound,
                format!("there is no release {release}"),
            );
            return Err(library_error(why, "verify the release"));
        }
        if stop.is_cancelled() {
            return Ok(Trial::Stopped);
        }
        let trial = state.library.trials.get(release).cloned();
        Ok(trial.unwrap_or(Trial::Passed))
    }

    async fn check_reach(&self, reach: &Reach) -> Result<()> {
        drop(self.call());
        check_reach(reach).map_err(|why| library_error(why, "reach the regions"))
    }

    async fn spread(&self, release: &ReleaseId, reach: &Reach) -> Result<()> {
        let spread = self.call().library.spread(release, reach);
        spread.map_err(|why| library_error(why, "spread the release"))
    }

    async fn missing(&self, release: &Release) -> Result<BTreeSet<String>> {
        let lost = self.call().library.lost.get(&release.id).cloned();
        Ok(lost.unwrap_or_default())
    }

    async fn move_line(&self, release: &ReleaseId, from: Option<&ReleaseId>) -> Result<()> {
        let set = self.call().library.move_line(release, from);
        set.map_err(|why| library_error(why, "make the release current"))
    }

    async fn remove_release(&self, release: &ReleaseId) -> Result<()> {
        let users = self.users(release).await?;
        if let Some(user) = users.first() {
            let why = (ErrorKind::Conflict, format!("fleet {user} runs {release}"));
            return Err(library_error(why, "remove the release"));
        }
        self.call().library.remove(release);
        Ok(())
    }

    async fn users(&self, release: &ReleaseId) -> Result<Vec<FleetName>> {
        let wanted = ReleaseRef::Release(release.clone());
        let state = self.call();
        let runs = |fleet: &Fleet| {
            fleet
                .generations
                .values()
                .any(|g| g.launch.release == wanted)
        };
        let users = state.fleets.iter().filter(|(_, fleet)| runs(fleet));
        Ok(users.map(|(name, _)| name.clone()).collect())
    }
}
