"""How an Auto Scaling group launches one instance: where, of what type, and why it cannot."""

import fnmatch

from moto.ec2.exceptions import EC2ClientError

from . import images
from .errors import Refused
from .world import world

# Launches that fail because a test says so; filled by `control`.
failures = []

WORDS = {
    "InsufficientInstanceCapacity": "We currently do not have sufficient {type} capacity in the Availability Zone you requested ({zone}). Our system will be working on provisioning additional capacity.",
    "VcpuLimitExceeded": "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
    "InstanceLimitExceeded": "You have requested more instances than your current instance limit of 0 allows for the specified instance type.",
    "InvalidIamInstanceProfile": "Invalid IAM Instance Profile name",
    "InsufficientFreeAddressesInSubnet": "There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances.",
    "Client.InternalError": "Client error on launch",
    "Unsupported": "Your requested instance type ({type}) is not supported in your requested Availability Zone ({zone}).",
    "RequestLimitExceeded": "Request limit exceeded.",
}
# What another zone or type may still have.
ELSEWHERE = ("InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet", "Unsupported")


class Failed(Exception):
    """A launch that did not happen, in AWS's words."""

    def __init__(self, code, words, subnet):
        super().__init__(words)
        self.code, self.words, self.subnet = code, words, subnet


class Failure:
    """A rule of a test: launches that match it fail."""

    def __init__(self, rule):
        self.code = rule["code"]
        self.message = rule.get("message") or WORDS.get(rule["code"], rule["code"])
        self.group = rule.get("group", "*")
        self.account = rule.get("account")
        self.zone = rule.get("zone", "*")
        self.type = rule.get("type", "*")
        self.left = rule.get("count", 0) or float("inf")

    def hits(self, account, group, subnet, instance_type):
        """Whether this launch fails; each failure counts."""
        zone = subnet.availability_zone if subnet else ""
        pairs = ((group, self.group), (zone, self.zone), (instance_type or "", self.type))
        if self.left <= 0 or self.account not in (None, account):
            return False
        if not all(fnmatch.fnmatchcase(value, pattern) for value, pattern in pairs):
            return False
        self.left -= 1
        return True


def refuse_as_told(account, group_name, subnet, instance_type):
    """Fails the launch when a test says so. `group_name` is empty for RunInstances."""
    for failure in failures:
        if failure.hits(account, group_name, subnet, instance_type):
            place = {"type": instance_type, "zone": subnet.availability_zone if subnet else "", "subnet": subnet.id if subnet else ""}
            raise Refused(failure.code, failure.message.format(**place))


def subnet_of(instance):
    return instance.ec2_backend.get_subnet(instance.subnet_id) if instance.subnet_id else None


def subnets_of(group):
    """The group's subnets, the one with the fewest members first."""
    if not group.vpc_zone_identifier:
        return [None]
    ids = [subnet_id.strip() for subnet_id in group.vpc_zone_identifier.split(",")]
    counts = {subnet_id: 0 for subnet_id in ids}
    for member in group.instance_states:
        if member.lifecycle_state != "Terminating" and member.instance.subnet_id in counts:
            counts[member.instance.subnet_id] += 1
    return [group.ec2_backend.get_subnet(subnet_id) for subnet_id in sorted(ids, key=lambda key: counts[key])]


def types_of(group):
    """Instance types in order of preference: the policy's overrides, or the template's own."""
    policy = group.mixed_instances_policy or {}
    overrides = policy.get("LaunchTemplate", {}).get("Overrides") or []
    return [override["InstanceType"] for override in overrides if override.get("InstanceType")] or [group.instance_type]


def is_spot(group):
    """Whether the next member is to be a spot instance, by the policy's distribution."""
    distribution = (group.mixed_instances_policy or {}).get("InstancesDistribution") or {}
    base = int(distribution.get("OnDemandBaseCapacity") or 0)
    given = distribution.get("OnDemandPercentageAboveBaseCapacity")
    percentage = 100 if given is None else int(given)
    alive = [member for member in group.instance_states if member.lifecycle_state != "Terminating"]
    on_demand = sum(1 for member in alive if member.instance.lifecycle != "spot")
    above = max(0, len(alive) + 1 - base)
    return on_demand >= base + -(-above * percentage // 100)


def launch_member(group, subnets=None):
    """Launches one instance in the emptiest of the group's subnets, or of those that are given, that
    can take it: (instance, subnet)."""
    known = group.autoscaling_backend.elbv2_backend.target_groups
    if any(arn not in known for arn in group.target_group_arns):
        raise Failed("ValidationError", "One or more target groups not found. Validating load balancer configuration failed.", None)
    last = None
    for instance_type in types_of(group):
        for subnet in subnets or subnets_of(group):
            try:
                return launch_in(group, subnet, instance_type), subnet
            except (Refused, EC2ClientError) as error:
                last = Failed(error_code(error), words_of(group, error), subnet)
                if last.code not in ELSEWHERE:
                    raise last from None
    raise last


def error_code(error):
    return getattr(error, "code", None) if isinstance(getattr(error, "code", None), str) else getattr(error, "error_type", "")


def words_of(group, error):
    """The words of an activity's status; a mixed policy names the market and the code too."""
    text = getattr(error, "message", str(error))
    if group.mixed_instances_policy:
        market = "Spot" if is_spot(group) else "On-Demand"
        text = f"Could not launch {market} Instances. {error_code(error)} - {text}"
    return f"{text} Launching EC2 instance failed."


def launch_in(group, subnet, instance_type):
    account = group.account_id
    refuse_as_told(account, group.name, subnet, instance_type)
    backend = group.ec2_backend
    images.launchable(backend, group.image_id)
    template = group.ec2_launch_template
    tags = {**group.instance_tags, **group.get_propagated_tags(), "aws:autoscaling:groupName": group.name}
    reservation = backend.run_instances(
        group.image_id,
        1,
        group.user_data,
        [],
        instance_type=instance_type,
        is_instance_type_default=False,
        region_name=group.region,
        tags={"instance": tags},
        placement=subnet.availability_zone if subnet else None,
        subnet_id=subnet.id if subnet else None,
        launch_template={"LaunchTemplateId": template.id, "Version": group.launch_template_version} if template else None,
        launch_config=group.launch_config,
        associate_public_ip=None,
        lifecycle="spot" if is_spot(group) else None,
        instance_market_options="spot" if is_spot(group) else None,
    )
    return reservation.instances[0]
