"""Everything that exists, by kind: "the account is empty" is a fact.

What an account has from its beginning counts as well, and who asks compares.
"""

from moto.autoscaling.models import autoscaling_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.models import ssm_backends


def inventory(account, region):
    """Ids of what exists, by kind. Terminated instances and default rules do not count."""
    ec2, elb = ec2_backends[account][region], elbv2_backends[account][region]
    groups, iam = autoscaling_backends[account][region], iam_backends[account]["aws"]
    listeners = [listener for balancer in elb.load_balancers.values() for listener in balancer.listeners.values()]
    return {
        "launch_templates": [template.name for template in ec2.launch_templates.values()],
        "groups": list(groups.autoscaling_groups),
        "policies": [policy.name for policy in groups.policies.values()],
        "scheduled_actions": list(groups.scheduled_actions),
        "lifecycle_hooks": [hook.name for hook in groups.lifecycle_hooks.values()],
        "target_groups": [group.name for group in elb.target_groups.values()],
        "rules": [rule.arn for listener in listeners for rule in listener._non_default_rules.values()],
        "instances": [instance.id for instance in ec2.all_instances() if instance.state != "terminated"],
        "images": list(ec2.amis),
        "snapshots": list(ec2.snapshots),
        "volumes": list(ec2.volumes),
        "parameters": [name for name, versions in ssm_backends[account][region]._parameters.items() if versions],
        "alarms": list(cloudwatch_backends[account][region].alarms),
        "dashboards": list(cloudwatch_backends[account][region].dashboards),
        "launch_configurations": list(groups.launch_configurations),
        "load_balancers": list(elb.load_balancers),
        "listeners": [listener.arn for listener in listeners],
        "network_interfaces": list(ec2.enis),
        "security_groups": [name for groups_of_vpc in ec2.groups.values() for name in groups_of_vpc],
        "subnets": [subnet for zone in ec2.subnets.values() for subnet in zone],
        "vpcs": list(ec2.vpcs),
        "addresses": [address.allocation_id for address in ec2.addresses],
        "key_pairs": list(ec2.key_pairs),
        "spot_requests": list(ec2.spot_instance_requests),
        "fleets": list(ec2.fleets),
        "instance_profiles": list(iam.instance_profiles),
        "roles": list(iam.roles),
        "secrets": list(secretsmanager_backends[account][region].secrets),
    }
