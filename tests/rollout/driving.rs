//! The driver on the simulated cloud: leases, cancellation, errors, what it says it did.

use crate::fixture::*;
use async_trait::async_trait;
use immutable::cloud::sim::{Event, Fate, Sim, SimClock};
use immutable::cloud::{Cloud, ErrorKind, Holder, NewRelease};
use immutable::driver::{Clock, Driver, Ending, Order, Outcome, Pace, Progress};
use immutable::model::{GenerationNumber, ImageSource, Timestamp, Weight};
use immutable::rollout::{AlarmState, Foreign, Goal, Policy, Reason, Strategy, Traffic};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The simulated time, as the driver wants to have it.
struct Time(Arc<SimClock>);

#[async_trait]
impl Clock for Time {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        self.0.pass(duration);
        tokio::task::yield_now().await;
    }
}

struct Stage {
    clock: Arc<SimClock>,
    sim: Sim,
}

impl Stage {
    async fn new() -> Self {
        let clock = Arc::new(SimClock::default());
        let sim = Sim::new(Arc::clone(&clock), BOOTS);
        for version in ["1", "2", "3"] {
            let release = NewRelease {
                id: format!("web@{version}").parse().unwrap(),
                source: ImageSource::Image(version.to_owned()),
                provenance: [].into(),
            };
            sim.import(&release).await.unwrap();
        }
        Self { clock, sim }
    }

    async fn run(&self, order: &Order) -> Outcome {
        let time = Time(Arc::clone(&self.clock));
        let driver = Driver {
            cloud: &self.sim,
            clock: &time,
            pace: Pace::FAR,
            progress: Progress::silent(),
        };
        driver.run(order).await
    }

    async fn settled(policy: &Policy) -> Self {
        let stage = Self::new().await;
        let outcome = stage.run(&order(goal("1", 3), policy)).await;
        assert!(matches!(outcome.ending, Ending::Reached(_)), "{outcome:?}");
        stage
    }
}

fn order(goal: Goal, policy: &Policy) -> Order {
    Order {
        fleet: fleet_name(),
        goal,
        policy: policy.clone(),
        accepted: Foreign::default(),
        holder: Holder("apply one".to_owned()),
        deadline: Duration::from_secs(7200),
        cancel: CancellationToken::new(),
    }
}

#[tokio::test]
async fn an_apply_tells_what_it_did_and_why() {
    let stage = Stage::settled(&policy(Strategy::BlueGreen)).await;
    let outcome = stage
        .run(&order(goal("2", 3), &policy(Strategy::BlueGreen)))
        .await;
    assert!(matches!(
        outcome.ending,
        Ending::Reached(Reason::Reached { .. })
    ));
    assert_eq!(
        outcome.steps,
        [
            "create generation 2: 3 members of web@2 (generation 1 runs web@1)",
            "shift traffic: generation 2 0% -> 100%, generation 1 100% -> 0% (3 of 3 are healthy)",
            "trust generation 2 (it stayed healthy for 5m)",
            "drain generation 1 (30s) (generation 1 no longer serves)",
            "destroy generation 1: 3 members of web@1 (generation 1 no longer serves)",
        ]
    );
    let world = outcome.world.unwrap();
    assert_eq!(world.stable, Some(GenerationNumber(2)));
    assert_eq!(world.generations.len(), 1);
}

#[tokio::test]
async fn a_rolled_back_release_ends_with_the_members_last_words_and_is_not_tried_again() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    let fate = Fate::exiting(BOOTS, seconds(61));
    stage
        .sim
        .with_fleet(&fleet_name(), |fleet| fleet.happen(Event::Fate(fate)));
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    let Ending::RolledBack(failure) = outcome.ending else {
        panic!("{outcome:?}");
    };
    assert!(
        failure
            .cause
            .summary
            .contains("3 members ended by themselves"),
        "{failure:?}"
    );
    assert!(
        failure.cause.output.starts_with("last words of m"),
        "{failure:?}"
    );
    let world = outcome.world.unwrap();
    assert_eq!(world.generations.len(), 1);

    let again = stage.run(&order(goal("2", 3), &policy)).await;
    assert!(matches!(again.ending, Ending::RolledBack(_)));
    assert_eq!(again.steps, Vec::<String>::new());
}

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_fleet_and_takes_over_when_the_lease_ends() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    let other = Holder("apply on build-7".to_owned());
    let lease = stage
        .sim
        .take_lease(&fleet_name(), &other, seconds(60))
        .await
        .unwrap();
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    let Ending::LeaseHeld(error) = outcome.ending else {
        panic!("{outcome:?}");
    };
    assert!(
        error.source.to_string().contains("apply on build-7"),
        "{error:?}"
    );
    assert_eq!(outcome.steps, Vec::<String>::new());
    assert!(outcome.world.is_some());

    stage.clock.pass(seconds(61));
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    assert!(matches!(outcome.ending, Ending::Reached(_)));
    // What the first one does now is refused, so it does no harm.
    let action = immutable::rollout::Action::DestroyFleet;
    let late = stage.sim.act(&fleet_name(), lease.fence, &action).await;
    assert_eq!(late.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn an_apply_that_was_told_to_stop_ends_at_once_and_the_next_one_goes_on() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    let first = order(goal("2", 3), &policy);
    let mut first_run = Box::pin(stage.run(&first));
    // The candidate is made, then the user presses Ctrl-C.
    while stage
        .sim
        .with_fleet(&fleet_name(), |fleet| fleet.generations.len())
        < 2
    {
        assert!(futures_util::poll!(&mut first_run).is_pending());
    }
    first.cancel.cancel();
    let outcome = first_run.await;
    assert!(matches!(outcome.ending, Ending::Interrupted), "{outcome:?}");
    let world = outcome.world.unwrap();
    assert_eq!(world.stable, Some(GenerationNumber(1)));
    assert_eq!(world.generations.len(), 2);

    let second = Order {
        holder: Holder("apply two".to_owned()),
        ..order(goal("2", 3), &policy)
    };
    let outcome = stage.run(&second).await;
    assert!(matches!(outcome.ending, Ending::Reached(_)));
    assert!(outcome.steps.iter().all(|step| !step.starts_with("create")));
}

