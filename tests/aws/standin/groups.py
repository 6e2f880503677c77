"""The calls of Auto Scaling as strict as AWS: they check, state the wish, and leave the rest to `scaling`."""

import copy

from moto.autoscaling.models import AutoScalingBackend
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

from . import images, pages, policies, scaling, targets
from .errors import Refused, require

INSTANCES_PAGE = 50
ACTIVITIES_PAGE = 100
ENDED_AT_ONCE = 100
DETACHED_AT_ONCE = 20
moto_create = AutoScalingBackend.create_auto_scaling_group
moto_update = AutoScalingBackend.update_auto_scaling_group


def install():
    """Puts this module's behaviour into moto."""
    for function in BACKEND:
        setattr(AutoScalingBackend, function.__name__, function)
    for function in RESPONSES:
        setattr(AutoScalingResponse, function.__name__, function)


def group_named(backend, name):
    group = backend.autoscaling_groups.get(name)
    require(group is not None, "ValidationError", "AutoScalingGroup name not found - null")
    scaling.prepare(group)
    return group


def refuse_sizes(minimum, maximum, desired):
    require(minimum <= maximum, "ValidationError", "Max bound, min bound, and desired capacity must be valid: MinSize exceeds MaxSize")
    require(
        desired is None or minimum <= desired <= maximum,
        "ValidationError",
        f"Desired capacity:{desired} must be between the specified min size:{minimum} and max size:{maximum}",
    )


def refuse_target_groups(backend, arns):
    for arn in arns or []:
        require(arn in backend.elbv2_backend.target_groups, "ValidationError", f"Provided Target Groups may not be valid. Please ensure they exist and try again: {arn}")


def create_auto_scaling_group(self, name, **options):
    """CreateAutoScalingGroup: a name is unique, also while its group is being deleted."""
    known = self.autoscaling_groups.get(name)
    if known is not None:
        if scaling.is_deleting(known):
            raise Refused("ScalingActivityInProgress", "You cannot create an AutoScalingGroup with the name of one that is being deleted")
        raise Refused("AlreadyExists", f"AutoScalingGroup by this name already exists - A group with the name {name} already exists")
    refuse_sizes(int(options["min_size"]), int(options["max_size"]), options.get("desired_capacity"))
    refuse_target_groups(self, options.get("target_group_arns"))
    refuse_template(self, options)
    group = moto_create(self, name=name, **options)
    group.created_time = utcnow()
    scaling.prepare(group)
    return group


def refuse_template(backend, options):
    """Refuses a launch template that could never launch, as AWS does at once."""
    policy = options.get("mixed_instances_policy") or {}
    wanted = options.get("launch_template") or policy.get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    if not wanted:
        return
    words = "You must use a valid fully-formed launch template. "
    try:
        version = backend.ec2_backend._get_template_from_args({key: value for key, value in wanted.items() if value})
        images.launchable(backend.ec2_backend, version.image_id)
    except (Refused, IndexError) as error:
        raise Refused("ValidationError", words + getattr(error, "message", "The specified launch template does not exist.")) from None


def update_auto_scaling_group(self, name, **options):
    """UpdateAutoScalingGroup: sizes are checked, and what is not named stays."""
    group = group_named(self, name)
    refuse_deleting(group)
    minimum = group.min_size if options.get("min_size") is None else options["min_size"]
    maximum = group.max_size if options.get("max_size") is None else options["max_size"]
    refuse_sizes(minimum, maximum, options.get("desired_capacity"))
    if not options.get("mixed_instances_policy") and not options.get("launch_template"):
        options["mixed_instances_policy"] = kept_policy(group)
    desired = options.get("desired_capacity")
    options["desired_capacity"] = min(max(group.desired_capacity, minimum), maximum) if desired is None else desired
    return moto_update(self, name, **options)


def kept_policy(group):
    """The policy as it may be given again: moto tells a template by id and name, and takes only one."""
    policy = copy.deepcopy(group.mixed_instances_policy)
    if policy:
        policy["LaunchTemplate"]["LaunchTemplateSpecification"].pop("LaunchTemplateName", None)
    return policy


