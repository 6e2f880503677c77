//! What this process remembers of what it saw: nothing that a decision could not do without.

use super::activity::Told;
use super::policy::Policy;
use super::recent::Recent;
use super::streaks::{Found, Streaks};
use crate::model::{FleetName, MemberId, Timestamp};
use crate::rollout::{AlarmState, Request};
use aws_sdk_autoscaling::types::LifecycleHook;
use aws_sdk_elasticloadbalancingv2::types::Rule;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What an instance is does not change; who may reach it may be changed by hand, and shows within
/// this.
pub(super) const FACTS_LAST: Duration = Duration::from_secs(60);

/// Where clients connect is asked right after a look at their fleet, and need not be read again.
pub(super) const ENDPOINT_LASTS: Duration = Duration::from_secs(10);

/// A person's request is obeyed within this; an apply that polls every second does not ask for it at
/// every look.
pub(super) const REQUEST_LASTS: Duration = Duration::from_secs(15);

/// A rule that shows what was written is not read again sooner while a run waits: whoever changes it
/// by hand is seen within this, and in any case before something is done.
pub(super) const RULE_LASTS: Duration = Duration::from_secs(15);

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) streaks: Streaks,
    pub(super) endpoints: Recent<FleetName, Option<String>>,
    pub(super) requests: Recent<FleetName, Option<Request>>,
    /// By ARN.
    pub(super) rules: Recent<String, Option<Rule>>,
    /// By the names that were asked for together.
    pub(super) alarms: Recent<Vec<String>, BTreeMap<String, AlarmState>>,
    /// By instance id; absent: EC2 knows none of that id.
    pub(super) facts: Recent<String, Option<Facts>>,
    /// What the members' checks told, by group; absent: their target group is gone.
    pub(super) checks: Recent<String, Option<BTreeMap<String, Found>>>,
    /// By group; absent: none that works.
    pub(super) policies: Recent<String, Option<Policy>>,
    /// By group.
    pub(super) hooks: Recent<String, Vec<LifecycleHook>>,
    /// What a group's activities told.
    pub(super) told: Recent<String, Told>,
    /// The members of each group that were seen last.
    seen: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

/// What EC2 tells of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) launched_at: Timestamp,
    pub(super) image_id: String,
    /// Sorted.
    pub(super) security_group_ids: Vec<String>,
    /// Whether it is being started or runs.
    pub(super) is_alive: bool,
}

impl Memory {
    /// Forgets what was told of a fleet that is gone: another one of its name is asked anew.
    pub(super) fn forget(&self, fleet: &FleetName) {
        self.endpoints.forget(fleet);
        self.requests.forget(fleet);
    }

    /// Whether members of a group are gone since they were last taken note of.
    pub(super) fn has_lost(&self, group: &str, ids: &BTreeSet<String>) -> bool {
        let seen = self.lock();
        seen.get(group).is_some_and(|seen| !seen.is_subset(ids))
    }

    /// Takes note of a group's members.
    pub(super) fn note(&self, group: &str, ids: BTreeSet<String>) {
        self.lock().insert(group.to_owned(), ids);
    }

    /// A poisoned lock is a panic elsewhere; what it guards is only ever a copy.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names what a launch that came to nothing is shown as.
pub(super) fn launch(activity: &str) -> MemberId {
    MemberId(format!("launch-{activity}"))
}
