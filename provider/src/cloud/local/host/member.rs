//! One member's life, from its launch until nothing of it is left.

use super::super::front;
use super::super::health::{Check, Health, Watch};
use super::super::init::Spec;
use super::output::Output;
use super::port::Port;
use super::process::Process;
use super::spawner::Spawner;
use crate::model::{GenerationNumber, MemberId, Timestamp};
use crate::rollout::MemberState;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, watch};

/// Failed checks in a row that a proven member is forgiven before it loses its streak and its
/// traffic: one check that comes too late on a busy machine says little, and load balancers take two
/// failures for an illness as well.
const FORGIVEN: u32 = 1;

/// Failed checks in a row after which a member that was well is replaced, at the earliest.
const SICK_CHECKS: u32 = 10;

/// How long a member that was well must have failed its checks before it is replaced.
const SICK_TIME: Duration = Duration::from_secs(30);

/// What clients of a member that is gone get to notice it. One that does not is cut.
const NOTICED: Duration = Duration::from_secs(1);

/// How long a member that was never well is left alone.
const LAUNCH_TIME: Duration = Duration::from_secs(600);

/// A member.
pub(super) struct Member {
    pub(super) id: MemberId,
    /// Absent: a throw-away member of no fleet.
    pub(super) generation: Option<GenerationNumber>,
    pub(super) launched_at: Timestamp,
    /// The same moment on a clock that nobody sets.
    pub(super) began: Instant,
    pub(super) output: Arc<Output>,
    address: Option<SocketAddr>,
    directory: PathBuf,
    condition: Mutex<Condition>,
    orders: watch::Sender<Order>,
    changed: Arc<Notify>,
}

/// How a member is.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) stage: Stage,
    /// Checks passed in a row.
    pub(super) streak: u32,
    /// Since when it has passed every check.
    pub(super) healthy_since: Option<Timestamp>,
    /// Checks failed in a row, and since when.
    pub(super) failures: u32,
    pub(super) failing_since: Option<Instant>,
    /// Whether it had its streak once.
    pub(super) is_proven: bool,
    /// Whether it has its streak: from its last check until more fail than it is forgiven.
    pub(super) has_streak: bool,
    pub(super) last_error: Option<String>,
    pub(super) drift: Option<String>,
    /// The process id of its program.
    pub(super) program: Option<u32>,
}

/// Where a member is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Launching,
    Running,
    Leaving,
    /// It ended by itself, at that time.
    Failed(Instant),
    Parked,
    /// Nothing of it is left.
    Gone,
}

/// What a member shall do.
#[derive(Clone)]
pub(super) enum Order {
    /// Serve, and be checked like this.
    Serve(Option<Checked>),
    /// Finish what it serves, then end.
    Leave {
        serving: Option<front::Drain>,
        limit: Duration,
    },
    /// End because it does not get well.
    Replace { why: String },
}

/// How a member is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) check: Check,
    /// Successes in a row before it counts.
    pub(super) streak: u32,
}

/// What is needed to bring a member up.
pub(super) struct Launch {
    pub(super) spawner: Spawner,
    pub(super) spec: io::Result<Spec>,
    pub(super) marker: String,
    pub(super) port: Option<Port>,
}