def refuse_deleting(group):
    require(not scaling.is_deleting(group), "ScalingActivityInProgress", "AutoScalingGroup is being deleted")


def set_desired_capacity(self, group_name, desired_capacity):
    group = group_named(self, group_name)
    refuse_deleting(group)
    require(
        desired_capacity <= group.max_size,
        "ValidationError",
        f"New SetDesiredCapacity value {desired_capacity} is above max value {group.max_size} for the AutoScalingGroup.",
    )
    require(
        desired_capacity >= group.min_size,
        "ValidationError",
        f"New SetDesiredCapacity value {desired_capacity} is below min value {group.min_size} for the AutoScalingGroup.",
    )
    group.set_desired_capacity(desired_capacity)


def delete_auto_scaling_group(self):
    """DeleteAutoScalingGroup: with instances only by force, and then it takes its time."""
    name = self._get_param("AutoScalingGroupName")
    backend = self.autoscaling_backend
    group = group_named(backend, name)
    if group.instance_states:
        require(
            self._get_bool_param("ForceDelete", False),
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.",
        )
        group.status = "Delete in progress"
        group.min_size = group.desired_capacity = 0
    else:
        backend.autoscaling_groups.pop(name)
    policies.forget_group(backend, name)
    for key, hook in list(backend.lifecycle_hooks.items()):
        if hook.auto_scaling_group_name == name:
            del backend.lifecycle_hooks[key]
    return EmptyResult()


def terminate_instance_in_auto_scaling_group(self):
    """TerminateInstanceInAutoScalingGroup: one by its id, or up to 100 of a group, all or none."""
    backend, one = self.autoscaling_backend, self._get_param("InstanceId")
    several, name = self._get_param("InstanceIds", []), self._get_param("AutoScalingGroupName")
    require(bool(one) != bool(several), "ValidationError", "Exactly one of InstanceId and InstanceIds must be specified")
    require(one or name, "ValidationError", "AutoScalingGroupName is required with InstanceIds")
    refuse_many(several, ENDED_AT_ONCE)
    found = [scaling.member_of(backend, instance_id) for instance_id in several or [one]]
    for (group, _), instance_id in zip(found, several):
        require(group.name == name, "ValidationError", f"Instance Id not found - No managed instance found for instance ID: {instance_id}")
    ended = end(found[0][0], [member for _, member in found], self._get_bool_param("ShouldDecrementDesiredCapacity"))
    return ActionResult({"Activities": ended} if several else {"Activity": ended[0]})


def refuse_many(ids, most):
    require(len(ids) <= most, "ValidationError", f"1 validation error detected: Value at 'instanceIds' failed to satisfy constraint: Member must have length less than or equal to {most}")


def end(group, members, should_decrement):
    """Drains and terminates members, which are replaced unless the group is to have fewer."""
    if should_decrement:
        refuse_fewer(group, len(members), "Terminating instance")
        group.desired_capacity -= len(members)
    return [
        member.activity
        if member.lifecycle_state.startswith("Terminating")
        else scaling.retire(group, member, f"instance {member.instance_id} was taken out of service in response to a user request.")
        for member in members
    ]


def refuse_fewer(group, count, what):
    """Refuses to go below the least size, in AWS's words."""
    require(
        group.desired_capacity - count >= group.min_size,
        "ValidationError",
        f"Currently, desiredSize equals minSize ({group.min_size}). {what} without replacement will violate group's min size constraint. "
        "Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.",
    )


def detach_instances(self, group_name, instance_ids, should_decrement):
    """DetachInstances: those that serve alone, and they take their time to leave."""
    group = group_named(self, group_name)
    refuse_deleting(group)
    refuse_many(instance_ids, DETACHED_AT_ONCE)
    known = {member.instance_id: member for member in group.instance_states}
    for instance_id in instance_ids:
        require(instance_id in known, "ValidationError", f"The instance {instance_id} is not part of Auto Scaling group {group_name}.")
        require(known[instance_id].lifecycle_state in ("InService", "Standby"), "ValidationError", f"The instance {instance_id} is not in InService or Standby.")
    if should_decrement:
        refuse_fewer(group, len(instance_ids), "Detaching instance")
        group.desired_capacity -= len(instance_ids)
    return [scaling.detach(group, known[instance_id]) for instance_id in instance_ids]


