"""What the stand-in's tests share: one stand-in a module, an account a test, waits on conditions."""

import json
import os
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 120.0  # for a condition that comes true within a second on a quiet machine
REGION = "us-east-1"
MEMBER = '''#!/usr/bin/env python3
import http.server, os, signal, sys, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path.startswith("/slow"):
            time.sleep(float(self.path.rsplit("=", 1)[1]))
        code = 500 if os.path.exists(os.environ.get("SICK", "/nonexistent")) else 200
        body = (os.environ.get("VERSION", "none") + " " + os.environ["INSTANCE_ID"]).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *arguments):
        pass

print("member", os.environ.get("VERSION"), "at", os.environ["HOST"], os.environ["PORT"], flush=True)
if os.environ.get("CRASH"):
    sys.exit("cannot go on")
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
Server((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
'''


class StandIn:
    """A running stand-in."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [os.path.join(HERE, "run"), "--port", "0", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        if not line.startswith("ready "):
            raise RuntimeError(f"the stand-in said {line!r}")
        self.url = line.split()[1]

    def ask(self, method, path, **wish):
        """One control request."""
        query = "" if method == "POST" else "?" + "&".join(f"{key}={value}" for key, value in wish.items())
        data = json.dumps(wish).encode() if method == "POST" else None
        request = urllib.request.Request(f"{self.url}/standin/{path}{query}", data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def end(self):
        """Closes its stdin, upon which it goes."""
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


def eventually(claim, what):
    """Waits until `claim()` gives something true, and returns that."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found = claim()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


class Case(unittest.TestCase):
    """A test with an account and a network of its own."""

    accounts = iter(range(1, 10**6))
    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.standin = StandIn(*cls.flags)
        cls.addClassCleanup(cls.standin.end)

    def setUp(self):
        self.account = f"{next(Case.accounts):012}"
        self.network = self.standin.ask("POST", "network", account=self.account)
        self.addCleanup(self.standin.ask, "DELETE", "faults")
        self.addCleanup(self.standin.ask, "DELETE", "launches")
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)
        self.ec2 = self.client("ec2")
        self.asg = self.client("autoscaling")
        self.elb = self.client("elbv2")
        self.addCleanup(self.end_members)

    def client(self, service, region=REGION, account=None, attempts=1):
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.standin.url,
            aws_access_key_id=f"AKIA{account or self.account}",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": attempts}, read_timeout=60),
        )

    def end_members(self):
        """Leaves no process of this test behind."""
        for group in self.asg.describe_auto_scaling_groups()["AutoScalingGroups"]:
            if "Status" not in group:
                self.asg.delete_auto_scaling_group(AutoScalingGroupName=group["AutoScalingGroupName"], ForceDelete=True)
        living = self.instances()
        if living:
            self.ec2.terminate_instances(InstanceIds=[instance["InstanceId"] for instance in living])

    def instances(self, *states):
        """Instances that are not terminated, or those in the given states."""
        found = [instance for page in self.ec2.describe_instances()["Reservations"] for instance in page["Instances"]]
        return [
            instance
            for instance in found
            if (instance["State"]["Name"] in states if states else instance["State"]["Name"] != "terminated")
        ]

    def image(self, command=None, name="web"):
        """An image of a small web server, or of the given command; `""` makes one without a process."""
        if command is None:
            command = os.path.join(self.place.name, "member")
            with open(command, "w") as program:
                program.write(MEMBER)
            os.chmod(command, 0o755)
        tags = [{"Key": "Name", "Value": name}] + ([{"Key": "standin:command", "Value": command}] if command else [])
        return self.ec2.register_image(
            Name=name,
            Architecture="x86_64",
            RootDeviceName="/dev/xvda",
            TagSpecifications=[{"ResourceType": "image", "Tags": tags}],
        )["ImageId"]

    def template(self, name="t1", image=None, environment="VERSION=1", **data):
        """A launch template whose user data sets the environment."""
        import base64

        script = "#cloud-boothook\n#!/bin/sh\n" + "".join(f"export {pair}\n" for pair in environment.split())
        return self.ec2.create_launch_template(
            LaunchTemplateName=name,
            LaunchTemplateData={
                "ImageId": image or self.image(),
                "InstanceType": "t3.micro",
                "UserData": base64.b64encode(script.encode()).decode(),
                **data,
            },
        )["LaunchTemplate"]["LaunchTemplateId"]

    def group(self, template, name="g1", size=2, **options):
        """An Auto Scaling group over all subnets."""
        wish = {
            "AutoScalingGroupName": name,
            "MinSize": 0,
            "MaxSize": 10,
            "DesiredCapacity": size,
            "VPCZoneIdentifier": ",".join(self.network["subnet_ids"]),
            "LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"},
            **options,
        }
        self.asg.create_auto_scaling_group(**{key: value for key, value in wish.items() if value is not None})
        return name

    def target_group(self, name="tg1", **options):
        """A target group on port 8080 that probes `/` every 5 s of AWS's time."""
        wish = {
            "Name": name,
            "Protocol": "HTTP",
            "Port": 8080,
            "VpcId": self.network["vpc_id"],
            "HealthCheckIntervalSeconds": 5,
            "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": 2,
            **options,
        }
        return self.elb.create_target_group(**wish)["TargetGroups"][0]["TargetGroupArn"]

    def rule(self, weights, priority=10, path="/*"):
        """A rule that forwards by weight: target group ARN to weight."""
        return self.elb.create_rule(
            ListenerArn=self.network["listener_arn"],
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[self.forward(weights)],
        )["Rules"][0]["RuleArn"]

    def forward(self, weights):
        groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
        return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}

    def members(self, name="g1", state="InService"):
        """Members of a group in a lifecycle state."""
        groups = self.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        found = groups[0]["Instances"] if groups else []
        return [member for member in found if state in (None, member["LifecycleState"])]

    def health(self, target_group):
        """Target id to its state."""
        told = self.elb.describe_target_health(TargetGroupArn=target_group)["TargetHealthDescriptions"]
        return {entry["Target"]["Id"]: entry["TargetHealth"] for entry in told}

    def healthy(self, target_group):
        return [target for target, health in self.health(target_group).items() if health["State"] == "healthy"]

    def get(self, path="/", host="web", timeout=60):
        """Status and text of a request to the front."""
        request = urllib.request.Request(f"http://{self.network['endpoint']}{path}", headers={"Host": host})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def code_of(self, act):
        """The code of the error that `act` ends in."""
        from botocore.exceptions import ClientError

        with self.assertRaises(ClientError) as caught:
            act()
        return caught.exception.response["Error"]["Code"]
