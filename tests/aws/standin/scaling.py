"""Auto Scaling groups that act on their own: launch, watch, replace, drain, terminate.

moto does all of it inside the call; here a call only states the wish, and `beat` brings every
group closer to it, with an activity for each thing done.
"""

import datetime

from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup, InstanceState, autoscaling_backends
from moto.core.utils import utcnow
from moto.moto_api._internal import mock_random

from . import hooks, instances, launch, targets
from .errors import Refused
from .world import world

ALIVE = ("Pending", "Pending:Wait", "InService")
KEEPS_ACTIVITIES = 1000
MISSING = "an instance was started in response to a difference between desired and actual capacity, increasing the capacity."


def install():
    """Puts this module's behaviour into moto."""
    FakeAutoScalingGroup.set_desired_capacity = set_desired_capacity
    AutoScalingBackend.update_attached_target_groups = lambda self, name: None
    AutoScalingBackend.notify_terminate_instances = lambda self, ids: None
    world.on_beat(beat)


def set_desired_capacity(self, capacity):
    """States the wish; `beat` does the rest."""
    self.desired_capacity = self.min_size if capacity is None else capacity


def beat():
    """Brings every group of every account closer to its wish."""
    for _, _, backend in autoscaling_backends.iter_backends():
        for group in list(backend.autoscaling_groups.values()):
            prepare(group)
            for member in list(group.instance_states):
                advance(group, member)
            settle_attachments(group)
            if is_deleting(group):
                finish_deletion(backend, group)
            else:
                bring_to_size(group)


def prepare(group):
    """Gives a group the fields that moto's has not."""
    if not hasattr(group, "activities"):
        group.activities = []
        group.retry_at = 0.0
        group.blocked_subnets = {}
        group.detaching = {}
        backend_activities(group).append(group.activities)


def backend_activities(group):
    backend = group.autoscaling_backend
    if not hasattr(backend, "all_activities"):
        backend.all_activities = []
    return backend.all_activities


def is_deleting(group):
    return getattr(group, "status", None) is not None


def is_suspended(group, process):
    return process in {suspended["ProcessName"] for suspended in group.suspended_processes}


# Activities


def record(group, description, cause, status="InProgress", message=None, subnet=None):
    """Writes an activity at the head of the group's history."""
    zone = subnet.availability_zone if subnet else group.availability_zones[0]
    now = utcnow()
    activity = {
        "ActivityId": str(mock_random.uuid4()),
        "AutoScalingGroupName": group.name,
        "AutoScalingGroupARN": group.arn,
        "Description": description,
        "Cause": cause,
        "StartTime": now,
        "EndTime": None if status == "InProgress" else now,
        "StatusCode": status,
        "StatusMessage": message,
        "Progress": 50 if status == "InProgress" else 100,
        "Details": '{"Subnet ID":"%s","Availability Zone":"%s"}' % (subnet.id if subnet else "", zone),
    }
    group.activities.insert(0, activity)
    del group.activities[KEEPS_ACTIVITIES:]
    return activity


def finish(activity, status="Successful"):
    activity.update(StatusCode=status, Progress=100, EndTime=utcnow())


def at():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


# One member


def advance(group, member):
    """Moves one member on along its lifecycle."""
    if member.lifecycle_state in ("Pending", "Pending:Wait"):
        advance_pending(group, member)
    elif member.lifecycle_state == "InService":
        watch(group, member)
    elif member.lifecycle_state in ("Terminating", "Terminating:Wait"):
        advance_terminating(group, member)
    elif member.lifecycle_state == "Detaching":
        advance_detaching(group, member)


def advance_pending(group, member):
    state = member.instance.state
    if state == "running":
        if not hooks.let_pass(group, member, hooks.LAUNCHING, "Pending:Wait"):
            return
        if member.abandoned:
            finish(member.activity, "Cancelled")
            retire(group, member, "its launch was abandoned by a lifecycle hook.")
            return
        member.lifecycle_state = "InService"
        member.in_service_since = world.now()
        attach(group, member)
        finish(member.activity)
    elif state != "pending":
        finish(member.activity, "Cancelled")
        retire(group, member, f"instance {member.instance_id} left the state pending before it was in service")


