//! What looking costs, counted by the one who answers.

use crate::fleet::{FIRST, SECOND, all_on, holder, policy, web};
use crate::place::Place;
use futures_util::StreamExt;
use immutable::cloud::{Cloud, Fence, NewRelease};
use immutable::driver::{Driver, Ending, MachineClock, Order, Pace, Progress};
use immutable::model::{FleetName, ImageSource, ReleaseRef, Scaling, Tracking};
use immutable::rollout::{Action, AlarmState, Foreign, Goal, Policy, Strategy, Traffic, World};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_over_one_fleet_costs_six_calls_at_most() {
    let place = Place::new();
    let first = place.release("1").await;
    let goal = place.goal(place.launch(&first), 2);
    let done = place.run(goal, Strategy::BlueGreen).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    place.forget_calls();
    // What a fresh process reads of a fleet for a plan.
    let cloud = place.another();
    let world = cloud.glance(&web()).await.unwrap();
    assert_eq!(world.generations[&FIRST].members.len(), 2);
    assert!(
        world.generations[&FIRST]
            .members
            .iter()
            .all(|m| m.streak > 1)
    );
    cloud.endpoint(&web()).await.unwrap().unwrap();
    let calls = place.calls();
    let total: u64 = calls.values().sum();
    assert!(total <= 6, "{calls:?}");
}

/// As many members as a large fleet has.
const LARGE: u32 = 100;

/// The alarm that a rollout listens to.
const ALARM: &str = "web-5xx";

impl Place {
    /// A release whose members are no processes, of which there can be many: the stand-in tells of
    /// each that it runs and is well.
    pub(crate) async fn light_release(&self, version: &str) -> ReleaseRef {
        let release = ReleaseRef::parse(&format!("light@{version}")).unwrap();
        let ReleaseRef::Release(id) = release.clone() else {
            unreachable!("it has an @")
        };
        let new = NewRelease {
            id,
            source: ImageSource::Image(self.register(&format!("light-{version}"), "")),
            provenance: BTreeMap::new(),
        };
        self.cloud.import(&new).await.unwrap();
        release
    }

    fn alarm(&self, action: &str, more: &[(&str, &str)]) {
        let mut parameters = vec![("Action", action), ("AlarmName", ALARM)];
        parameters.extend(more);
        self.query("monitoring", "2010-08-01", &parameters);
    }

    fn set_alarm(&self, state: &str) {
        let words = [("StateValue", state), ("StateReason", "the test says so")];
        self.alarm("SetAlarmState", &words);
    }

    /// Polls once and counts the calls that it took.
    async fn poll(&self) -> (World, u64) {
        self.forget_calls();
        let polled = self.cloud.poll(&web(), &[ALARM.to_owned()]).await.unwrap();
        let calls = self.calls();
        let total = calls.values().sum();
        assert!(total <= 4, "{calls:?}");
        (polled.world, total)
    }

