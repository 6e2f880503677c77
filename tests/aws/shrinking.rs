//! Who goes when a generation shrinks, and what its group does then.

use crate::account::between;
use crate::fleet::{FIRST, holder, web};
use crate::place::Place;
use immutable::cloud::aws::AwsCloud;
use immutable::cloud::{Cloud, ErrorKind, Fence};
use immutable::driver::Ending;
use immutable::model::{MemberId, Timestamp};
use immutable::rollout::{Action, Foreign, MemberState, Parked, Strategy, World};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

impl Place {
    async fn serving(&self, size: u32) {
        let first = self.release("1").await;
        let goal = self.goal(self.launch(&first), size);
        let done = self.run(goal, Strategy::BlueGreen).await;
        assert!(matches!(done.ending, Ending::Reached(_)), "{done:#?}");
    }

    fn first_group(&self, action: &str, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("Action", action),
            ("AutoScalingGroupName", "immutable-web-1"),
            ("AutoScalingGroupNames.member.1", "immutable-web-1"),
        ];
        parameters.extend(more);
        self.query("autoscaling", "2011-01-01", &parameters)
    }

    /// The zones of the members of the first generation, by instance.
    fn zones(&self) -> BTreeMap<String, String> {
        let group = self.first_group("DescribeAutoScalingGroups", &[]);
        let instances = between(&group, "<Instances>", "</Instances>");
        let each = instances.split("</member>").filter(|it| it.contains("i-"));
        let told = each.map(|instance| {
            ["InstanceId", "AvailabilityZone"].map(|name| {
                let (before, after) = (format!("<{name}>"), format!("</{name}>"));
                between(instance, &before, &after)
            })
        });
        told.map(|[id, zone]| (id, zone)).collect()
    }

    /// Makes members differ from what they were made as.
    fn touch(&self, members: &[String]) {
        let made = self.ec2(&[
            ("Action", "CreateSecurityGroup"),
            ("GroupName", "by-hand"),
            ("GroupDescription", "by hand"),
            ("VpcId", &self.text("vpc_id")),
        ]);
        let group = between(&made, "<groupId>", "</groupId>");
        for member in members {
            self.ec2(&[
                ("Action", "ModifyInstanceAttribute"),
                ("InstanceId", member),
                ("GroupId.1", &group),
            ]);
        }
    }
}

/// Another process that holds the lease.
async fn heir(place: &Place) -> (AwsCloud, Fence) {
    let cloud = place.another();
    let (fleet, holder) = (web(), holder());
    let lease = cloud.take_lease(&fleet, &holder, Duration::from_secs(600));
    let fence = lease.await.unwrap().fence;
    (cloud, fence)
}

fn resize(size: u32) -> Action {
    Action::ResizeGeneration {
        number: FIRST,
        size,
    }
}

const END: &str = "TerminateInstanceInAutoScalingGroup";

impl Place {
    /// Lets calls be refused in AWS's words.
    fn refuse(&self, operation: &str, count: u32, words: &str) {
        self.fault(json!({
            "kind": "error", "operation": operation, "status": 400, "count": count,
            "code": "ValidationError", "message": words,
        }));
    }

    fn ended_by(&self) -> u64 {
        let calls = self.calls();
        calls[&format!("autoscaling:{END}")]
    }
}