def attach(group, member):
    """Registers a member with every target group that it is not yet in."""
    if is_suspended(group, "AddToLoadBalancer"):
        return
    for target_group in target_groups(group):
        if member.instance_id not in targets.targets_of(target_group):
            target_group.register([{"Id": member.instance_id}])


def target_groups(group):
    known = group.autoscaling_backend.elbv2_backend.target_groups
    return [known[arn] for arn in group.target_group_arns if arn in known]


def watch(group, member):
    """Attaches a serving member, and retires it when it is ill."""
    reason = illness(group, member)
    if reason is None:
        if member.instance.state == "running":
            attach(group, member)
        return
    member.health_status = "Unhealthy"
    if not is_suspended(group, "ReplaceUnhealthy") and not is_suspended(group, "Terminate"):
        retire(group, member, f"an instance was taken out of service in response to {reason}.")


def illness(group, member):
    """What Auto Scaling holds against a member, in its words; None if nothing."""
    if is_suspended(group, "HealthCheck"):
        return None
    state = member.instance.state
    if state in ("shutting-down", "terminated"):
        return "an EC2 health check that indicated it has been terminated or stopped"
    if member.health_status == "Unhealthy":
        return "a user health-check" if not in_grace(group, member) or not getattr(member, "respects_grace", True) else None
    if state in ("stopping", "stopped"):
        return "an EC2 instance status check failure"
    if in_grace(group, member):
        return None
    if instances.is_impaired(member.instance):
        return "an EC2 instance status check failure"
    if group.health_check_type and "ELB" in group.health_check_type:
        for target_group in target_groups(group):
            target = targets.targets_of(target_group).get(member.instance_id)
            if target is not None and target.state == "unhealthy":
                return "an ELB system health check failure"
    return None


def in_grace(group, member):
    grace = world.settings.scaled(group.health_check_grace_period or 0)
    if grace > 0:
        grace = max(grace, world.settings.grace_floor)
    return world.now() < getattr(member, "in_service_since", 0.0) + grace


def retire(group, member, cause):
    """Takes a member out: drained first, then terminated. A launch that was under way is over."""
    if member.lifecycle_state.startswith("Pending") and member.activity["StatusCode"] == "InProgress":
        finish(member.activity, "Cancelled")
    member.lifecycle_state = "Terminating"
    subnet = launch.subnet_of(member.instance)
    member.activity = record(
        group, f"Terminating EC2 instance: {member.instance_id}", f"At {at()} {cause}", subnet=subnet
    )
    drain(group, member)
    return member.activity


def drain(group, member):
    """Takes a member out of the target groups, which let it finish."""
    for target_group in target_groups(group):
        target = targets.targets_of(target_group).get(member.instance_id)
        if target is not None:
            targets.drain(target)


def is_target(group, member):
    return any(member.instance_id in targets.targets_of(target_group) for target_group in target_groups(group))


def advance_terminating(group, member):
    if is_target(group, member):
        return
    if member.instance.state == "terminated":
        finish(member.activity)
        group.instance_states.remove(member)
    elif member.instance.state != "shutting-down" and hooks.let_pass(group, member, hooks.TERMINATING, "Terminating:Wait"):
        instances.terminate(member.instance)


def detach(group, member):
    """Begins to let a member go, running: it is drained, and stays in its group until then at least."""
    member.lifecycle_state = "Detaching"
    member.detached_at = world.now() + world.settings.detach
    drain(group, member)
    cause = f"At {at()} instance {member.instance_id} was detached in response to a user request."
    member.activity = record(group, f"Detaching EC2 instance: {member.instance_id}", cause, subnet=launch.subnet_of(member.instance))
    return member.activity


