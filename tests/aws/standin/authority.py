"""What IAM would be asked about each call that changes something: the action, the resources with the
tags that they carry at that moment, and the tags that the request brings.
"""

import json
import re
import urllib.parse

from moto.autoscaling.models import autoscaling_backends
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

from . import instances
from .calls import IAM_PREFIX

KEY = re.compile(r"(?:^|\.)Tags?\.(?:member\.)?\d+\.Key$")
asked = {}  # account -> questions, in their order


def note(call):
    """Writes down what IAM would be asked about a call. Called with the lock, before its effect."""
    if call.is_read and call.operation != "GetConsoleOutput":
        return
    about = ABOUT.get(call.service)
    if about is not None:
        fields = fields_of(call)
        asked.setdefault(call.account, []).extend(about(call, fields))


def fields_of(call):
    if call.protocol == "json":
        return json.loads(call.body or b"{}")
    return dict(urllib.parse.parse_qsl(call.body.decode()))


def question(call, resources, tags=(), action=None, created_by=None):
    """One question: `resources` are pairs of an ARN and the tags there, None where it is not there."""
    service = IAM_PREFIX.get(call.service, call.service)
    return {
        "action": action or f"{service}:{call.operation}",
        "resources": [{"arn": arn, "tags": carried} for arn, carried in resources],
        "request_tags": sorted(tags),
        "created_by": created_by,
    }


def request_tags(fields):
    return [value for name, value in fields.items() if KEY.search(name)]


def values(fields, name):
    """A field's value, or the values of a list of it."""
    pattern = re.compile(rf"(?:^|\.){name}(?:s\.member)?(?:\.\d+)?$")
    return [value for key, value in fields.items() if pattern.search(key)]


def about_ec2(call, fields):
    place, backend = f"arn:aws:ec2:{call.region}", ec2_backends[call.account][call.region]
    if call.operation in ("RunInstances", "CreateLaunchTemplate", "CopyImage"):
        yield question(call, [(f"{place}:{call.account}:launch-template/*", None)], request_tags(fields))
        for name, kind in fields.items():
            if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", name):
                owner = "" if kind in ("image", "snapshot") else call.account
                resource = [(f"{place}:{owner}:{kind}/*", None)]
                yield question(call, resource, request_tags(fields), "ec2:CreateTags", call.operation)
        return
    found = []
    for instance in values(fields, "InstanceId") + [it for it in values(fields, "ResourceId") if it.startswith("i-")]:
        found.append((f"{place}:{call.account}:instance/{instance}", tags_of_ec2(backend, instance)))
    for image in values(fields, "ImageId") + [it for it in values(fields, "ResourceId") if it.startswith("ami-")]:
        found.append((f"{place}::image/{image}", tags_of_ec2(backend, image)))
    for snapshot in values(fields, "SnapshotId") + [it for it in values(fields, "ResourceId") if it.startswith("snap-")]:
        found.append((f"{place}::snapshot/{snapshot}", tags_of_ec2(backend, snapshot)))
    for name in values(fields, "LaunchTemplateName"):
        template = backend.launch_template_name_to_ids.get(name)
        found.append((f"{place}:{call.account}:launch-template/{template}", tags_of_ec2(backend, template)))
    yield question(call, found, request_tags(fields))


def tags_of_ec2(backend, resource):
    there = (instances.machines, backend.amis, backend.snapshots, backend.launch_templates)
    if not any(resource in kind for kind in there):
        return None
    return dict(backend.tags.get(resource, {}))


def about_groups(call, fields):
    groups = autoscaling_backends[call.account][call.region].autoscaling_groups
    names = values(fields, "AutoScalingGroupName")
    if not names:
        ids = values(fields, "InstanceId")
        names = [name for name, group in groups.items() if any(member.instance.id in ids for member in group.instance_states)]
    found = []
    for name in names:
        arn = f"arn:aws:autoscaling:{call.region}:{call.account}:autoScalingGroup:any:autoScalingGroupName/{name}"
        carried = tags_of_group(groups[name]) if name in groups else None
        found.append((arn, carried))
    yield question(call, found, request_tags(fields))
    if call.operation == "CreateAutoScalingGroup":
        yield question(call, found, request_tags(fields), "autoscaling:CreateOrUpdateTags")


def tags_of_group(group):
    return {tag["Key"]: tag["Value"] for tag in group.tags}


def about_balancing(call, fields):
    backend = elbv2_backends[call.account][call.region]
    place = f"arn:aws:elasticloadbalancing:{call.region}:{call.account}"
    if call.operation == "CreateTargetGroup":
        arns = [f"{place}:targetgroup/{fields['Name']}/any"]
    else:
        arns = [value for name in ("ListenerArn", "RuleArn", "TargetGroupArn", "ResourceArn") for value in direct(fields, name)]
    found = [(as_aws_says(backend, arn), tags_of_balancing(backend, arn)) for arn in arns]
    yield question(call, found, request_tags(fields))
    if call.operation == "CreateTargetGroup":
        yield question(call, found, request_tags(fields), "elasticloadbalancing:AddTags")
    if call.operation == "CreateRule":
        rule = [(fields["ListenerArn"].replace(":listener/", ":listener-rule/") + "/any", None)]
        yield question(call, rule, request_tags(fields), "elasticloadbalancing:AddTags")


def as_aws_says(backend, arn):
    """An ARN that names the kind of its load balancer. moto calls every one an application's."""
    kinds = {listener: balancer.type for balancer in backend.load_balancers.values() for listener in balancer.listeners}
    return arn.replace(":listener/app/", ":listener/net/") if kinds.get(arn) == "network" else arn


def direct(fields, name):
    """The resources that a call is about, and not those that an action of it names."""
    return [value for key, value in fields.items() if "Actions." not in key and re.search(rf"(?:^|\.){name}(?:s\.member\.\d+)?$", key)]


def tags_of_balancing(backend, arn):
    listeners = [one for balancer in backend.load_balancers.values() for one in balancer.listeners.values()]
    rules = [rule.arn for listener in listeners for rule in listener.rules.values()]
    if arn not in [*backend.target_groups, *(listener.arn for listener in listeners), *rules]:
        return None
    return dict(backend.describe_tags([arn])[arn])


def about_parameters(call, fields):
    names = [fields["Name"]] if "Name" in fields else fields.get("Names", [])
    found = [(f"arn:aws:ssm:{call.region}:{call.account}:parameter{name}", None) for name in names]
    yield question(call, found)
    if fields.get("Tags"):
        yield question(call, found, [tag["Key"] for tag in fields["Tags"]], "ssm:AddTagsToResource")


ABOUT = {"ec2": about_ec2, "autoscaling": about_groups, "elbv2": about_balancing, "ssm": about_parameters}
