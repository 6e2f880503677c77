"""A generation as the provider makes it: launch template, group, target group, rule, traffic."""

import os
import socket
import threading
import unittest

from fixture import Case, eventually


class Fleet(Case):
    """Traffic and health, with members of a group behind the front."""

    def setUp(self):
        super().setUp()
        self.only_image = self.image()

    def generation(self, name="g1", version="1", size=2, sick="", **options):
        """A group of members and its target group, which no rule uses yet."""
        target_group = self.target_group(f"tg-{name}")
        environment = f"VERSION={version}" + (f" SICK={sick}" if sick else "")
        template = self.template(f"t-{name}", environment=environment, image=self.only_image)
        self.group(template, name, size, TargetGroupARNs=[target_group], **options)
        return target_group

    def versions(self, requests):
        """How many of so many requests each version answered."""
        found = {}
        for _ in range(requests):
            _, text = self.get()
            found[text.split()[0]] = found.get(text.split()[0], 0) + 1
        return found

    def test_the_weight_of_a_lone_target_group_is_told_as_an_account_says(self):
        group = self.target_group()
        for told, weights in [("one", [1]), ("none", [])]:
            self.standin.ask("POST", "lone", account=self.account, told=told)
            rule = self.rule({group: 0}, priority=10 + len(weights))
            (action,) = self.elb.describe_rules(RuleArns=[rule])["Rules"][0]["Actions"]
            groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
            self.assertEqual(([entry["Weight"] for entry in groups], action["TargetGroupArn"]), (weights, group))

    def test_what_iam_would_be_asked_names_resources_with_their_tags(self):
        group = self.elb.create_target_group(
            Name="im-web", Protocol="HTTP", Port=80, VpcId=self.network["vpc_id"], Tags=[{"Key": "fleet", "Value": "web"}]
        )["TargetGroups"][0]["TargetGroupArn"]
        self.elb.delete_target_group(TargetGroupArn=group)
        asked = self.standin.ask("GET", "authority", account=self.account)
        told = [(one["action"].split(":")[1], one["resources"][0]["tags"], one["request_tags"]) for one in asked if one["action"].startswith("elastic")]
        self.assertEqual(told, [("CreateTargetGroup", None, ["fleet"]), ("AddTags", None, ["fleet"]), ("DeleteTargetGroup", {"fleet": "web"}, [])])

    def test_members_start_as_processes_and_serve_through_the_front(self):
        target_group = self.generation()
        self.rule({target_group: 1})
        eventually(lambda: len(self.healthy(target_group)) == 2, "two healthy targets")
        eventually(lambda: self.get()[0] == 200, "the front serves")
        self.assertIn(self.get()[1].split()[1], self.healthy(target_group))

    def test_a_target_group_that_no_rule_uses_reports_no_health(self):
        target_group = self.generation(size=1)
        told = eventually(lambda: self.health(target_group), "a target")
        (health,) = told.values()
        self.assertEqual((health["State"], health["Reason"]), ("unused", "Target.NotInUse"))
        self.rule({target_group: 0})
        eventually(lambda: self.healthy(target_group), "weight 0 is enough for health checks")

    def test_weights_share_the_requests_exactly_and_change_after_a_delay(self):
        first, second = self.generation("g1", "1"), self.generation("g2", "2")
        rule = self.rule({first: 90, second: 10})
        eventually(lambda: len(self.healthy(first)) == len(self.healthy(second)) == 2, "all healthy")
        eventually(lambda: self.get()[0] == 200, "the front serves")
        self.assertEqual(self.versions(100), {"1": 90, "2": 10})
        self.standin.ask("POST", "settings", rule_delay=3600)
        self.elb.modify_rule(RuleArn=rule, Actions=[self.forward({first: 0, second: 100})])
        self.assertEqual(set(self.versions(100)), {"1", "2"}, "the change is answered before it is done")
        self.standin.ask("POST", "settings", rule_delay=0.1)
        self.elb.modify_rule(RuleArn=rule, Actions=[self.forward({first: 0, second: 100})])
        eventually(lambda: self.versions(20) == {"2": 20}, "all requests to the second")

    def test_conditions_and_priorities_choose_the_rule(self):
        first, second = self.generation("g1", "1", 1), self.generation("g2", "2", 1)
        self.elb.create_rule(
            ListenerArn=self.network["listener_arn"],
            Priority=1,
            Conditions=[{"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}, {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}],
            Actions=[self.forward({first: 1})],
        )
        self.rule({second: 1}, priority=2, path="/api/*")
        eventually(lambda: self.healthy(first) and self.healthy(second), "both healthy")
        eventually(lambda: self.get("/api/x", "www.example.com")[1].startswith("1 "), "both conditions hold")
        self.assertTrue(self.get("/api/x", "other")[1].startswith("2 "))
        self.assertEqual(self.get("/", "www.example.com"), (404, "no rule"))

    def test_a_sick_target_is_told_with_its_code_and_gets_no_traffic(self):
        sick = os.path.join(self.place.name, "sick")
        well, ill = self.generation("g1", "1", 1), self.generation("g2", "2", 1, sick=sick)
        self.rule({well: 1, ill: 1})
        eventually(lambda: self.healthy(well) and self.healthy(ill), "both healthy")
        open(sick, "w").close()
        health = eventually(lambda: not self.healthy(ill) and list(self.health(ill).values()), "unhealthy")[0]
        self.assertEqual((health["State"], health["Reason"]), ("unhealthy", "Target.ResponseCodeMismatch"))
        self.assertIn("500", health["Description"])
        self.assertEqual({self.get()[0] for _ in range(4)}, {200, 500}, "a group without a healthy target fails open")
        os.remove(sick)
        eventually(lambda: self.healthy(ill), "healthy again after the threshold")

    def test_only_healthy_targets_get_requests_while_there_is_one(self):
        target_group = self.generation(size=2)
        self.rule({target_group: 1})
        eventually(lambda: len(self.healthy(target_group)) == 2, "both healthy")
        frozen, living = self.healthy(target_group)
        self.standin.ask("POST", "settings", probe_patience=0.2)
        self.addCleanup(self.standin.ask, "POST", "settings", probe_patience=1.0)
        self.standin.ask("POST", "guests", instance=frozen, do="freeze")
        self.addCleanup(self.standin.ask, "POST", "guests", instance=frozen, do="thaw")
        eventually(lambda: self.health(target_group)[frozen].get("Reason") == "Target.Timeout", "timed out")
        # On a busy machine so short a patience may have run out with the living one as well.
        self.standin.ask("POST", "settings", probe_patience=1.0)
        eventually(lambda: self.healthy(target_group) == [living], "the living one alone is healthy")
        self.assertEqual({self.get()[1].split()[1] for _ in range(6)}, {living})

    def test_a_removed_target_drains_and_its_request_is_answered(self):
        target_group = self.generation(size=1)
        self.elb.modify_target_group_attributes(
            TargetGroupArn=target_group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "3600"}]
        )
        self.rule({target_group: 1})
        (member,) = eventually(lambda: self.healthy(target_group), "healthy")
        eventually(lambda: self.get()[0] == 200, "the front serves")
        answers = []
        slow = threading.Thread(target=lambda: answers.append(self.get("/slow=3")))
        slow.start()
        eventually(lambda: self.in_flight(member) == 1, "a request in flight")
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=0)
        eventually(lambda: self.health(target_group)[member]["State"] == "draining", "draining")
        slow.join()
        self.assertEqual(answers[0][0], 200)
        self.assertEqual(self.members(state="Terminating")[0]["InstanceId"], member, "it waits for the delay")
        self.assertEqual(self.get()[0], 503, "nobody else is there, and a draining target gets nothing new")

    def in_flight(self, member):
        return sum(target["in_flight"] for target in self.standin.ask("GET", "targets") if target["instance"] == member)

    def test_what_is_in_flight_when_the_delay_ends_is_cut(self):
        target_group = self.generation(size=1)
        self.elb.modify_target_group_attributes(
            TargetGroupArn=target_group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
        )
        self.rule({target_group: 1})
        (member,) = eventually(lambda: self.healthy(target_group), "healthy")
        eventually(lambda: self.get()[0] == 200, "the front serves")
        patience = self.standin.ask("GET", "settings")["drain_patience"]
        self.standin.ask("POST", "settings", drain_patience=0.0)
        self.addCleanup(self.standin.ask, "POST", "settings", drain_patience=patience)
        answers = []
        slow = threading.Thread(target=lambda: answers.append(self.get("/slow=20")))
        slow.start()
        eventually(lambda: self.in_flight(member) == 1, "a request in flight")
        self.asg.set_desired_capacity(AutoScalingGroupName="g1", DesiredCapacity=0)
        slow.join()
        self.assertEqual(answers[0][0], 502)
        eventually(lambda: not self.members(state=None), "the member is gone")

    def test_a_target_deregistered_by_hand_comes_back_as_new(self):
        target_group = self.generation(size=1)
        self.rule({target_group: 1})
        (member,) = eventually(lambda: self.healthy(target_group), "healthy")
        self.asg.suspend_processes(AutoScalingGroupName="g1", ScalingProcesses=["AddToLoadBalancer"])
        self.elb.deregister_targets(TargetGroupArn=target_group, Targets=[{"Id": member}])
        self.assertEqual(self.health(target_group)[member]["Reason"], "Target.DeregistrationInProgress")
        # No probe ends, well or not, between the registration and the look at it.
        self.standin.ask("POST", "settings", probe_patience=3600)
        self.addCleanup(self.standin.ask, "POST", "settings", probe_patience=1.0)
        self.standin.ask("POST", "guests", instance=member, do="freeze")
        self.addCleanup(self.standin.ask, "POST", "guests", instance=member, do="thaw")
        self.elb.register_targets(TargetGroupArn=target_group, Targets=[{"Id": member}])
        self.assertEqual(self.health(target_group)[member]["Reason"], "Elb.RegistrationInProgress")
        self.standin.ask("POST", "guests", instance=member, do="thaw")
        self.standin.ask("POST", "settings", probe_patience=1.0)
        eventually(lambda: self.healthy(target_group), "healthy after one success")

    def test_bodies_pass_in_both_directions(self):
        import urllib.request

        target_group = self.generation(size=1)
        self.rule({target_group: 1})
        eventually(lambda: self.healthy(target_group), "healthy")
        eventually(lambda: self.get()[0] == 200, "the front serves")
        body = os.urandom(300_000)
        with urllib.request.urlopen(f"http://{self.network['endpoint']}/", body, timeout=20) as answer:
            self.assertEqual(answer.read(), body)


