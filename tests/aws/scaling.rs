//! Fleets whose size changes by itself: who may change it where, and what moves with the traffic.

use crate::account::between;
use crate::fleet::{FIRST, SECOND, policy, web};
use crate::place::Place;
use immutable::cloud::Cloud;
use immutable::driver::Ending;
use immutable::model::{Scaling, Tracking};
use immutable::rollout::{Foreign, Goal, Strategy};

const TRACKING: Scaling = Scaling::Tracking(Tracking {
    min: 1,
    max: 5,
    cpu: 60,
});

impl Place {
    /// A fleet of two at first, sized like this.
    fn sized(&self, version: &immutable::model::ReleaseRef, scaling: &Scaling) -> Goal {
        let Goal::Fleet(mut goal) = self.goal(self.launch(version), 2) else {
            unreachable!("it is a fleet")
        };
        goal.settings.scaling = scaling.clone();
        Goal::Fleet(goal)
    }

    async fn reaches(&self, goal: Goal) {
        let done = self.run(goal, Strategy::BlueGreen).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    }

    /// What a scaler does.
    fn scale(&self, number: u32, size: u32) {
        self.autoscaling(&[
            ("Action", "SetDesiredCapacity"),
            ("AutoScalingGroupName", &format!("immutable-web-{number}")),
            ("DesiredCapacity", &size.to_string()),
        ]);
    }

    fn autoscaling(&self, parameters: &[(&str, &str)]) -> String {
        self.query("autoscaling", "2011-01-01", parameters)
    }

    /// Least, most and wanted members of a generation's group.
    fn bounds(&self, number: u32) -> [String; 3] {
        let group = self.autoscaling(&[
            ("Action", "DescribeAutoScalingGroups"),
            (
                "AutoScalingGroupNames.member.1",
                &format!("immutable-web-{number}"),
            ),
        ]);
        ["MinSize", "MaxSize", "DesiredCapacity"]
            .map(|name| between(&group, &format!("<{name}>"), &format!("</{name}>")))
    }