    /// Polls until something holds, each time with four calls at most.
    async fn poll_until(&self, what: &str, holds: impl Fn(&World) -> bool) -> u32 {
        let ends = Instant::now() + Duration::from_secs(120);
        for polls in 1.. {
            let (world, _) = self.poll().await;
            if holds(&world) {
                return polls;
            }
            assert!(Instant::now() < ends, "never {what}: {world:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        unreachable!("it holds or fails")
    }

    /// A fleet of many in which a second generation is being made, seen as a whole once.
    async fn in_an_update(&self) -> Fence {
        let release = self.light_release("1").await;
        let goal = self.goal(self.launch(&release), LARGE);
        reach(self, web(), goal).await;
        let metric = [
            ("MetricName", "errors"),
            ("Namespace", "web"),
            ("Period", "60"),
            ("EvaluationPeriods", "1"),
            ("Threshold", "1"),
            ("Statistic", "Sum"),
            ("ComparisonOperator", "GreaterThanThreshold"),
        ];
        self.alarm("PutMetricAlarm", &metric);
        self.set_alarm("OK");
        let second = self.light_release("2").await;
        let fence = self.fence().await;
        let Action::CreateGeneration {
            number,
            fingerprint,
            launch,
            launch_deadline,
            ..
        } = self.create(SECOND, self.launch(&second))
        else {
            unreachable!("it creates")
        };
        let create = Action::CreateGeneration {
            number,
            fingerprint,
            launch,
            size: LARGE,
            launch_deadline,
        };
        self.cloud.act(&web(), fence, &create).await.unwrap();
        let alarms = [ALARM.to_owned()];
        self.cloud.observe(&web(), &alarms).await.unwrap();
        fence
    }
}

fn is_well(world: &World) -> bool {
    let members = &world.generations[&SECOND].members;
    members.len() == LARGE as usize && members.iter().all(|member| member.streak > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_of_an_update_costs_four_calls_at_most_whatever_the_size() {
    let place = Place::new();
    let fence = place.in_an_update().await;
    place.poll_until("well", is_well).await;
    let shift = Action::ShiftTraffic {
        weights: all_on(SECOND),
        before: all_on(FIRST),
    };
    place.cloud.act(&web(), fence, &shift).await.unwrap();
    let alarms = [ALARM.to_owned()];
    place.cloud.observe(&web(), &alarms).await.unwrap();
    place
        .poll_until("shifted", |world| match &world.traffic {
            Traffic::Known { weights, .. } => *weights == all_on(SECOND),
            Traffic::None | Traffic::Unreadable { .. } => false,
        })
        .await;
    let drain = Action::DrainGeneration { number: FIRST };
    place.cloud.act(&web(), fence, &drain).await.unwrap();
    place.cloud.observe(&web(), &alarms).await.unwrap();
    for _ in 0..10 {
        place.poll().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_take_turns_so_that_each_change_is_seen_within_three() {
    let place = Place::new();
    place.in_an_update().await;
    place.poll_until("well", is_well).await;
    place.set_alarm("ALARM");
    let fires = |world: &World| matches!(world.alarms[ALARM], AlarmState::Firing { .. });
    let polls = place.poll_until("fires", fires).await;
    assert!(polls <= 3, "the alarm was seen by poll {polls}");
}

/// As many fleets as a large account has.
const MANY: u32 = 100;

const SIZED: Scaling = Scaling::Tracking(Tracking {
    min: 1,
    max: 5,
    cpu: 60,
});

/// Terraform reads so many resources at a time.
const AT_A_TIME: usize = 10;

fn numbered(number: u32) -> FleetName {
    format!("web-{number}").parse().unwrap()
}

/// Makes a fleet of one at a place of its own on the listener; every other one sizes itself.
async fn make(place: &Place, release: &ReleaseRef, number: u32) {
    let Goal::Fleet(mut goal) = place.goal(place.launch(release), 1) else {
        unreachable!("it is a fleet")
    };
    if number.is_multiple_of(2) {
        goal.settings.scaling = SIZED;
    }
    if let Some(front) = &mut goal.settings.front {
        front.priority = Some(100 + number);
        front.hosts = vec![format!("web-{number}.example.com")];
    }
    reach(place, numbered(number), Goal::Fleet(goal)).await;
}

/// Brings a fleet to its goal, with time for as many members as this machine is slow.
async fn reach(place: &Place, fleet: FleetName, goal: Goal) {
    let driver = Driver {
        cloud: &place.cloud,
        clock: &MachineClock,
        pace: Pace::NEAR,
        progress: Progress::silent(),
    };
    let order = Order {
        fleet,
        goal,
        policy: Policy {
            launch_deadline: Duration::from_secs(300),
            ..policy(Strategy::BlueGreen)
        },
        accepted: Foreign::default(),
        holder: holder(),
        deadline: Duration::from_secs(600),
        cancel: CancellationToken::new(),
    };
    let done = driver.run(&order).await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_over_a_hundred_fleets_costs_forty_calls_at_most() {
    let place = Place::new();
    let release = place.light_release("1").await;
    futures_util::stream::iter(1..=MANY)
        .for_each_concurrent(AT_A_TIME, |number| make(&place, &release, number))
        .await;
    let cloud = place.another();
    place.forget_calls();
    futures_util::stream::iter(1..=MANY)
        .for_each_concurrent(AT_A_TIME, |number| {
            let cloud = &cloud;
            async move {
                let fleet = numbered(number);
                let world = cloud.glance(&fleet).await.unwrap();
                let members = &world.generations[&FIRST].members;
                assert_eq!(members.len(), 1);
                assert!(members[0].streak > 0, "{world:#?}");
                assert!(cloud.endpoint(&fleet).await.unwrap().is_some());
            }
        })
        .await;
    let calls = place.calls();
    let total: u64 = calls.values().sum();
    println!("{calls:?}");
    assert!(total <= 40, "{total}: {calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_ahead_is_forgotten_by_whoever_changes_something() {
    let place = Place::new();
    let release = place.release("1").await;
    for number in 1..=12 {
        make(&place, &release, number).await;
    }
    let cloud = place.another();
    for number in 1..=12 {
        cloud.glance(&numbered(number)).await.unwrap();
    }
    let fleet = numbered(12);
    let holder = holder();
    let lease = cloud.take_lease(&fleet, &holder, Duration::from_secs(600));
    let fence = lease.await.unwrap().fence;
    let action = Action::ResizeGeneration {
        number: FIRST,
        size: 2,
    };
    cloud.act(&fleet, fence, &action).await.unwrap();
    cloud.release_lease(&fleet, fence).await.unwrap();
    let world = cloud.glance(&fleet).await.unwrap();
    assert_eq!(world.generations[&FIRST].desired, 2);
}