def set_instance_health(self):
    status = self._get_param("HealthStatus")
    require(status in ("Healthy", "Unhealthy"), "ValidationError", "Valid instance health states are: [Healthy, Unhealthy]")
    _, member = scaling.member_of(self.autoscaling_backend, self._get_param("InstanceId"))
    member.health_status = status
    member.respects_grace = self._get_bool_param("ShouldRespectGracePeriod", True)
    return EmptyResult()


def attach_load_balancer_target_groups(self, group_name, target_group_arns):
    group = group_named(self, group_name)
    refuse_target_groups(self, target_group_arns)
    group.append_target_groups(target_group_arns)


def detach_load_balancer_target_groups(self, group_name, target_group_arns):
    """DetachLoadBalancerTargetGroups: the members drain, and are told as Removing until they have."""
    group = group_named(self, group_name)
    for arn in target_group_arns:
        require(arn in group.target_group_arns, "ValidationError", f"Trying to remove Target Groups that are not part of the group: {arn}")
        group.detaching[arn] = True
        for member in group.instance_states:
            target = targets.watched.get(arn, {}).get(member.instance_id)
            if target is not None:
                targets.drain(target)
    group.target_group_arns = [arn for arn in group.target_group_arns if arn not in target_group_arns]


def describe_load_balancer_target_groups(self):
    """DescribeLoadBalancerTargetGroups with the states Adding, Added, InService and Removing."""
    group = group_named(self.autoscaling_backend, self._get_param("AutoScalingGroupName"))
    told = [{"LoadBalancerTargetGroupARN": arn, "State": attachment(group, arn)} for arn in group.target_group_arns]
    told += [{"LoadBalancerTargetGroupARN": arn, "State": "Removing"} for arn in group.detaching]
    return ActionResult({"LoadBalancerTargetGroups": told})


def attachment(group, arn):
    known = targets.watched.get(arn, {})
    serving = [member for member in group.instance_states if member.lifecycle_state == "InService"]
    if any(member.instance_id in known and known[member.instance_id].state == "healthy" for member in serving):
        return "InService"
    return "Added" if all(member.instance_id in known for member in serving) else "Adding"


def describe_auto_scaling_instances(self):
    """DescribeAutoScalingInstances with pages."""
    members = self.autoscaling_backend.describe_auto_scaling_instances(instance_ids=self._get_param("InstanceIds", []))
    size = min(self._get_int_param("MaxRecords", INSTANCES_PAGE), INSTANCES_PAGE)
    page, following = pages.page_of(members, size, self._get_param("NextToken"))
    return ActionResult({"AutoScalingInstances": page, "NextToken": following})


def describe_scaling_activities(self):
    """DescribeScalingActivities: newest first, with pages."""
    backend, name = self.autoscaling_backend, self._get_param("AutoScalingGroupName")
    wanted = self._get_param("ActivityIds", [])
    if name and not self._get_bool_param("IncludeDeletedGroups", False):
        group_named(backend, name)
    every = [activity for history in getattr(backend, "all_activities", []) for activity in history]
    found = [
        activity
        for activity in sorted(every, key=lambda activity: activity["StartTime"], reverse=True)
        if name in (None, activity["AutoScalingGroupName"]) and (not wanted or activity["ActivityId"] in wanted)
    ]
    size = min(self._get_int_param("MaxRecords", ACTIVITIES_PAGE), ACTIVITIES_PAGE)
    page, following = pages.page_of(found, size, self._get_param("NextToken"))
    return ActionResult({"Activities": page, "NextToken": following})


BACKEND = [
    create_auto_scaling_group,
    update_auto_scaling_group,
    set_desired_capacity,
    detach_instances,
    attach_load_balancer_target_groups,
    detach_load_balancer_target_groups,
]
RESPONSES = [
    terminate_instance_in_auto_scaling_group,
    delete_auto_scaling_group,
    set_instance_health,
    describe_load_balancer_target_groups,
    describe_auto_scaling_instances,
    describe_scaling_activities,
]
