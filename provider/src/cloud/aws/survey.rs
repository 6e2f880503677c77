//! Reading ahead: what a plan over many fleets will ask for, asked for at once.
//!
//! Terraform reads fleets a few at a time, and joining those few still costs calls that grow with
//! fleets. So when more fleets have been glanced at than one question holds, everything of all fleets
//! is read by tag, in pages, and who glances next finds it there. What is found is at most some
//! seconds old; nothing is decided from it, and whoever changes anything forgets it.

use super::call::Calls;
use super::failure::{Failure, Result};
use super::journal::{self, FLEETS};
use super::policy;
use super::reads::Reads;
use super::record::FleetRecord;
use super::requests;
use super::written;
use crate::model::FleetName;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many fleets are read by name; their records fit in one question.
const BY_NAME: usize = 10;
/// How long what was read ahead is good for: a plan over hundreds of fleets is done by then.
const LASTS: Duration = Duration::from_secs(30);
/// Pages of parameters that are read ahead, and what a page holds. A fleet has two and sometimes a
/// third; where an account has more fleets than that, the others are read by name.
const RECORD_PAGES: usize = 30;
const ON_A_PAGE: usize = 10;
/// As many rules are told by one question that names them.
const RULES_BY_NAME: usize = 20;

type Taken = Shared<BoxFuture<'static, Result<()>>>;

/// What is read ahead, and for whom.
#[derive(Debug, Clone)]
pub(super) struct Surveys {
    calls: Calls,
    /// Reads that know what was read ahead.
    reads: Reads,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    glanced: BTreeSet<FleetName>,
    taken: Option<(Instant, Taken)>,
}

impl Surveys {
    pub(super) fn new(calls: &Calls) -> Self {
        Self {
            calls: calls.clone(),
            reads: Reads::new(calls),
            state: Arc::default(),
        }
    }

    /// The reads for a glance at a fleet, after everything was read ahead where that is worth it.
    ///
    /// # Errors
    /// Never: a survey that fails leaves everything to be read by name.
    pub(super) async fn reads_for(&self, fleet: &FleetName) -> &Reads {
        if let Some(taken) = self.due(fleet)
            && let Err(failure) = taken.await
        {
            tracing::debug!(%failure, "could not read ahead");
        }
        &self.reads
    }

    /// Forgets what was read ahead: something changes.
    pub(super) fn forget(&self) {
        *self.lock() = State::default();
        self.reads.forget();
    }

    /// The survey that a glance waits for; absent: so few fleets were glanced at that none is due.
    fn due(&self, fleet: &FleetName) -> Option<Taken> {
        let mut state = self.lock();
        state.glanced.insert(fleet.clone());
        if let Some((at, taken)) = &state.taken {
            if at.elapsed() < LASTS {
                return Some(taken.clone());
            }
            self.reads.forget();
            *state = State::default();
            state.glanced.insert(fleet.clone());
        }
        if state.glanced.len() <= BY_NAME {
            return None;
        }
        let this = self.clone();
        let taken = async move { this.take().await }.boxed().shared();
        state.taken = Some((Instant::now(), taken.clone()));
        Some(taken)
    }

    async fn take(&self) -> Result<()> {
        let path = FLEETS.trim_end_matches('/');
        let (records, groups, instances) = futures_util::join!(
            self.calls.parameters_within(path, RECORD_PAGES),
            self.calls.groups_tagged(super::names::FLEET),
            self.calls.instances_tagged(super::names::FLEET),
        );
        let records = records?;
        let known = records.iter().filter_map(|parameter| {
            let fleet = journal::fleet_of(&parameter.name)?;
            Some((fleet, written::parsed(parameter).ok()?))
        });
        let fleets: Vec<_> = known.collect();
        self.read_rules(&fleets).await?;
        self.read_policies(&fleets).await?;
        let is_all = records.len() < RECORD_PAGES * ON_A_PAGE;
        self.reads.keep(records, groups?, instances?);
        if is_all {
            let requests = fleets.iter().map(|(fleet, _)| requests::name_of(fleet));
            self.reads.parameters.keep_missing(requests);
        }
        Ok(())
    }

    /// Rules are told by listener or by name, whichever takes fewer questions.
    async fn read_rules(&self, fleets: &[(FleetName, FleetRecord)]) -> Result<()> {
        let fronts: Vec<_> = fleets
            .iter()
            .filter_map(|(_, record)| record.front.clone())
            .collect();
        let listeners: BTreeSet<String> =
            fronts.iter().map(|front| front.listener.clone()).collect();
        let arns: Vec<String> = fronts.into_iter().filter_map(|front| front.rule).collect();
        if listeners.len() > arns.len().div_ceil(RULES_BY_NAME) {
            return self.reads.rules.read_ahead(&arns).await;
        }
        for listener in &listeners {
            match self.calls.rules_of(listener).await {
                Ok(rules) => self.reads.keep_rules(rules),
                // A listener that is gone has no rules; its fleets' are asked for by name.
                Err(failure) if is_gone(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// The policies of all fleets that size themselves are told in pages too.
    async fn read_policies(&self, fleets: &[(FleetName, FleetRecord)]) -> Result<()> {
        let groups = fleets
            .iter()
            .filter_map(|(fleet, record)| policy::group_of(fleet, record));
        let groups: Vec<String> = groups.collect();
        if groups.is_empty() {
            return Ok(());
        }
        self.reads.policies.read_ahead(&groups).await
    }

    /// A poisoned lock is a panic elsewhere; what it guards is only ever a copy.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_gone(failure: &Failure) -> bool {
    failure.kind == crate::cloud::ErrorKind::NotFound
}