/// Whether the first generation has so many members, all of them running.
fn has(world: &World, size: usize) -> bool {
    let members = &world.generations[&FIRST].members;
    members.len() == size && members.iter().all(|it| it.state == MemberState::Running)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_shrinks_stays_spread_over_its_zones() {
    let place = Place::new();
    place.serving(6).await;
    let (cloud, fence) = heir(&place).await;
    cloud.act(&web(), fence, &resize(3)).await.unwrap();
    place.until("three", |world| has(world, 3)).await;
    let zones: BTreeSet<String> = place.zones().into_values().collect();
    assert_eq!(zones.len(), 3, "{zones:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_never_moves_members_between_zones() {
    let place = Place::new();
    place.serving(6).await;
    let group = place.first_group("DescribeAutoScalingGroups", &[]);
    assert!(
        group.contains("<ProcessName>AZRebalance</ProcessName>"),
        "{group}"
    );
    // As where the process that made the group ended right after that.
    place.first_group("ResumeProcesses", &[]);
    let before = place.zones();
    let zone = before.values().next().unwrap();
    let drifted = before.iter().filter(|(_, of)| *of == zone);
    let drifted: Vec<String> = drifted.map(|(id, _)| id.clone()).collect();
    assert_eq!(drifted.len(), 2, "{before:?}");
    place.touch(&drifted);
    let (cloud, fence) = heir(&place).await;
    cloud.act(&web(), fence, &resize(4)).await.unwrap();
    place.until("four", |world| has(world, 4)).await;
    // What it launches from now on is what is asked for, and nothing else was.
    cloud.act(&web(), fence, &resize(5)).await.unwrap();
    place.until("five", |world| has(world, 5)).await;
    let after = place.zones().into_keys();
    let new = after.filter(|id| !before.contains_key(id));
    assert_eq!(new.count(), 1);
    let (gone, there) = (drifted, place.zones());
    assert!(gone.iter().all(|id| !there.contains_key(id)), "{there:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_go_by_one_call_and_by_themselves_where_aws_refuses_one_of_them() {
    let place = Place::new();
    place.serving(6).await;
    let (cloud, fence) = heir(&place).await;
    place.forget_calls();
    cloud.act(&web(), fence, &resize(4)).await.unwrap();
    assert_eq!(place.ended_by(), 1);
    place.until("four", |world| has(world, 4)).await;
    let gone = "Instance Id not found - No managed instance found for instance ID: i-0abc";
    place.refuse(END, 1, gone);
    place.forget_calls();
    cloud.act(&web(), fence, &resize(2)).await.unwrap();
    assert_eq!(place.ended_by(), 3);
    place.until("two", |world| has(world, 2)).await;
    // It ended by itself, or its group was about to end it: the size alone is left to say.
    for words in [
        gone,
        "Currently, desiredSize equals minSize (1). Terminating instance without replacement will \
         violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false \
         or lower group's min size.",
    ] {
        place.refuse(END, 1, words);
        cloud.act(&web(), fence, &resize(1)).await.unwrap();
        place.until("one", |world| has(world, 1)).await;
        cloud.act(&web(), fence, &resize(2)).await.unwrap();
        place.until("two", |world| has(world, 2)).await;
    }
    place.refuse(END, 1, "1 validation error detected: something else");
    let error = cloud.act(&web(), fence, &resize(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shrink_that_was_cut_off_reads_as_not_done_and_is_done_again() {
    let place = Place::new();
    place.serving(4).await;
    let (cloud, fence) = heir(&place).await;
    place.refuse(END, 1, "Instance Id not found - No managed instance found");
    place.fault(json!({ "kind": "error", "operation": END, "after": 1, "count": 0 }));
    let error = cloud.act(&web(), fence, &resize(1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    place.end_faults();
    let group = place.first_group("DescribeAutoScalingGroups", &[]);
    assert!(
        group.contains("<DesiredCapacity>3</DesiredCapacity>"),
        "{group}"
    );
    let world = place.world().await;
    assert_eq!(Foreign::of(&world), Foreign::default());
    let told = &world.generations[&FIRST];
    assert_eq!((told.wanted, told.desired), (1, 4));
    cloud.act(&web(), fence, &resize(1)).await.unwrap();
    place.until("one", |world| has(world, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_cannot_be_taken_out_yet_is_waited_for_and_one_that_is_out_is_fine() {
    let place = Place::new();
    place.serving(2).await;
    let (cloud, fence) = heir(&place).await;
    let member = place.zones().into_keys().next().unwrap();
    let parked = Action::Park(Parked {
        member: MemberId(member.clone()),
        generation: FIRST,
        release: place.world().await.generations[&FIRST].release.clone(),
        by: "a person".to_owned(),
        reason: "to look".to_owned(),
        ticket: "T-1".to_owned(),
        until: Timestamp::from_milliseconds(4_000_000_000_000),
    });
    let early = format!("The instance {member} is not in InService or Standby.");
    place.refuse("DetachInstances", 1, &early);
    let error = cloud.act(&web(), fence, &parked).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    let out = format!("The instance {member} is not part of Auto Scaling group immutable-web-1.");
    place.refuse("DetachInstances", 1, &out);
    cloud.act(&web(), fence, &parked).await.unwrap();
    cloud.act(&web(), fence, &parked).await.unwrap();
    place
        .until("another one", |world| {
            let there = &world.generations[&FIRST].members;
            has(world, 2) && there.iter().all(|it| it.id.0 != member)
        })
        .await;
}