def advance_detaching(group, member):
    if world.now() < member.detached_at or is_target(group, member):
        return
    group.ec2_backend.delete_tags([member.instance_id], {"aws:autoscaling:groupName": group.name})
    finish(member.activity)
    group.instance_states.remove(member)


# The group


def settle_attachments(group):
    """Forgets the target groups whose detaching has finished."""
    for arn in list(group.detaching):
        if not any(member.instance_id in targets.watched.get(arn, {}) for member in group.instance_states):
            del group.detaching[arn]


def finish_deletion(backend, group):
    for member in group.instance_states:
        if not member.lifecycle_state.startswith("Terminating"):
            retire(group, member, "the group is being deleted.")
    if not group.instance_states:
        backend.autoscaling_groups.pop(group.name, None)


def bring_to_size(group):
    """Launches what is missing, retires what is too much."""
    alive = [member for member in group.instance_states if member.lifecycle_state in ALIVE]
    wanted = group.desired_capacity or 0
    if len(alive) < wanted and not is_suspended(group, "Launch") and world.now() >= group.retry_at:
        for _ in range(wanted - len(alive)):
            if not add_member(group):
                return
    elif len(alive) > wanted and not is_suspended(group, "Terminate"):
        if any(member.levels and member.lifecycle_state != "InService" for member in alive):
            return
        for member in surplus(alive, len(alive) - wanted):
            retire(group, member, f"instance {member.instance_id} was selected for termination, shrinking the capacity.")
    elif len(alive) == wanted and not is_suspended(group, "AZRebalance"):
        level_zones(group, alive)


def level_zones(group, alive):
    """Moves members to emptier zones, which AWS does unasked: it launches first, a tenth above the
    greatest size if need be, and terminates in the fullest zones once the newcomers serve."""
    if not group.vpc_zone_identifier or any(member.lifecycle_state != "InService" for member in alive):
        return
    counts = {subnet.availability_zone: 0 for subnet in launch.subnets_of(group)}
    for member in alive:
        counts[member.availability_zone] += 1
    for _ in range(max(1, group.max_size // 10)):
        emptiest, fullest = min(counts, key=counts.get), max(counts, key=counts.get)
        if counts[fullest] - counts[emptiest] < 2 or world.now() < group.retry_at:
            return
        subnets = [subnet for subnet in launch.subnets_of(group) if subnet.availability_zone == emptiest]
        if not add_member(group, "an instance was launched to aid in balancing the group's zones.", subnets):
            return
        group.instance_states[-1].levels = True
        counts[emptiest] += 1
        counts[fullest] -= 1


def surplus(alive, count):
    """Who goes first: not the protected; from the fullest zone; the oldest there."""
    free = [member for member in alive if not member.protected_from_scale_in]
    chosen = []
    while free and len(chosen) < count:
        zones = [member.availability_zone for member in alive if member not in chosen]
        fullest = max(free, key=lambda member: (zones.count(member.availability_zone), -alive.index(member)))
        free.remove(fullest)
        chosen.append(fullest)
    return chosen


def add_member(group, why=MISSING, subnets=None):
    """Launches one member; a failure is an activity, and the group waits before it tries again."""
    cause = f"At {at()} {why}"
    try:
        instance, subnet = launch.launch_member(group, subnets)
    except launch.Failed as failure:
        description = "Launching a new EC2 instance.  Status Reason: " + failure.words
        record(group, description, cause, "Failed", failure.words, failure.subnet)
        group.retry_at = world.now() + world.settings.launch_retry
        return False
    instance.autoscaling_group = group
    member = InstanceState(
        instance, "Pending", protected_from_scale_in=group.new_instances_protected_from_scale_in
    )
    member.levels = False
    member.activity = record(group, f"Launching a new EC2 instance: {instance.id}", cause, subnet=subnet)
    group.instance_states.append(member)
    return True


def member_of(backend, instance_id):
    """The group and the member of an instance id."""
    for group in backend.autoscaling_groups.values():
        for member in group.instance_states:
            if member.instance_id == instance_id:
                return group, member
    raise Refused("ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
