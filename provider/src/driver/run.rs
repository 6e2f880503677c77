//! One run of the loop.

use super::lease::Held;
use super::{Driver, Ending, Order, Outcome};
use crate::cloud::{Error, ErrorKind};
use crate::model::Timestamp;
use crate::rollout::{
    Action, Decision, Foreign, Goal, Intent, Reason, Step, World, adopt, decide, wording,
};
use std::time::Duration;

/// How long the cloud may fail before a run ends. A throttled account or a short outage passes
/// within minutes; a longer one is for a person.
const FAILS_FOR: Duration = Duration::from_secs(300);

/// How long the front may be unreadable before a run ends.
const UNREADABLE_FOR: Duration = Duration::from_secs(120);

/// A run with what it needs to know of itself; none of it influences what is decided.
pub(super) struct Run<'a> {
    driver: &'a Driver<'a>,
    order: &'a Order,
    ends: Timestamp,
    world: Option<World>,
    steps: Vec<String>,
    accepted: Foreign,
    /// The action sent last, until another decision follows.
    sent: Option<Action>,
    /// Whether some time has passed since then, so that it may be sent once more.
    has_paused: bool,
    /// Looks since something last happened.
    looks: u32,
    /// Whether the next look is only for waiting on.
    waits_on: bool,
    /// What was said last of what is waited for.
    awaited: Option<Reason>,
    failing_since: Option<Timestamp>,
    unreadable_since: Option<Timestamp>,
    /// Whether the world knows what this run is up to.
    has_left_intent: bool,
}

/// What a turn of the loop came to: nothing yet, or the end.
type Turn = Result<(), Ending>;

impl<'a> Run<'a> {
    pub(super) fn new(driver: &'a Driver<'a>, order: &'a Order) -> Self {
        Self {
            driver,
            order,
            ends: driver.clock.now() + order.deadline,
            world: None,
            steps: Vec::new(),
            accepted: order.accepted.clone(),
            sent: None,
            has_paused: false,
            looks: 0,
            waits_on: false,
            awaited: None,
            failing_since: None,
            unreadable_since: None,
            has_left_intent: false,
        }
    }

    pub(super) async fn finish(mut self) -> Outcome {
        let ending = self.with_lease().await;
        if !matches!(
            ending,
            Ending::Reached(_) | Ending::Held(_) | Ending::Halted(_)
        ) {
            self.look_once_more().await;
        }
        tracing::info!(fleet = %self.order.fleet, %ending, "run ended");
        Outcome {
            ending,
            world: self.world,
            steps: self.steps,
        }
    }

    async fn with_lease(&mut self) -> Ending {
        let mut lease = loop {
            match Held::take(self.driver, self.order).await {
                Ok(lease) => break lease,
                Err(error) if error.kind == ErrorKind::Conflict => {
                    return Ending::LeaseHeld(error);
                }
                Err(error) => {
                    if let Err(ending) = self.bear(error).await {
                        return ending;
                    }
                }
            }
        };
        let ending = loop {
            self.leave_intent(&lease).await;
            if let Err(ending) = self.turn(&mut lease).await {
                break ending;
            }
        };
        let released = self
            .driver
            .cloud
            .release_lease(&self.order.fleet, lease.fence);
        if let Err(error) = released.await {
            tracing::warn!(fleet = %self.order.fleet, %error, "the lease stays until it expires");
        }
        ending
    }

    /// Tells the world what this run is up to, until it has heard. A rollout does not depend on it:
    /// whoever comes without the configuration sees less.
    async fn leave_intent(&mut self, lease: &Held) {
        let Goal::Fleet(goal) = &self.order.goal else {
            return;
        };
        if self.has_left_intent {
            return;
        }
        let (cloud, fleet) = (self.driver.cloud, &self.order.fleet);
        let intent = Intent::of(goal, &self.order.policy);
        match cloud.leave_intent(fleet, lease.fence, &intent).await {
            Ok(()) => self.has_left_intent = true,
            Err(error) => {
                tracing::warn!(%fleet, %error, source = %error.source, "the intent was not left yet");
            }
        }
    }

