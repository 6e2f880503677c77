//! Which member gets the next request.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::Notify;

use super::backend::{Backend, Drain, InFlight};
use super::schedule::Schedule;
use super::traffic::{GenerationTraffic, Tally, Traffic};

/// A generation and its share of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The generation's number.
    pub generation: u32,
    /// Its share relative to the other weights; 0 gets nothing, whatever happens to the others.
    pub weight: u16,
    /// Its members.
    pub targets: Vec<Target>,
}

/// A member that requests may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The member's id.
    pub member: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it may get traffic now: its health is the host's judgement.
    pub eligible: bool,
    /// Whether it finishes what it has and gets nothing new.
    pub draining: bool,
}

/// The routes in force and every backend that still matters.
#[derive(Debug, Default)]
pub(super) struct Routes {
    table: RwLock<Arc<Table>>,
    known: Mutex<Known>,
    unroutable: AtomicU64,
    cuts: Arc<Notify>,
}

/// What outlives a change of routes. Held only while routes change or are reported on.
#[derive(Debug, Default)]
struct Known {
    backends: Vec<Arc<Backend>>,
    tallies: BTreeMap<u32, Arc<Tally>>,
}

#[derive(Debug, Default)]
struct Table {
    generations: Vec<Generation>,
    schedule: Schedule,
}

#[derive(Debug)]
struct Generation {
    weight: u16,
    eligible: Vec<Arc<Backend>>,
    tally: Arc<Tally>,
}

impl Routes {
    pub(super) fn replace(&self, routes: &[Route]) {
        let mut known = self.known();
        let table = Arc::new(known.adopt(routes, &self.table(), &self.cuts));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        known.retire(routes);
    }

    /// The member for the next request, none of `tried`.
    pub(super) fn pick(&self, tried: &[Arc<Backend>]) -> Option<InFlight> {
        self.table().pick(tried)
    }

    /// Tells whenever some member's connections are cut.
    pub(super) fn cuts(&self) -> &Notify {
        &self.cuts
    }

    pub(super) fn count_unroutable(&self) {
        self.unroutable.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn drain(&self, member: &str) -> Drain {
        let known = self.known();
        let backends: Vec<_> = known
            .backends
            .iter()
            .filter(|backend| backend.member == member)
            .cloned()
            .collect();
        backends
            .iter()
            .for_each(|backend| backend.set_draining(true));
        Drain(backends)
    }

    pub(super) fn traffic(&self) -> Traffic {
        let known = self.known();
        let generations = known.tallies.iter().map(|(generation, tally)| {
            let in_flight = known.in_flight(*generation);
            (*generation, tally.read(in_flight))
        });
        Traffic {
            generations: generations.collect::<BTreeMap<u32, GenerationTraffic>>(),
            unroutable: self.unroutable.load(Ordering::Relaxed),
        }
    }

    pub(super) fn close_idle_connections(&self) {
        for backend in &self.known().backends {
            backend.pool.close_expired();
        }
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // The data are whole after every statement, so a panic elsewhere leaves nothing broken.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn adopt(&mut self, routes: &[Route], earlier: &Table, cuts: &Arc<Notify>) -> Table {
        let weights: Vec<u16> = routes.iter().map(|route| route.weight).collect();
        let generations = routes
            .iter()
            .map(|route| self.generation(route, cuts))
            .collect();
        Table {
            generations,
            schedule: Schedule::after(&earlier.schedule, &weights),
        }
    }

    fn generation(&mut self, route: &Route, cuts: &Arc<Notify>) -> Generation {
        let tally = Arc::clone(self.tallies.entry(route.generation).or_default());
        let mut eligible = Vec::new();
        for target in &route.targets {
            let backend = self.backend(route.generation, target, (&tally, cuts));
            backend.set_draining(target.draining);
            if target.eligible && !target.draining {
                eligible.push(backend);
            }
        }
        Generation {
            weight: route.weight,
            eligible,
            tally,
        }
    }

    fn backend(
        &mut self,
        generation: u32,
        target: &Target,
        (tally, cuts): (&Arc<Tally>, &Arc<Notify>),
    ) -> Arc<Backend> {
        let same = self.backends.iter().find(|backend| {
            backend.member == target.member
                && backend.address == target.address
                && backend.generation == generation
        });
        if let Some(backend) = same {
            return Arc::clone(backend);
        }
        let backend = Arc::new(Backend::new(
            &target.member,
            target.address,
            generation,
            (Arc::clone(tally), Arc::clone(cuts)),
        ));
        self.backends.push(Arc::clone(&backend));
        backend
    }

    /// Shuts what the routes no longer name, and forgets what of it has nothing in flight.
    fn retire(&mut self, routes: &[Route]) {
        self.backends.retain(|backend| {
            if names(routes, backend) {
                return true;
            }
            backend.set_draining(true);
            backend.in_flight() > 0
        });
        let backends = &self.backends;
        self.tallies.retain(|generation, _| {
            routes.iter().any(|route| route.generation == *generation)
                || backends
                    .iter()
                    .any(|backend| backend.generation == *generation)
        });
    }

    fn in_flight(&self, generation: u32) -> usize {
        let members = self
            .backends
            .iter()
            .filter(|backend| backend.generation == generation);
        members.map(|backend| backend.in_flight()).sum()
    }
}

fn names(routes: &[Route], backend: &Backend) -> bool {
    let generation = routes
        .iter()
        .filter(|route| route.generation == backend.generation);
    generation
        .flat_map(|route| &route.targets)
        .any(|target| target.member == backend.member && target.address == backend.address)
}

impl Table {
    /// The generation whose turn it is; when it has nobody left, the others that have weight, the
    /// heaviest first.
    fn pick(&self, tried: &[Arc<Backend>]) -> Option<InFlight> {
        let turn = self.schedule.next()?;
        self.generations
            .get(turn)?
            .pick(tried)
            .or_else(|| self.pick_instead_of(turn, tried))
    }

    fn pick_instead_of(&self, turn: usize, tried: &[Arc<Backend>]) -> Option<InFlight> {
        let others = self
            .generations
            .iter()
            .enumerate()
            .filter(|(index, other)| *index != turn && other.weight > 0);
        let mut others: Vec<&Generation> = others.map(|(_, other)| other).collect();
        others.sort_by_key(|other| std::cmp::Reverse(other.weight));
        others.into_iter().find_map(|other| other.pick(tried))
    }
}

impl Generation {
    /// The member with the fewest requests in flight; among equals they take turns.
    fn pick(&self, tried: &[Arc<Backend>]) -> Option<InFlight> {
        // A member that starts to drain between the look and the entry is passed over; each pass
        // loses one, so the passes are bounded by the members.
        self.eligible
            .iter()
            .find_map(|_| self.least_busy(tried)?.admit())
    }

    fn least_busy(&self, tried: &[Arc<Backend>]) -> Option<&Arc<Backend>> {
        let start = self.tally.next_pick() % self.eligible.len().max(1);
        let (before, from) = self.eligible.split_at_checked(start)?;
        let open = from
            .iter()
            .chain(before)
            .filter(|backend| !backend.is_draining() && !is_in(tried, backend));
        open.min_by_key(|backend| backend.in_flight())
    }
}

fn is_in(tried: &[Arc<Backend>], backend: &Arc<Backend>) -> bool {
    tried.iter().any(|other| Arc::ptr_eq(other, backend))
}