    /// The groups that have a policy.
    fn policies(&self) -> Vec<String> {
        let told = self.autoscaling(&[("Action", "DescribePolicies")]);
        let mut names: Vec<String> = told
            .split("<AutoScalingGroupName>")
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('<')?.0.to_owned()))
            .collect();
        names.sort_unstable();
        names
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_and_its_alarms_move_with_the_traffic_and_go_with_the_fleet() {
    let place = Place::new();
    let (first, second) = (place.release("1").await, place.release("2").await);
    place.reaches(place.sized(&first, &TRACKING)).await;
    assert_eq!(place.policies(), ["immutable-web-1"]);
    assert_eq!(place.bounds(1), ["1", "5", "2"]);

    place.scale(1, 3);
    let world = place
        .until("three", |world| {
            world.generations[&FIRST].members.len() == 3
        })
        .await;
    assert_eq!(Foreign::of(&world), Foreign::default());

    place.reaches(place.sized(&second, &TRACKING)).await;
    let world = place.world().await;
    assert_eq!(world.stable, Some(SECOND));
    assert_eq!(world.generations[&SECOND].desired, 3);
    assert_eq!(place.policies(), ["immutable-web-2"]);
    assert_eq!(place.bounds(2), ["1", "5", "3"]);
    assert_eq!(place.inventory()["alarms"].len(), 2);

    let gone = place.run(Goal::Absent, Strategy::BlueGreen).await;
    assert!(matches!(gone.ending, Ending::Reached(_)), "{gone:#?}");
    assert_eq!(place.policies(), [""; 0]);
    assert!(place.inventory()["alarms"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_only_grows_and_a_candidate_is_held_while_it_is_tried() {
    let place = Place::new();
    let (first, second) = (place.release("1").await, place.release("2").await);
    place.reaches(place.sized(&first, &TRACKING)).await;
    let fence = place.fence().await;
    let create = place.create(SECOND, place.launch(&second));
    let cloud: &dyn immutable::cloud::Cloud = &place.cloud;
    cloud
        .act(&crate::fleet::web(), fence, &create)
        .await
        .unwrap();
    assert_eq!(place.bounds(1), ["2", "5", "2"]);
    assert_eq!(place.bounds(2), ["2", "2", "2"]);
    assert_eq!(place.policies(), ["immutable-web-1"]);
    // Given up, it leaves everything as it was.
    let goal = place.sized(&first, &TRACKING);
    place.reaches(goal).await;
    assert_eq!(place.bounds(1), ["1", "5", "2"]);
    assert_eq!(place.policies(), ["immutable-web-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scaler_of_someone_else_is_left_alone_until_the_configuration_decides_again() {
    let place = Place::new();
    let first = place.release("1").await;
    place.reaches(place.sized(&first, &Scaling::External)).await;
    assert_eq!(place.bounds(1), ["1", "100000", "2"]);
    assert_eq!(place.policies(), [""; 0]);
    place.scale(1, 4);
    place.reaches(place.sized(&first, &Scaling::External)).await;
    assert_eq!(place.bounds(1)[2], "4");

    let goal = place.goal(place.launch(&first), 3);
    let done = place
        .run_with(&place.cloud, goal, policy(Strategy::BlueGreen))
        .await;
    assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    assert_eq!(place.bounds(1), ["3", "3", "3"]);
}

impl Place {
    /// What sizes the fleet, as a plan sees it.
    async fn seen(&self) -> Scaling {
        let world = self.another().glance(&web()).await.unwrap();
        world.settings.unwrap().scaling
    }

    /// What a person does to the first generation's policy.
    fn policy(&self, action: &str, more: &[(&str, &str)]) {
        let named = [
            ("Action", action),
            ("AutoScalingGroupName", "immutable-web-1"),
            ("PolicyName", "immutable-cpu"),
        ];
        self.autoscaling(&[&named[..], more].concat());
    }

    /// One run puts everything back.
    async fn is_put_back(&self, goal: &Goal) {
        self.reaches(goal.clone()).await;
        assert_eq!(self.seen().await, TRACKING);
        assert_eq!(self.policies(), ["immutable-web-1"]);
        assert_eq!(self.bounds(1), ["1", "5", "2"]);
        assert_eq!(self.inventory()["alarms"].len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_or_bounds_changed_by_hand_are_seen_by_a_plan_and_put_back() {
    let place = Place::new();
    let first = place.release("1").await;
    let goal = place.sized(&first, &TRACKING);
    place.is_put_back(&goal).await;

    place.policy("DeletePolicy", &[]);
    assert_eq!(place.seen().await, Scaling::External);
    place.is_put_back(&goal).await;

    let other = [
        ("PolicyType", "TargetTrackingScaling"),
        ("TargetTrackingConfiguration.TargetValue", "80"),
        (
            "TargetTrackingConfiguration.PredefinedMetricSpecification.PredefinedMetricType",
            "ASGAverageCPUUtilization",
        ),
    ];
    place.policy("PutScalingPolicy", &other);
    let Scaling::Tracking(seen) = place.seen().await else {
        panic!("it has a policy");
    };
    assert_eq!((seen.min, seen.max, seen.cpu), (1, 5, 80));
    place.is_put_back(&goal).await;

    place.autoscaling(&[
        ("Action", "UpdateAutoScalingGroup"),
        ("AutoScalingGroupName", "immutable-web-1"),
        ("MaxSize", "9"),
    ]);
    let Scaling::Tracking(seen) = place.seen().await else {
        panic!("it has a policy");
    };
    assert_eq!((seen.min, seen.max, seen.cpu), (1, 9, 60));
    place.is_put_back(&goal).await;

    let alarm = place.inventory()["alarms"][0].clone();
    place.query(
        "monitoring",
        "2010-08-01",
        &[("Action", "DeleteAlarms"), ("AlarmNames.member.1", &alarm)],
    );
    assert_eq!(place.seen().await, Scaling::External);
    place.is_put_back(&goal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_over_one_fleet_that_sizes_itself_costs_six_calls_at_most() {
    let place = Place::new();
    let first = place.release("1").await;
    place.reaches(place.sized(&first, &TRACKING)).await;
    place.forget_calls();
    assert_eq!(place.seen().await, TRACKING);
    let calls = place.calls();
    let total: u64 = calls.values().sum();
    assert!(total <= 6, "{calls:?}");
}