    /// Looks, decides and does one thing.
    async fn turn(&mut self, lease: &mut Held) -> Turn {
        self.check_time()?;
        if let Err(error) = self.prolong(lease).await {
            return match error.kind {
                ErrorKind::Conflict => Err(Ending::LeaseHeld(error)),
                _ => self.bear(error).await,
            };
        }
        let (world, decision) = match self.look().await {
            Ok(seen) => seen,
            Err(error) => return self.bear(error).await,
        };
        self.world = Some(world.clone());
        match decision.step {
            Step::Act(action) => self.act(&world, action, &decision.reason, lease).await,
            Step::Wait { until, expected } => {
                self.wait(&world, until, expected, decision.reason).await
            }
            Step::Halt | Step::Held | Step::RolledBack | Step::Done => Err(ending(decision)),
        }
    }

    /// Looks and decides. A look for waiting on may tell some things as they were a while ago: what it
    /// decides is to wait on, or to look at everything.
    async fn look(&self) -> Result<(World, Decision), Error> {
        if self.waits_on {
            let alarms = &self.order.policy.alarms;
            let polled = self.driver.cloud.poll(&self.order.fleet, alarms).await?;
            let decision = self.decision(&polled.world);
            if polled.is_whole || matches!(decision.step, Step::Wait { .. }) {
                return Ok((polled.world, decision));
            }
        }
        let world = self.observe().await?;
        let decision = self.decision(&world);
        Ok((world, decision))
    }

    fn decision(&self, world: &World) -> Decision {
        adopt(world, &self.accepted)
            .unwrap_or_else(|| decide(world, &self.order.goal, &self.order.policy))
    }

    fn check_time(&self) -> Turn {
        if self.order.cancel.is_cancelled() {
            return Err(Ending::Interrupted);
        }
        if self.driver.clock.now() >= self.ends {
            return Err(Ending::TimedOut(self.waited_for()));
        }
        Ok(())
    }

    /// What the last world that was seen is waiting for.
    fn waited_for(&self) -> Option<Reason> {
        let world = self.world.as_ref()?;
        Some(decide(world, &self.order.goal, &self.order.policy).reason)
    }

    async fn observe(&self) -> Result<World, Error> {
        let alarms = &self.order.policy.alarms;
        self.driver.cloud.observe(&self.order.fleet, alarms).await
    }

    async fn prolong(&self, lease: &mut Held) -> Result<(), Error> {
        if lease.is_due(self.driver.clock.now()) {
            *lease = Held::take(self.driver, self.order).await?;
        }
        Ok(())
    }

    async fn act(
        &mut self,
        world: &World,
        action: Action,
        reason: &Reason,
        lease: &mut Held,
    ) -> Turn {
        self.waits_on = false;
        // What the plan showed of others' changes holds until this run makes one of its own; from
        // then on a look that lags could show it once more.
        if adopt(world, &self.accepted).is_none() {
            self.accepted = Foreign::default();
        }
        if self.sent.as_ref() == Some(&action) {
            // The effect of the last one does not show yet, or it was lost: what is done about it is
            // decided from a look after a pause.
            if !std::mem::take(&mut self.has_paused) {
                self.has_paused = true;
                let pause = self.next_pause();
                return self.pause(pause).await;
            }
        } else {
            self.has_paused = false;
            let said = wording(&action, world);
            tracing::info!(fleet = %self.order.fleet, action = %said, reason = %reason, "acting");
            self.driver.progress.say(format!("{said} ({reason})"));
            self.awaited = None;
            self.steps.push(format!("{said} ({reason})"));
            self.looks = 0;
        }
        self.sent = Some(action.clone());
        let action = self.with_output(action).await;
        let cloud = self.driver.cloud;
        match cloud.act(&self.order.fleet, lease.fence, &action).await {
            Ok(()) => {
                self.failing_since = None;
                Ok(())
            }
            Err(error) => self.refused(error, lease).await,
        }
    }

    /// An action failed: it may have been overtaken, decided from a view that was out of date, or
    /// have had its effect all the same. Only looking again tells.
    async fn refused(&mut self, error: Error, lease: &mut Held) -> Turn {
        match error.kind {
            ErrorKind::Conflict => match Held::take(self.driver, self.order).await {
                // It is ours, or ours again after someone else was there: the next look tells.
                Ok(held) => {
                    *lease = held;
                    self.bear(error).await
                }
                Err(held) if held.kind == ErrorKind::Conflict => Err(Ending::LeaseHeld(held)),
                Err(other) => self.bear(other).await,
            },
            ErrorKind::AlreadyExists
            | ErrorKind::Throttled
            | ErrorKind::NoCapacity
            | ErrorKind::Unavailable => self.bear(error).await,
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Invalid => {
                Err(Ending::CloudFailed(error))
            }
        }
    }

