//! One fleet: the loop that makes its members and its front follow its record.

use super::super::fleet_record::{FleetRecord, GenerationRecord};
use super::super::front::Front;
use super::door::Door;
use super::machine::Machine;
use super::state::State;
use crate::cloud::Result;
use crate::model::{FleetName, GenerationNumber, MemberId, Settings};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The longest time without a look at a fleet. Every change wakes its loop; this is for what only
/// the clock changes: backoff that is over, failures to forget, members that stay sick.
const LOOK: Duration = Duration::from_millis(500);

/// Between two tries to listen on an address that was taken. Finding out who has it costs a look at
/// every process.
const DOOR: Duration = Duration::from_secs(2);

/// What new settings ask of a fleet's front.
pub(super) enum NextDoor {
    /// It is as it shall be.
    Stays,
    /// Another one, which is open already.
    Beside(Door),
    /// Another one at the same address, which the present one has to leave first.
    InPlace,
}

/// A fleet of this host.
pub(super) struct Fleet {
    pub(super) name: FleetName,
    machine: Arc<Machine>,
    state: Mutex<State>,
    /// Wakes the loop.
    wake: Arc<Notify>,
    /// Tells who waits that the loop has looked.
    looked: Notify,
    /// Changes go one after the other, from the check of the fence to the record on disk.
    pub(super) changing: tokio::sync::Mutex<()>,
}