#[tokio::test]
async fn an_apply_whose_time_is_over_says_what_it_waited_for() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    let short = Order {
        deadline: seconds(20),
        ..order(goal("2", 3), &policy)
    };
    let outcome = stage.run(&short).await;
    assert!(matches!(
        outcome.ending,
        Ending::TimedOut(Some(Reason::AwaitsHealthy { .. }))
    ));
}

#[tokio::test]
async fn a_cloud_that_throttles_and_loses_replies_only_slows_it_down() {
    let policy = policy(rolling("1", "100%"));
    let stage = Stage::settled(&policy).await;
    stage.sim.with_fleet(&fleet_name(), |fleet| {
        fleet.faults.throttled = 300;
        fleet.faults.lost_replies = 300;
        fleet.faults.unreadable = 200;
        fleet.faults.in_part = 500;
        fleet.faults.lag = seconds(2);
    });
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    assert!(matches!(outcome.ending, Ending::Reached(_)), "{outcome:?}");
}

/// When an update shifts its traffic, and how it ends where an alarm begins to fire just before.
async fn shifted(alarm_fires_at: Option<Timestamp>) -> (Timestamp, Ending) {
    let policy = Policy {
        alarms: vec!["web-5xx".to_owned()],
        // Nobody can tell when members will be well, so that any look may find them so.
        streak: 1,
        steady: Duration::ZERO,
        ..policy(Strategy::BlueGreen)
    };
    let stage = Stage::settled(&policy).await;
    stage.sim.with_fleet(&fleet_name(), |fleet| {
        fleet.faults.in_part = 1000;
        fleet.alarms.insert("web-5xx".to_owned(), AlarmState::Quiet);
        let why = "5xx above 1%".to_owned();
        let fires = Event::Alarm("web-5xx".to_owned(), AlarmState::Firing { why });
        fleet.script.extend(alarm_fires_at.map(|at| (at, fires)));
    });
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    let Some(Traffic::Known { written_at, .. }) = outcome.world.map(|world| world.traffic) else {
        panic!("{:?}", outcome.ending);
    };
    (written_at, outcome.ending)
}

#[tokio::test]
async fn what_a_wait_saw_a_while_ago_is_not_acted_on() {
    let (at, ending) = shifted(None).await;
    assert!(matches!(ending, Ending::Reached(_)), "{ending:?}");
    let (before, ending) = shifted(Some(at)).await;
    assert!(before < at, "it shifted beside an alarm that fires");
    assert!(matches!(ending, Ending::Halted(_)), "{ending:?}");
}

#[tokio::test]
async fn a_release_that_does_not_exist_ends_it_at_once() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    let outcome = stage.run(&order(goal("9", 3), &policy)).await;
    let Ending::CloudFailed(error) = outcome.ending else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_cloud_without_room_ends_it_after_the_launch_deadline() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    stage
        .sim
        .with_fleet(&fleet_name(), |fleet| fleet.faults.room = Some(4));
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    let Ending::CloudFailed(error) = outcome.ending else {
        panic!("{outcome:?}");
    };
    assert_eq!(error.kind, ErrorKind::NoCapacity);
}

#[tokio::test]
async fn a_front_that_stays_unreadable_ends_it() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    stage
        .sim
        .with_fleet(&fleet_name(), |fleet| fleet.is_readable = false);
    let outcome = stage.run(&order(goal("2", 3), &policy)).await;
    assert!(matches!(
        outcome.ending,
        Ending::Halted(Reason::AwaitsReadable { .. })
    ));
}

#[tokio::test]
async fn a_strangers_change_halts_and_an_approved_plan_goes_on_from_it() {
    let policy = policy(Strategy::BlueGreen);
    let stage = Stage::settled(&policy).await;
    let outcome = stage
        .run(&order(
            goal("2", 3),
            &Policy {
                keep_previous: seconds(3600),
                ..policy.clone()
            },
        ))
        .await;
    assert!(matches!(outcome.ending, Ending::Reached(_)));
    stage.sim.with_fleet(&fleet_name(), |fleet| {
        fleet.pass(fleet.now + seconds(600));
        fleet.happen(Event::Weights([(GenerationNumber(1), Weight::ALL)].into()));
    });
    let back = order(
        goal("1", 3),
        &Policy {
            keep_previous: seconds(36000),
            ..policy
        },
    );
    let halted = stage.run(&back).await;
    assert!(
        matches!(halted.ending, Ending::Halted(Reason::ForeignWeights { .. })),
        "{halted:?}"
    );

    let approved = Order {
        accepted: Foreign::of(&halted.world.unwrap()),
        ..back
    };
    let outcome = stage.run(&approved).await;
    assert!(matches!(outcome.ending, Ending::Reached(_)), "{outcome:?}");
    assert!(
        outcome.steps[0].starts_with("take traffic as it is"),
        "{:?}",
        outcome.steps
    );
    assert!(
        outcome.steps[1].starts_with("trust generation 1"),
        "{:?}",
        outcome.steps
    );
}