impl Member {
    pub(super) fn new(
        id: MemberId,
        generation: Option<GenerationNumber>,
        directory: PathBuf,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            id,
            generation,
            launched_at: Timestamp::from(SystemTime::now()),
            began: Instant::now(),
            output: Arc::new(Output::new(directory.join("output.log"))),
            address: None,
            directory,
            condition: Mutex::new(Condition::new()),
            orders: watch::Sender::new(Order::Serve(None)),
            changed,
        }
    }

    /// The same member, listening at an address.
    pub(super) fn at(self, address: Option<SocketAddr>) -> Self {
        Self { address, ..self }
    }

    /// A member that runs and has passed its checks, without a process.
    #[cfg(test)]
    pub(super) fn well(id: &str, generation: GenerationNumber, address: SocketAddr) -> Arc<Self> {
        let id = MemberId(id.to_owned());
        let member = Self::new(id, Some(generation), PathBuf::new(), Arc::default());
        {
            let mut condition = member.locked();
            condition.stage = Stage::Running;
            condition.streak = 3;
            condition.is_proven = true;
            condition.has_streak = true;
        }
        Arc::new(member.at(Some(address)))
    }

    /// Makes it fail its checks since a moment.
    #[cfg(test)]
    pub(super) fn fail_checks(&self, since: Instant) {
        let mut condition = self.locked();
        condition.streak = 0;
        condition.has_streak = false;
        condition.failures = SICK_CHECKS;
        condition.failing_since = Some(since);
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    pub(super) fn condition(&self) -> Condition {
        self.locked().clone()
    }

    /// Gives an order; the last one counts, and one to go is never taken back.
    pub(super) fn order(&self, order: Order) {
        self.orders
            .send_if_modified(|current| match (&*current, &order) {
                (Order::Leave { .. } | Order::Replace { .. }, _) => false,
                (Order::Serve(current), Order::Serve(wanted)) if current == wanted => false,
                _ => {
                    *current = order;
                    true
                }
            });
    }

    /// Whether it has been told to finish and end. It need not have begun to.
    pub(super) fn is_to_leave(&self) -> bool {
        matches!(*self.orders.borrow(), Order::Leave { .. })
    }

    /// Whether it has been told to end, for whatever reason.
    pub(super) fn is_to_end(&self) -> bool {
        !matches!(*self.orders.borrow(), Order::Serve(_))
    }

    /// Records how it differs from its image. That stays so, whatever becomes of the image.
    pub(super) fn set_drift(&self, drift: &str) {
        self.locked().drift.get_or_insert_with(|| drift.to_owned());
    }

    /// Takes it out of the count of its generation, for a person to look at.
    pub(super) fn park(&self) {
        self.set_stage(Stage::Parked);
    }

    /// Removes what it leaves on disk and is gone.
    pub(super) fn forget(&self) {
        // A directory that cannot be removed now is removed by the next host's sweep.
        let _ = super::super::image::remove_tree(&self.directory);
        self.set_stage(Stage::Gone);
    }

    /// Lives. Returns when the process is gone.
    pub(super) async fn live(self: Arc<Self>, launch: Launch) {
        let Launch {
            spawner,
            spec,
            marker,
            port,
        } = launch;
        let process = match spec {
            Ok(spec) => self.start(&spawner, &marker, &spec).await,
            Err(error) => Err(error),
        };
        match process {
            Ok(process) => self.run(process).await,
            Err(error) => self.fail(format!("could not be started: {error}")),
        }
        // Nobody else may have the port while the member might still listen on it.
        drop(port);
    }

    async fn start(&self, spawner: &Spawner, marker: &str, spec: &Spec) -> io::Result<Process> {
        for directory in &spec.writable {
            std::fs::create_dir_all(directory)?;
        }
        Process::start(spawner, &self.id.0, marker, spec, Arc::clone(&self.output)).await
    }

    async fn run(&self, mut process: Process) {
        let began = Instant::now();
        self.locked().program = process.program();
        self.set_stage(Stage::Running);
        let mut orders = self.orders.subscribe();
        let order = tokio::select! {
            end = process.ended() => {
                let words = end.map_or_else(|error| error.to_string(), |end| end.to_string());
                let after = began.elapsed().as_secs_f64();
                return self.fail(format!("{words} after {after:.1}s"));
            }
            order = self.serve(&mut orders) => order,
        };
        let (failed, serving) = match order {
            Order::Serve(_) => (None, None),
            Order::Replace { why } => (Some(why), None),
            Order::Leave { serving, limit } => {
                self.leave(&mut process, serving.as_ref(), limit).await;
                (None, serving)
            }
        };
        let stopped = process.stop().await;
        if let Some(serving) = &serving
            && tokio::time::timeout(NOTICED, serving.finished())
                .await
                .is_err()
        {
            serving.cut();
        }
        match failed {
            Some(why) => self.fail(why),
            None => {
                if let Err(error) = stopped {
                    return self.fail(format!("could not be stopped: {error}"));
                }
                self.forget();
            }
        }
    }

    /// Is checked until told to go.
    async fn serve(&self, orders: &mut watch::Receiver<Order>) -> Order {
        loop {
            let order = orders.borrow_and_update().clone();
            let Order::Serve(checked) = order else {
                return order;
            };
            let changed = async {
                // The sender lives as long as the member.
                let _ = orders.changed().await;
            };
            match (self.address, checked) {
                (Some(address), Some(checked)) => tokio::select! {
                    () = self.follow_checks(address, checked) => {}
                    () = changed => {}
                },
                (None, Some(checked)) => tokio::select! {
                    () = self.count_running(checked) => {}
                    () = changed => {}
                },
                (_, None) => changed.await,
            }
        }
    }

    async fn follow_checks(&self, address: SocketAddr, checked: Checked) {
        let watch = Watch::start(address, checked.check);
        let mut health = watch.subscribe();
        // What was counted under other settings goes on counting.
        let before = self.condition();
        let mut earlier = (before.streak, before.healthy_since);
        while health.changed().await.is_ok() {
            let now = health.borrow_and_update().clone();
            earlier = self.locked().carried(now.consecutive_failures, earlier);
            self.record(&now, earlier, checked.streak);
        }
    }

    fn record(&self, health: &Health, earlier: (u32, Option<Timestamp>), streak: u32) {
        let mut condition = self.locked();
        condition.streak = health.consecutive_successes.saturating_add(earlier.0);
        condition.healthy_since = match condition.streak {
            0 => None,
            _ => earlier.1.or(health.healthy_since.map(Timestamp::from)),
        };
        condition.failures = health.consecutive_failures;
        condition.failing_since = match health.consecutive_failures {
            0 => None,
            _ => condition.failing_since.or_else(|| Some(Instant::now())),
        };
        condition.count_streak(streak);
        if let Some(error) = &health.last_error {
            condition.last_error = Some(error.clone());
        }
        drop(condition);
        self.changed.notify_one();
    }

    /// A member that takes no traffic is well as long as it runs.
    async fn count_running(&self, checked: Checked) {
        loop {
            {
                let mut condition = self.locked();
                condition.streak = condition.streak.saturating_add(1);
                condition
                    .healthy_since
                    .get_or_insert_with(|| SystemTime::now().into());
                condition.count_streak(checked.streak);
            }
            self.changed.notify_one();
            tokio::time::sleep(checked.check.interval).await;
        }
    }

    async fn leave(&self, process: &mut Process, serving: Option<&front::Drain>, limit: Duration) {
        self.set_stage(Stage::Leaving);
        if let Some(serving) = serving {
            tokio::select! {
                _ = tokio::time::timeout(limit, serving.finished()) => {}
                _ = process.ended() => {}
            }
        }
    }

    fn fail(&self, why: String) {
        let mut condition = self.locked();
        condition.last_error = Some(why);
        condition.streak = 0;
        condition.has_streak = false;
        condition.healthy_since = None;
        condition.program = None;
        drop(condition);
        self.set_stage(Stage::Failed(Instant::now()));
    }

    fn set_stage(&self, stage: Stage) {
        self.locked().stage = stage;
        self.changed.notify_one();
    }

    fn locked(&self) -> MutexGuard<'_, Condition> {
        // Every change leaves the condition whole, so a panic elsewhere spoils nothing.
        self.condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    fn new() -> Self {
        Self {
            stage: Stage::Launching,
            streak: 0,
            healthy_since: None,
            failures: 0,
            failing_since: None,
            is_proven: false,
            has_streak: false,
            last_error: None,
            drift: None,
            program: None,
        }
    }

    /// Whether it counts for its generation.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Launching | Stage::Running)
    }

    /// What counts towards the streak beside the checks passed since the last failed one: nothing
    /// after a failure, but all that there was where the failure is forgiven.
    fn carried(
        &self,
        failures: u32,
        earlier: (u32, Option<Timestamp>),
    ) -> (u32, Option<Timestamp>) {
        match failures {
            0 => earlier,
            1..=FORGIVEN if self.has_streak => (self.streak, self.healthy_since),
            _ => (0, None),
        }
    }

    /// Takes over whether it has its streak, which is so many successes in a row.
    fn count_streak(&mut self, streak: u32) {
        self.has_streak = self.streak >= streak || (self.has_streak && self.failures <= FORGIVEN);
        self.is_proven |= self.has_streak;
    }

    /// Whether it may get traffic.
    pub(super) fn is_eligible(&self) -> bool {
        self.stage == Stage::Running && self.has_streak
    }

    /// Why it must be replaced; absent: it need not.
    pub(super) fn sickness(&self, began: Instant, now: Instant) -> Option<String> {
        let since = self.failing_since?;
        let last = self.last_error.as_deref().unwrap_or("no answer");
        let (failures, failing) = (self.failures, now.saturating_duration_since(since));
        let is_over = if self.is_proven {
            failing >= SICK_TIME
        } else {
            now.saturating_duration_since(began) >= LAUNCH_TIME
        };
        (self.stage == Stage::Running && failures >= SICK_CHECKS && is_over).then(|| {
            format!(
                "failed {failures} checks in a row over {}s: {last}",
                failing.as_secs()
            )
        })
    }

    /// The state as the engine knows it; absent: there is no such member any more.
    pub(super) fn state(&self) -> Option<MemberState> {
        match self.stage {
            Stage::Launching => Some(MemberState::Launching),
            Stage::Running => Some(MemberState::Running),
            Stage::Leaving => Some(MemberState::Leaving),
            Stage::Failed(_) => Some(MemberState::Failed),
            Stage::Parked => Some(MemberState::Parked),
            Stage::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_check_costs_a_member_with_its_streak_nothing_and_any_other_all_that_it_had() {
        let since = Some(Timestamp::from_milliseconds(7));
        // (has it its streak, failed checks in a row, what goes on counting)
        for (has_streak, failures, expected) in [
            (true, 0, (2, None)),
            (true, 1, (9, since)),
            (true, 2, (0, None)),
            (false, 0, (2, None)),
            (false, 1, (0, None)),
        ] {
            let mut condition = Condition::new();
            condition.has_streak = has_streak;
            condition.streak = 9;
            condition.healthy_since = since;
            let carried = condition.carried(failures, (2, None));
            assert_eq!(carried, expected, "streak {has_streak}, {failures} failed");
        }
    }

    #[test]
    fn who_has_lost_its_streak_needs_all_of_it_again() {
        let mut condition = Condition::new();
        condition.stage = Stage::Running;
        // (successes and failures in a row, may it get traffic)
        for (streak, failures, expected) in [
            (2, 0, false),
            (3, 0, true),
            (3, 1, true),
            (0, 2, false),
            (1, 0, false),
            (2, 0, false),
            (3, 0, true),
        ] {
            (condition.streak, condition.failures) = (streak, failures);
            condition.count_streak(3);
            assert_eq!(condition.is_eligible(), expected, "{streak} {failures}");
        }
        assert!(condition.is_proven);
    }

    #[test]
    fn only_members_that_stay_unwell_are_replaced() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        // (was it well once, failed checks, failing since, now, replaced)
        for (is_proven, failures, since, now, expected) in [
            (true, 9, 100, 200, false),
            (true, 10, 100, 129, false),
            (true, 10, 100, 130, true),
            (false, 500, 0, 599, false),
            (false, 500, 0, 600, true),
        ] {
            let mut condition = Condition::new();
            condition.stage = Stage::Running;
            condition.is_proven = is_proven;
            condition.failures = failures;
            condition.failing_since = Some(at(since));
            let why = condition.sickness(at(0), at(now));
            assert_eq!(
                why.is_some(),
                expected,
                "{is_proven} {failures} {since} {now}"
            );
        }
    }
}
