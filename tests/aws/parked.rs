//! Members of a generation that failed, kept for a person to look at.

use crate::account::between;
use crate::fleet::{SECOND, web};
use crate::place::Place;
use immutable::cloud::{Cloud, Fence};
use immutable::driver::Ending;
use immutable::model::MemberId;
use immutable::rollout::{Action, Member, MemberState, Strategy};
use std::time::{Duration, Instant};

const GROUP: &str = "immutable-web-2";

impl Place {
    /// A fleet that serves, and two members of another generation beside it.
    async fn candidate(&self) -> (Fence, Vec<Member>) {
        let (first, second) = (self.release("1").await, self.release("2").await);
        let goal = self.goal(self.launch(&first), 1);
        let done = self.run(goal, Strategy::BlueGreen).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
        let fence = self.fence().await;
        let create = self.create(SECOND, self.launch(&second));
        self.cloud.act(&web(), fence, &create).await.unwrap();
        let world = self
            .until("two", |world| {
                let members = &world.generations[&SECOND].members;
                let runs = |member: &Member| member.state == MemberState::Running;
                members.len() == 2 && members.iter().all(runs)
            })
            .await;
        (fence, world.generations[&SECOND].members.clone())
    }

    /// Removes the second generation, asking as often as it takes.
    async fn without_second(&self, fence: Fence, park: &MemberId) {
        let destroy = Action::DestroyGeneration {
            number: SECOND,
            park: Some(park.clone()),
        };
        let ends = Instant::now() + Duration::from_secs(60);
        while self.world().await.generations.contains_key(&SECOND) {
            assert!(Instant::now() < ends, "it never goes");
            self.cloud.act(&web(), fence, &destroy).await.unwrap();
        }
    }

    fn state_of(&self, instance: &str) -> String {
        let told = self.ec2(&[("Action", "DescribeInstances"), ("InstanceId.1", instance)]);
        let state = between(&told, "<instanceState>", "</instanceState>");
        between(&state, "<name>", "</name>")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_kept_outlives_its_group() {
    let place = Place::new();
    let (fence, members) = place.candidate().await;
    let [kept, other] = [&members[0].id, &members[1].id];
    place.without_second(fence, kept).await;
    assert_eq!(place.state_of(&kept.0), "running");
    assert_ne!(place.state_of(&other.0), "running");
    assert_eq!(place.inventory()["groups"], ["immutable-web-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_does_not_serve_yet_goes_with_its_group() {
    let place = Place::new();
    let (fence, members) = place.candidate().await;
    let hook = [
        ("Action", "PutLifecycleHook"),
        ("AutoScalingGroupName", GROUP),
        ("LifecycleHookName", "by-hand"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_LAUNCHING"),
        ("HeartbeatTimeout", "86400"),
    ];
    place.query("autoscaling", "2011-01-01", &hook);
    let victim = &members[0].id.0;
    place.ec2(&[("Action", "TerminateInstances"), ("InstanceId.1", victim)]);
    let launching =
        |member: &Member| member.state == MemberState::Launching && member.id.0.starts_with("i-");
    let world = place
        .until("held", |world| {
            let members = &world.generations[&SECOND].members;
            members.iter().any(launching)
        })
        .await;
    let members = &world.generations[&SECOND].members;
    let held = members.iter().find(|member| launching(member)).unwrap();
    place.without_second(fence, &held.id).await;
    assert_ne!(place.state_of(&held.id.0), "running");
    assert_eq!(place.inventory()["groups"], ["immutable-web-1"]);
}