    /// A verdict carries the end of the output of the member that shows it, or why nobody can read
    /// that.
    async fn with_output(&self, action: Action) -> Action {
        let Action::Condemn {
            number,
            mut cause,
            retry,
        } = action
        else {
            return action;
        };
        if let Some(member) = &cause.member {
            let output = self.driver.cloud.member_output(&self.order.fleet, member);
            cause.output = output.await.unwrap_or_else(|error| {
                let why = &error.source;
                format!("(its output could not be read: {error}: {why})")
            });
        }
        Action::Condemn {
            number,
            cause,
            retry,
        }
    }

    async fn wait(
        &mut self,
        world: &World,
        until: Timestamp,
        expected: Option<Timestamp>,
        reason: Reason,
    ) -> Turn {
        if self.sent.take().is_some() {
            self.looks = 0;
        }
        self.failing_since = None;
        self.bear_unreadable(world.now, &reason)?;
        tracing::debug!(fleet = %self.order.fleet, reason = %reason, until = %until, "waiting");
        if self.awaited.as_ref() != Some(&reason) {
            self.driver.progress.say(format!("wait: {reason}"));
            self.awaited = Some(reason);
        }
        let due = expected.filter(|at| *at > world.now).unwrap_or(until);
        let left = due.min(until).since(world.now);
        let soonest = self.driver.pace.shortest;
        let pause = self.next_pause();
        // When the wait's own end has come, something is likely to be done.
        self.waits_on = pause < left;
        self.pause(pause.min(left.max(soonest))).await
    }

    /// An unreadable front has no moment from which to count but this run's own.
    fn bear_unreadable(&mut self, now: Timestamp, reason: &Reason) -> Turn {
        if !matches!(reason, Reason::AwaitsReadable { .. }) {
            self.unreadable_since = None;
            return Ok(());
        }
        let since = *self.unreadable_since.get_or_insert(now);
        if now.since(since) >= UNREADABLE_FOR {
            return Err(Ending::Halted(reason.clone()));
        }
        Ok(())
    }

    /// Waits a little after an error that may pass; ends when errors have gone on for too long.
    async fn bear(&mut self, error: Error) -> Turn {
        let now = self.driver.clock.now();
        let since = *self.failing_since.get_or_insert(now);
        let is_final = matches!(
            error.kind,
            ErrorKind::NotFound | ErrorKind::Denied | ErrorKind::Invalid
        );
        if is_final || now.since(since) >= self.failing_ends(error.kind) {
            return Err(Ending::CloudFailed(error));
        }
        tracing::warn!(fleet = %self.order.fleet, %error, source = %error.source, "trying again");
        self.check_time()?;
        self.has_paused = true;
        let pause = self.next_pause();
        self.pause(pause).await
    }

    /// A cloud without room gets as long as members have to become healthy.
    fn failing_ends(&self, kind: ErrorKind) -> Duration {
        match kind {
            ErrorKind::NoCapacity => self.order.policy.launch_deadline.max(FAILS_FOR),
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::Conflict
            | ErrorKind::Throttled
            | ErrorKind::Denied
            | ErrorKind::Invalid
            | ErrorKind::Unavailable => FAILS_FOR,
        }
    }

    fn next_pause(&mut self) -> Duration {
        let pause = self.driver.pace.before(self.looks);
        self.looks += 1;
        self.driver.pace.in_step(pause, self.driver.clock.now())
    }

    /// Lets time pass, at most up to this run's end, and ends at once when told to stop.
    async fn pause(&self, pause: Duration) -> Turn {
        let left = self.ends.since(self.driver.clock.now());
        tokio::select! {
            () = self.driver.clock.sleep(pause.min(left)) => Ok(()),
            () = self.order.cancel.cancelled() => Err(Ending::Interrupted),
        }
    }

    async fn look_once_more(&mut self) {
        match self.observe().await {
            Ok(world) => self.world = Some(world),
            Err(error) => {
                tracing::warn!(fleet = %self.order.fleet, %error, "the last look failed");
            }
        }
    }
}

fn ending(decision: Decision) -> Ending {
    match (decision.step, decision.reason) {
        (Step::RolledBack, Reason::RolledBack(failure)) => Ending::RolledBack(failure),
        (Step::Done, reason) => Ending::Reached(reason),
        (Step::Held, reason) => Ending::Held(reason),
        (Step::Halt | Step::RolledBack | Step::Act(_) | Step::Wait { .. }, reason) => {
            Ending::Halted(reason)
        }
    }
}
