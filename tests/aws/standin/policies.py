"""Scaling policies: each belongs to its group, and target tracking makes alarms of its own.

Two groups may have a policy of the same name. The alarms are there to be counted and described;
nothing evaluates them.
"""

from moto.autoscaling.models import AutoScalingBackend, FakeScalingPolicy
from moto.autoscaling.responses import AutoScalingResponse
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.responses import ActionResult, EmptyResult
from moto.moto_api._internal import mock_random

from . import groups
from .errors import Refused

moto_put = AutoScalingResponse.put_scaling_policy


def install():
    """Puts this module's behaviour into moto."""
    AutoScalingBackend.put_scaling_policy = put_policy
    AutoScalingResponse.put_scaling_policy = put_scaling_policy
    AutoScalingResponse.delete_policy = delete_policy
    AutoScalingResponse.execute_policy = execute_policy


def put_policy(self, name, policy_type, metric_aggregation_type, **options):
    """A new policy of the group, or a change of one, which keeps its alarms."""
    groups.group_named(self, options["as_name"])
    policy = FakeScalingPolicy(name, policy_type, metric_aggregation_type, autoscaling_backend=self, **options)
    known = self.policies.get((policy.auto_scaling_group_name, name))
    policy.alarms = known.alarms if known else make_alarms(self, policy)
    self.policies[(policy.auto_scaling_group_name, name)] = policy
    return policy


def put_scaling_policy(self):
    """PutScalingPolicy, answering with the alarms."""
    arn = moto_put(self).result["PolicyArn"]
    policy = self.autoscaling_backend.policies[key_of(self.autoscaling_backend, None, arn)]
    return ActionResult({"PolicyArn": arn, "Alarms": policy.alarms})


def make_alarms(backend, policy):
    """The alarms of a target tracking policy: one to grow, one to shrink."""
    if policy.policy_type != "TargetTrackingScaling":
        return []
    cloudwatch = cloudwatch_backends[backend.account_id][backend.region_name]
    target = float(policy.target_tracking_configuration.TargetValue)
    made = []
    for side, comparison in (("High", "GreaterThanThreshold"), ("Low", "LessThanThreshold")):
        name = f"TargetTracking-{policy.auto_scaling_group_name}-Alarm{side}-{mock_random.uuid4()}"
        alarm = cloudwatch.put_metric_alarm(
            name=name,
            namespace="AWS/EC2",
            metric_name="CPUUtilization",
            comparison_operator=comparison,
            evaluation_periods=3 if side == "High" else 15,
            period=60,
            threshold=target if side == "High" else target * 0.9,
            statistic="Average",
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
            dimensions=[{"Name": "AutoScalingGroupName", "Value": policy.auto_scaling_group_name}],
            alarm_actions=[policy.arn],
        )
        made.append({"AlarmName": name, "AlarmARN": alarm.alarm_arn})
    return made


def forget(backend, key):
    """Deletes a policy and its alarms."""
    policy = backend.policies.pop(key)
    alarms = cloudwatch_backends[backend.account_id][backend.region_name].alarms
    for alarm in policy.alarms:
        alarms.pop(alarm["AlarmName"], None)


def forget_group(backend, group_name):
    """Deletes the policies of a group that is deleted."""
    for key in [key for key in backend.policies if key[0] == group_name]:
        forget(backend, key)


def delete_policy(self):
    """DeletePolicy: by name within a group, or by ARN."""
    forget(self.autoscaling_backend, asked_key(self))
    return EmptyResult()


def execute_policy(self):
    """ExecutePolicy, carried out at once."""
    self.autoscaling_backend.policies[asked_key(self)].execute()
    return EmptyResult()


def asked_key(response):
    return key_of(response.autoscaling_backend, response._get_param("AutoScalingGroupName"), response._get_param("PolicyName"))


def key_of(backend, group_name, name):
    for key, policy in backend.policies.items():
        if policy.arn == name or (policy.name == name and group_name in (None, policy.auto_scaling_group_name)):
            return key
    raise Refused("ValidationError", f"PolicyName not found: {name}")
