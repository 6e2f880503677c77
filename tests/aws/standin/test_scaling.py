"""Auto Scaling groups that act on their own, and the calls they refuse."""

import collections
import unittest

from fixture import Case, eventually


class Scaling(Case):
    """Groups of imaginary machines: nothing here needs a process, but for the dead ones."""

    def setUp(self):
        super().setUp()
        self.imaginary = self.image("", "imaginary")

    def simple(self, size=2, name="g1", **options):
        template = self.template(f"t-{name}", self.imaginary)
        self.group(template, name, size, **options)
        return template

    def activities(self, name="g1"):
        return self.asg.describe_scaling_activities(AutoScalingGroupName=name)["Activities"]

    def settled(self, size, name="g1"):
        return eventually(lambda: len(self.members(name)) == size == len(self.members(name, None)) and self.members(name), f"{size} members in service")

    def replaced(self, member):
        """Waits until another member serves in this one's place."""
        gone = member["InstanceId"]
        eventually(lambda: [other for other in self.members() if other["InstanceId"] != gone], "another one")

    def stay_pending(self):
        """Keeps what is launched from running until the setting is put back."""
        self.standin.ask("POST", "settings", pending=3600)
        self.addCleanup(self.standin.ask, "POST", "settings", pending=0.1)

    def test_members_are_pending_first_and_spread_over_the_subnets(self):
        self.stay_pending()
        self.simple(6)
        eventually(lambda: self.members(state="Pending"), "pending members")
        self.standin.ask("POST", "settings", pending=0.1)
        zones = collections.Counter(member["AvailabilityZone"] for member in self.settled(6))
        self.assertEqual(sorted(zones.values()), [2, 2, 2])
        launched = [activity for activity in self.activities() if activity["StatusCode"] == "Successful"]
        self.assertEqual(len(launched), 6)
        self.assertIn("Launching a new EC2 instance: i-", launched[0]["Description"])

    def test_growing_and_shrinking_keep_the_zones_level(self):
        self.simple(6)
        self.settled(6)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=3)
        zones = collections.Counter(member["AvailabilityZone"] for member in self.settled(3))
        self.assertEqual(sorted(zones.values()), [1, 1, 1])
        eventually(lambda: len(self.instances("running")) == 3, "the others are terminated")

    def lose_a_zone(self):
        """Terminates both members of one zone of six in three; returns who is left."""
        members = self.settled(6)
        for member in members:
            if member["AvailabilityZone"] == self.network["zones"][0]:
                self.asg.terminate_instance_in_auto_scaling_group(InstanceId=member["InstanceId"], ShouldDecrementDesiredCapacity=True)
        return {member["InstanceId"] for member in members if member["AvailabilityZone"] != self.network["zones"][0]}

    def test_members_are_moved_until_the_zones_are_level(self):
        self.simple(6)
        left = self.lose_a_zone()

        def levelled():
            members = self.members(state=None)
            zones = collections.Counter(member["AvailabilityZone"] for member in members)
            return sorted(zones.values()) == [1, 1, 2] and {member["InstanceId"] for member in members}

        self.assertEqual(len(eventually(levelled, "level zones") - left), 1)
        self.assertTrue(any("balancing the group's zones" in activity["Cause"] for activity in self.activities()))

    def test_nobody_is_moved_while_balancing_is_suspended(self):
        self.simple(6)
        self.asg.suspend_processes(AutoScalingGroupName="g1", ScalingProcesses=["AZRebalance"])
        left = self.lose_a_zone()
        self.settled(4)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=5)
        members = {member["InstanceId"] for member in self.settled(5)}
        self.assertEqual(len(members - left), 1)
        self.assertFalse(any("balancing" in activity["Cause"] for activity in self.activities()))

    def test_a_member_terminated_by_hand_is_replaced(self):
        self.simple(2)
        before = {member["InstanceId"] for member in self.settled(2)}
        gone = before.pop()
        self.ec2.terminate_instances(InstanceIds=[gone])
        eventually(lambda: gone not in {member["InstanceId"] for member in self.members(state=None)}, "gone from the group")
        self.settled(2)
        self.assertTrue(any("health check" in activity["Cause"] for activity in self.activities()))

    def test_a_member_stopped_by_hand_is_replaced(self):
        self.simple(1)
        (member,) = self.settled(1)
        self.ec2.stop_instances(InstanceIds=[member["InstanceId"]])
        self.replaced(member)

    def test_a_member_whose_process_died_is_impaired_and_replaced(self):
        template = self.template("t1")
        self.group(template, size=1, HealthCheckGracePeriod=0)
        (member,) = self.settled(1)
        eventually(lambda: self.pid(member["InstanceId"]), "a process")
        self.standin.ask("POST", "guests", instance=member["InstanceId"], do="kill")
        self.replaced(member)
        self.assertTrue(any("status check failure" in activity["Cause"] for activity in self.activities()))

    def pid(self, instance):
        guests = self.standin.ask("GET", "guests", account=self.account)
        return next((guest["pid"] for guest in guests if guest["instance"] == instance), None)

    def test_an_unhealthy_target_is_replaced_only_under_the_type_elb_and_after_the_grace(self):
        import os

        sick = os.path.join(self.place.name, "sick")
        open(sick, "w").close()
        image = self.image()
        found = {}
        for name, kind, grace in (("ec2", "EC2", 0), ("graced", "ELB", 86400), ("elb", "ELB", 0)):
            found[name] = self.target_group(f"tg-{name}")
            template = self.template(f"t-{name}", image, f"SICK={sick}")
            self.group(template, name, 1, TargetGroupARNs=[found[name]], HealthCheckType=kind, HealthCheckGracePeriod=grace)
        self.rule({arn: 1 for arn in found.values()})
        eventually(lambda: any("ELB system health check" in activity["Cause"] for activity in self.activities("elb")), "replaced")
        eventually(lambda: all("unhealthy" in states(self.health(found[name])) for name in ("ec2", "graced")), "these are unhealthy too")
        for name in ("ec2", "graced"):
            self.assertEqual(len(self.activities(name)), 1, f"{name} launched once and did no more")

    def test_set_instance_health_replaces_at_once_without_the_grace(self):
        self.simple(1, HealthCheckGracePeriod=86400)
        (member,) = self.settled(1)
        self.asg.set_instance_health(InstanceId=member["InstanceId"], HealthStatus="Unhealthy", ShouldRespectGracePeriod=False)
        self.replaced(member)

    def test_launches_that_fail_are_told_and_tried_again(self):
        self.standin.ask("POST", "launches", code="VcpuLimitExceeded", group="g1", account=self.account, count=2)
        self.simple(1)
        failed = eventually(lambda: [entry for entry in self.activities() if entry["StatusCode"] == "Failed"], "a failed launch")
        self.assertIn("vCPU limit", failed[0]["StatusMessage"])
        self.assertTrue(failed[0]["StatusMessage"].endswith("Launching EC2 instance failed."))
        self.settled(1)
        self.assertEqual(len([entry for entry in self.activities() if entry["StatusCode"] == "Failed"]), 2)

    def test_a_zone_without_capacity_is_made_up_for_elsewhere(self):
        full = self.network["zones"][0]
        self.standin.ask("POST", "launches", code="InsufficientInstanceCapacity", zone=full, account=self.account)
        self.simple(4)
        zones = {member["AvailabilityZone"] for member in self.settled(4)}
        self.assertEqual(zones, set(self.network["zones"][1:]))

    def test_an_instance_profile_that_does_not_exist_fails_every_launch(self):
        template = self.template("t1", self.imaginary, IamInstanceProfile={"Name": "nobody"})
        self.group(template, size=1)
        failed = eventually(self.activities, "an activity")[0]
        self.assertEqual(failed["StatusCode"], "Failed")
        self.assertIn("Invalid IAM Instance Profile name", failed["StatusMessage"])

    def test_an_instance_profile_that_exists_is_on_the_instance(self):
        self.client("iam").create_instance_profile(InstanceProfileName="web")
        template = self.template("t1", self.imaginary, IamInstanceProfile={"Name": "web"})
        self.group(template, size=1)
        self.settled(1)
        self.assertTrue(self.instances()[0]["IamInstanceProfile"]["Arn"].endswith("instance-profile/web"))

    def test_an_image_deregistered_later_fails_the_next_launch(self):
        self.simple(0)
        self.ec2.deregister_image(ImageId=self.imaginary)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=1)
        failed = eventually(self.activities, "an activity")[0]
        self.assertIn("does not exist", failed["StatusMessage"])

    def test_a_name_is_unique(self):
        template = self.simple(0)
        self.assertEqual(self.code_of(lambda: self.group(template, "g1", 0)), "AlreadyExists")

    def test_sizes_are_held_to_their_bounds(self):
        template = self.simple(1, MaxSize=2)
        for act in (
            lambda: self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=3),
            lambda: self.asg.update_auto_scaling_group(AutoScalingGroupName="g1", DesiredCapacity=3),
            lambda: self.group(template, "g2", 5, MaxSize=4),
            lambda: self.group(template, "g3", 1, MinSize=3, MaxSize=2),
        ):
            self.assertEqual(self.code_of(act), "ValidationError")

    def test_a_template_that_cannot_launch_is_refused(self):
        template = self.template("t1", self.imaginary)
        self.ec2.deregister_image(ImageId=self.imaginary)
        self.assertEqual(self.code_of(lambda: self.group(template)), "ValidationError")
        self.assertEqual(self.code_of(lambda: self.simple(TargetGroupARNs=["arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/no/1"])), "ValidationError")

    def test_a_group_with_instances_is_deleted_by_force_only_and_takes_its_time(self):
        self.simple(1)
        self.settled(1)
        self.assertEqual(self.code_of(lambda: self.asg.delete_auto_scaling_group(AutoScalingGroupName="g1")), "ResourceInUse")
        self.asg.delete_auto_scaling_group(AutoScalingGroupName="g1", ForceDelete=True)
        told = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["g1"])["AutoScalingGroups"][0]
        self.assertEqual(told["Status"], "Delete in progress")
        self.assertEqual(self.code_of(lambda: self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=1)), "ScalingActivityInProgress")
        eventually(lambda: not self.members(state=None) and not self.standin.ask("GET", "inventory", account=self.account)["groups"], "gone")
        self.assertEqual(self.instances(), [])

    def test_several_types_are_tried_in_order_and_spot_has_its_share(self):
        self.standin.ask("POST", "launches", code="InsufficientInstanceCapacity", type="m5.large", account=self.account)
        template = self.template("t1", self.imaginary)
        policy = {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
                "Overrides": [{"InstanceType": "m5.large"}, {"InstanceType": "t3.small"}],
            },
            "InstancesDistribution": {"OnDemandBaseCapacity": 1, "OnDemandPercentageAboveBaseCapacity": 0},
        }
        self.group(template, size=3, LaunchTemplate=None, MixedInstancesPolicy=policy)
        members = self.settled(3)
        self.assertEqual({member["InstanceType"] for member in members}, {"t3.small"})
        lifecycles = [instance.get("InstanceLifecycle") for instance in self.instances()]
        self.assertEqual(sorted(lifecycles, key=str), [None, "spot", "spot"])
        self.asg.update_auto_scaling_group(AutoScalingGroupName="g1", MaxSize=5)
        told = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=["g1"])["AutoScalingGroups"][0]
        self.assertIn("MixedInstancesPolicy", told, "an update that does not name it keeps it")

    def test_tags_reach_instances_and_volumes(self):
        tags = [
            {"ResourceType": "instance", "Tags": [{"Key": "from", "Value": "template"}]},
            {"ResourceType": "volume", "Tags": [{"Key": "disk", "Value": "root"}]},
        ]
        template = self.template("t1", self.imaginary, TagSpecifications=tags)
        self.group(template, size=1, Tags=[{"Key": "fleet", "Value": "web", "PropagateAtLaunch": True}, {"Key": "own", "Value": "x", "PropagateAtLaunch": False}])
        self.settled(1)
        found = {tag["Key"]: tag["Value"] for tag in self.instances()[0]["Tags"]}
        self.assertEqual((found["from"], found["fleet"], found["aws:autoscaling:groupName"]), ("template", "web", "g1"))
        self.assertNotIn("own", found)
        volumes = self.ec2.describe_volumes()["Volumes"]
        self.assertEqual([volume["Tags"] for volume in volumes], [[{"Key": "disk", "Value": "root"}]])

    def test_a_member_terminated_through_the_group_drains_and_is_not_replaced_when_decremented(self):
        target_group = self.target_group()
        self.elb.modify_target_group_attributes(TargetGroupArn=target_group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "3600"}])
        self.simple(2, TargetGroupARNs=[target_group])
        self.rule({target_group: 1})
        member = self.settled(2)[0]["InstanceId"]
        eventually(lambda: len(self.healthy(target_group)) == 2, "healthy")
        answer = self.asg.terminate_instance_in_auto_scaling_group(InstanceId=member, ShouldDecrementDesiredCapacity=True)
        self.assertIn(member, answer["Activity"]["Description"])
        self.assertEqual(self.health(target_group)[member]["State"], "draining")
        self.assertEqual(self.members(state="Terminating")[0]["InstanceId"], member)
        self.assertIn(member, [instance["InstanceId"] for instance in self.instances("running")])
        self.elb.delete_rule(RuleArn=self.elb.describe_rules(ListenerArn=self.network["listener_arn"])["Rules"][0]["RuleArn"])
        self.elb.delete_target_group(TargetGroupArn=target_group)
        eventually(lambda: len(self.members(state=None)) == 1, "one is left")

    def words_of(self, act):
        """What a refusal says."""
        with self.assertRaises(self.asg.exceptions.ClientError) as caught:
            act()
        self.assertEqual(caught.exception.response["Error"]["Code"], "ValidationError")
        return caught.exception.response["Error"]["Message"]

    def end(self, *members, **more):
        return lambda: self.asg.terminate_instance_in_auto_scaling_group(
            AutoScalingGroupName="g1", InstanceIds=list(members), ShouldDecrementDesiredCapacity=True, **more
        )

    def test_several_members_are_terminated_together_or_none_is(self):
        self.simple(4, MinSize=1)
        ids = [member["InstanceId"] for member in self.settled(4)]
        for refused, words in (
            (self.end(*ids), "desiredSize equals minSize (1)"),
            (self.end(ids[0], "i-0123456789abcdef0"), "No managed instance found"),
            (self.end(ids[0], InstanceId=ids[1]), "Exactly one"),
            (self.end(*[f"i-{number}" for number in range(101)]), "less than or equal to 100"),
        ):
            self.assertIn(words, self.words_of(refused))
        self.assertEqual(len(self.members()), 4)
        self.assertEqual(len(self.end(*ids[1:])()["Activities"]), 3)
        self.assertEqual([member["InstanceId"] for member in self.settled(1)], ids[:1])

    def detach(self, member, decrement=True):
        return lambda: self.asg.detach_instances(AutoScalingGroupName="g1", InstanceIds=[member], ShouldDecrementDesiredCapacity=decrement)

    def test_members_that_serve_are_detached_and_take_their_time(self):
        self.stay_pending()
        self.simple(1)
        (pending,) = eventually(lambda: self.members(state="Pending"), "pending")
        self.assertIn("is not in InService or Standby", self.words_of(self.detach(pending["InstanceId"])))
        self.standin.ask("POST", "settings", pending=0.1)
        (member,) = self.settled(1)
        self.assertIn("is not part of Auto Scaling group", self.words_of(self.detach("i-0123456789abcdef0")))
        self.detach(member["InstanceId"])()
        self.assertEqual(self.members(state=None)[0]["LifecycleState"], "Detaching")
        eventually(lambda: not self.members(state=None), "left")
        self.assertEqual([instance["InstanceId"] for instance in self.instances("running")], [member["InstanceId"]])

    def test_who_is_still_detaching_ends_with_its_group(self):
        self.simple(1)
        (member,) = self.settled(1)
        self.detach(member["InstanceId"])()
        self.asg.delete_auto_scaling_group(AutoScalingGroupName="g1", ForceDelete=True)
        eventually(lambda: not self.instances(), "gone")

    def test_a_pending_member_that_is_terminated_leaves_a_cancelled_launch(self):
        self.stay_pending()
        self.simple(1)
        (pending,) = eventually(lambda: self.members(state="Pending"), "pending")
        self.end(pending["InstanceId"])()
        launched = [activity for activity in self.activities() if activity["Description"].startswith("Launching")]
        self.assertEqual([activity["StatusCode"] for activity in launched], ["Cancelled"])

    def test_target_groups_are_attached_and_detached_with_their_states(self):
        target_group = self.target_group()
        self.simple(1)
        self.settled(1)
        self.rule({target_group: 1})
        self.asg.attach_load_balancer_target_groups(AutoScalingGroupName="g1", TargetGroupARNs=[target_group])
        eventually(lambda: self.attachments() == ["InService"], "in service")
        self.elb.modify_target_group_attributes(TargetGroupArn=target_group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "60"}])
        self.asg.detach_load_balancer_target_groups(AutoScalingGroupName="g1", TargetGroupARNs=[target_group])
        self.assertEqual(self.attachments(), ["Removing"])
        eventually(lambda: self.attachments() == [] and not self.health(target_group), "removed")

    def test_nothing_is_launched_for_a_group_with_a_target_group_that_is_gone(self):
        target_group = self.target_group()
        self.simple(0, TargetGroupARNs=[target_group])
        self.elb.delete_target_group(TargetGroupArn=target_group)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=1)
        failed = eventually(self.activities, "an activity")[0]
        self.assertIn("One or more target groups not found", failed["StatusMessage"])
        self.asg.detach_load_balancer_target_groups(AutoScalingGroupName="g1", TargetGroupARNs=[target_group])
        self.settled(1)

    def attachments(self):
        told = self.asg.describe_load_balancer_target_groups(AutoScalingGroupName="g1")["LoadBalancerTargetGroups"]
        return [entry["State"] for entry in told]

    def test_policies_belong_to_their_group_and_go_with_it(self):
        self.simple(0, "g1")
        self.simple(0, "g2")
        wish = {
            "PolicyName": "cpu",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingConfiguration": {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"}, "TargetValue": 50.0},
        }
        for name in ("g1", "g2"):
            answer = self.asg.put_scaling_policy(AutoScalingGroupName=name, **wish)
            self.assertEqual(len(answer["Alarms"]), 2)
        self.assertEqual(len(self.asg.describe_policies()["ScalingPolicies"]), 2)
        self.assertEqual(len(self.standin.ask("GET", "inventory", account=self.account)["alarms"]), 4)
        self.asg.delete_policy(AutoScalingGroupName="g1", PolicyName="cpu")
        (left,) = self.asg.describe_policies()["ScalingPolicies"]
        self.assertEqual(left["AutoScalingGroupName"], "g2")
        self.asg.delete_auto_scaling_group(AutoScalingGroupName="g2")
        self.assertEqual(self.asg.describe_policies()["ScalingPolicies"], [])
        self.assertEqual(self.standin.ask("GET", "inventory", account=self.account)["alarms"], [])

    def test_suspended_processes_are_honoured(self):
        self.simple(0)
        self.asg.suspend_processes(AutoScalingGroupName="g1", ScalingProcesses=["Launch"])
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=1)
        self.simple(1, "g2")
        self.settled(1, "g2")
        self.assertEqual(self.members(state=None), [])
        self.asg.resume_processes(AutoScalingGroupName="g1")
        self.settled(1)

    def test_protected_members_stay(self):
        self.simple(2, NewInstancesProtectedFromScaleIn=True)
        kept, free = [member["InstanceId"] for member in self.settled(2)]
        self.asg.set_instance_protection(AutoScalingGroupName="g1", InstanceIds=[free], ProtectedFromScaleIn=False)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=0)
        eventually(lambda: [member["InstanceId"] for member in self.members(state=None)] == [kept], "only the protected one")

    def test_a_launch_hook_keeps_a_member_waiting_until_it_is_completed(self):
        self.simple(0)
        self.asg.put_lifecycle_hook(AutoScalingGroupName="g1", LifecycleHookName="boot", LifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING", HeartbeatTimeout=7200)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=1)
        (member,) = eventually(lambda: self.members(state="Pending:Wait"), "waiting")
        self.asg.complete_lifecycle_action(AutoScalingGroupName="g1", LifecycleHookName="boot", InstanceId=member["InstanceId"], LifecycleActionResult="CONTINUE")
        self.settled(1)

    def test_a_termination_hook_ends_with_its_timeout(self):
        self.simple(1)
        self.settled(1)
        self.asg.put_lifecycle_hook(AutoScalingGroupName="g1", LifecycleHookName="bye", LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", HeartbeatTimeout=60)
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=0)
        eventually(lambda: self.members(state="Terminating:Wait"), "waiting")
        eventually(lambda: not self.members(state=None), "gone")

    def test_pages_are_as_short_as_those_of_aws(self):
        self.simple(60, MaxSize=60)
        self.settled(60)
        first = self.asg.describe_auto_scaling_instances()
        self.assertEqual(len(first["AutoScalingInstances"]), 50)
        rest = self.asg.describe_auto_scaling_instances(NextToken=first["NextToken"])
        self.assertEqual(len(rest["AutoScalingInstances"]), 10)
        self.assertEqual(len(self.asg.describe_scaling_activities(AutoScalingGroupName="g1", MaxRecords=20)["Activities"]), 20)


def states(health):
    return {entry["State"] for entry in health.values()}


if __name__ == "__main__":
    unittest.main()