class Network(Case):
    """A network load balancer: TCP."""

    def test_a_tcp_listener_weighs_connections_and_follows_its_default_action(self):
        network = self.standin.ask("POST", "network", account=self.account, kind="network")
        self.network = network
        groups = []
        for version in ("1", "2"):
            groups.append(self.target_group(f"tg{version}", Protocol="TCP", HealthCheckProtocol="TCP"))
            template = self.template(f"t{version}", environment=f"VERSION={version}", image=self.image(name=f"web{version}"))
            self.group(template, f"g{version}", 1, TargetGroupARNs=[groups[-1]])
        action = self.forward({groups[0]: 1, groups[1]: 3})
        self.elb.modify_listener(ListenerArn=network["listener_arn"], DefaultActions=[action])
        eventually(lambda: all(self.healthy(group) for group in groups), "both healthy")
        eventually(lambda: self.get()[0] == 200, "the front serves")
        answers = [self.get()[1].split()[0] for _ in range(8)]
        self.assertEqual(sorted(answers), ["1"] * 2 + ["2"] * 6)

    def test_a_listener_that_is_deleted_is_closed(self):
        self.elb.delete_listener(ListenerArn=self.network["listener_arn"])

        def refused():
            with socket.socket() as client:
                return client.connect_ex(("127.0.0.1", self.network["port"])) != 0

        eventually(refused, "nobody listens")


if __name__ == "__main__":
    unittest.main()