impl Fleet {
    pub(super) fn new(record: FleetRecord, machine: Arc<Machine>) -> Self {
        Self {
            name: record.name.clone(),
            machine,
            state: Mutex::new(State::new(record)),
            wake: Arc::new(Notify::new()),
            looked: Notify::new(),
            changing: tokio::sync::Mutex::new(()),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Every change leaves the state whole, so a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record over that is already on disk.
    pub(super) fn adopt(&self, record: FleetRecord) {
        let mut state = self.state();
        state.record = record;
        // Whoever shifts traffic may rely on it when the call returns.
        state.route();
        drop(state);
        self.wake.notify_one();
    }

    /// Opens the front that the settings ask for beside the one that there is, where it has to be
    /// another one. Nothing has changed if what follows fails.
    ///
    /// # Errors
    /// `Invalid` when the address cannot be listened on.
    pub(super) fn open_beside(&self, settings: &Settings) -> Result<NextDoor> {
        let state = self.state();
        let earlier = state.record.settings.as_ref();
        let earlier = earlier.and_then(|settings| settings.front.as_ref());
        match (&state.door, earlier, &settings.front) {
            (Door::None, _, None) => Ok(NextDoor::Stays),
            (Door::Open(_), Some(earlier), Some(asked)) if earlier.listener == asked.listener => {
                Ok(match earlier.protocol == asked.protocol {
                    true => NextDoor::Stays,
                    false => NextDoor::InPlace,
                })
            }
            (Door::None | Door::Open(_) | Door::Shut(_), _, _) => {
                self.bind(settings).map(NextDoor::Beside)
            }
        }
    }

    fn bind(&self, settings: &Settings) -> Result<Door> {
        Door::bind(&self.name, settings, &self.machine.places)
    }

    /// Puts another front in place of the one that there is, whose connections end in peace: they
    /// count until then, so that no member goes that still answers one of them.
    pub(super) fn replace_door(&self, door: Door) {
        let mut state = self.state();
        let grace = state.drain();
        if let Door::Open(earlier) = std::mem::replace(&mut state.door, door) {
            state.closing.push(earlier.begin_closing(grace));
        }
        // A new front knows no routes yet.
        state.routes.clear();
        state.route();
        drop(state);
        self.wake.notify_one();
    }

    /// Opens the front that the record asks for, or remembers why that fails. Returns whether it is
    /// as it shall be.
    pub(super) fn reopen_door(&self) -> bool {
        let Some(settings) = self.state().record.settings.clone() else {
            return true;
        };
        let door = self
            .bind(&settings)
            .unwrap_or_else(|error| Door::Shut(error.source.to_string()));
        let is_open = !matches!(door, Door::Shut(_));
        self.replace_door(door);
        is_open
    }

    /// Tries a front again that could not listen: a stranger had its address and may be gone.
    fn retry_door(&self) {
        let Ok(_one) = self.changing.try_lock() else {
            return;
        };
        let is_wanted = {
            let state = self.state();
            matches!(state.door, Door::Shut(_)) && !state.is_ending
        };
        if is_wanted {
            self.reopen_door();
        }
    }

    /// Shuts the front for good.
    pub(super) fn take_door(&self) -> Option<Front> {
        match std::mem::replace(&mut self.state().door, Door::None) {
            Door::Open(front) => Some(front),
            Door::None | Door::Shut(_) => None,
        }
    }

    /// Keeps the fleet as its record says, until the host ends.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut door_tried = Instant::now();
        loop {
            if door_tried.elapsed() >= DOOR {
                self.retry_door();
                door_tried = Instant::now();
            }
            // Members that are gone leave files behind, which are removed.
            for number in tokio::task::block_in_place(|| self.converge()) {
                // A record that cannot be written now is written at the next look.
                if let Err(error) = self.finish_removal(number).await {
                    self.state().unfinished.insert(number, error.into());
                }
            }
            self.looked.notify_waiters();
            let _ = tokio::time::timeout(LOOK, self.wake.notified()).await;
        }
    }

    /// Waits until a generation is gone.
    ///
    /// # Errors
    /// Nothing of it is left, but its record cannot be written.
    pub(super) async fn gone(&self, number: GenerationNumber) -> Result<()> {
        // What went wrong earlier may be right by now.
        self.state().unfinished.remove(&number);
        loop {
            let mut looked = std::pin::pin!(self.looked.notified());
            looked.as_mut().enable();
            if !self.state().record.generations.contains_key(&number) {
                return Ok(());
            }
            if let Some(failure) = self.state().unfinished.remove(&number) {
                return Err(failure.into());
            }
            looked.await;
        }
    }

    /// Ends all members at once, with the time that the fleet gives to requests in flight. The
    /// record stays as it is: the next host starts from it.
    pub(super) async fn end(&self) {
        self.state().is_ending = true;
        self.wake.notify_one();
        loop {
            let mut looked = std::pin::pin!(self.looked.notified());
            looked.as_mut().enable();
            if self.state().is_empty() {
                return;
            }
            looked.await;
        }
    }

    /// Goes on as before, because the end could not be completed.
    pub(super) fn go_on(&self) {
        let mut state = self.state();
        state.is_ending = false;
        let is_open = matches!(state.door, Door::Open(_));
        drop(state);
        if !is_open {
            self.reopen_door();
        }
    }

    /// Forgets every member that has ended, with what it left on disk.
    pub(super) fn forget_all(&self) {
        self.state()
            .members
            .values()
            .for_each(|member| member.forget());
    }

    /// Takes a member out of the traffic and out of its generation.
    pub(super) fn park(&self, member: &MemberId) {
        self.state().park(member);
        self.wake.notify_one();
    }

    /// Lets a parked member go.
    pub(super) fn unpark(&self, member: &MemberId) {
        self.state().unpark(member);
        self.wake.notify_one();
    }

    /// Looks at the fleet now; waiting for something is over.
    pub(super) fn retry(&self) {
        self.state().backoffs.clear();
        self.wake.notify_one();
    }

    async fn finish_removal(&self, number: GenerationNumber) -> Result<()> {
        let _one = self.changing.lock().await;
        let record = self.state().record.without(number);
        self.machine.write_fleet(&record).await?;
        let mut state = self.state();
        state.record = record;
        state.backoffs.remove(&number);
        state.unfinished.remove(&number);
        self.machine.forget_values(&self.name, number);
        Ok(())
    }

    /// Makes one round: what is too few is launched, what is too much leaves, what is gone is
    /// forgotten, and the front learns of it. Returns the generations whose removal is complete.
    fn converge(self: &Arc<Self>) -> Vec<GenerationNumber> {
        let now = Instant::now();
        let mut state = self.state();
        state.forget(now);
        if state.is_ending {
            state.end();
            return Vec::new();
        }
        state.replace_sick(now);
        let numbers: Vec<GenerationNumber> = state.record.generations.keys().copied().collect();
        let removed = numbers
            .into_iter()
            .filter(|number| self.converge_generation(&mut state, *number))
            .collect();
        state.check_members();
        state.route();
        removed
    }

    /// Returns whether the generation is to be removed and has nothing left.
    fn converge_generation(self: &Arc<Self>, state: &mut State, number: GenerationNumber) -> bool {
        let Some(generation) = state.record.generations.get(&number).cloned() else {
            return false;
        };
        if let Some(removal) = &generation.removal {
            return state.remove(number, removal.park.as_ref());
        }
        let live = state.live(number);
        let wanted = generation.wanted as usize;
        if live.len() > wanted {
            let excess = live.len() - wanted;
            state.leave_first(live, excess);
        } else if live.len() < wanted && generation.draining_since.is_none() {
            let missing = wanted - live.len();
            self.launch(state, number, &generation, missing);
        }
        false
    }

    fn launch(
        self: &Arc<Self>,
        state: &mut State,
        number: GenerationNumber,
        generation: &GenerationRecord,
        missing: usize,
    ) {
        let failures = state.failed_at(number);
        let backoff = state.backoffs.entry(number).or_default();
        if !backoff.allows(&failures)
            || self
                .machine
                .waits_for_values(&self.name, number, generation)
        {
            return;
        }
        for _ in 0..missing {
            let member = self
                .machine
                .launch(&self.name, number, generation, &self.wake);
            state.members.insert(member.id.clone(), member);
        }
    }
}
