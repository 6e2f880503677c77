"""What Elastic Load Balancing refuses and moto does not; pages; idempotence."""

from moto.core.responses import ActionResult
from moto.elbv2.models import ELBv2Backend
from moto.elbv2.responses import ELBV2Response

from . import front, pages
from .errors import Refused, require

MAX_WEIGHT = 999
MAX_GROUPS = 5  # target groups in one forward action
MAX_PRIORITY = 50000
PAGE = 400
MAX_TAGGED = 20  # resources in one DescribeTags
ATTRIBUTES = {
    "deregistration_delay.timeout_seconds",
    "deregistration_delay.connection_termination.enabled",
    "stickiness.enabled",
    "stickiness.type",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "load_balancing.cross_zone.enabled",
    "load_balancing.algorithm.type",
    "load_balancing.algorithm.anomaly_mitigation",
    "slow_start.duration_seconds",
    "preserve_client_ip.enabled",
    "proxy_protocol_v2.enabled",
    "target_health_state.unhealthy.connection_termination.enabled",
    "target_health_state.unhealthy.draining_interval_seconds",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
}
LIMITS = {
    "rules-per-application-load-balancer": 100,
    "target-groups-per-application-load-balancer": 100,
    "targets-per-application-load-balancer": 1000,
    "targets-per-availability-zone-per-network-load-balancer": 500,
}
limits = {}  # account -> limits that are not the usual ones, by AWS's names
lone = {}  # account -> how the weight of a lone target group is told: "one" or "none"; else as written
moto = {
    name: getattr(ELBv2Backend, name)
    for name in (
        "create_listener",
        "create_rule",
        "modify_rule",
        "modify_listener",
        "create_target_group",
        "delete_target_group",
        "describe_listeners",
    )
}


def install():
    """Puts this module's behaviour into moto."""
    ELBv2Backend.create_listener = create_listener
    ELBv2Backend.modify_listener = modify_listener
    ELBv2Backend.create_rule = create_rule
    ELBv2Backend.modify_rule = modify_rule
    ELBv2Backend.delete_rule = delete_rule
    ELBv2Backend.set_rule_priorities = set_rule_priorities
    ELBv2Backend.create_target_group = create_target_group
    ELBv2Backend.modify_target_group_attributes = modify_target_group_attributes
    ELBv2Backend.delete_target_group = delete_target_group
    ELBV2Response.describe_target_groups = describe_target_groups
    ELBV2Response.describe_rules = describe_rules
    ELBV2Response.describe_tags = describe_tags
    ELBV2Response.describe_account_limits = describe_account_limits


def create_listener(self, load_balancer_arn, protocol, port, *arguments, **options):
    """CreateListener, with a front that listens at once or a refusal."""
    balancer = self.load_balancers.get(load_balancer_arn)
    if balancer and any(int(known.port) == int(port) for known in balancer.listeners.values()):
        raise Refused("DuplicateListener", "A listener already exists on this port for this load balancer")
    listener = moto["create_listener"](self, load_balancer_arn, protocol, port, *arguments, **options)
    try:
        front.open_front(listener)
    except Refused:
        balancer.listeners.pop(listener.arn)
        raise
    look_again(self)
    return listener


def modify_listener(self, arn, port=None, protocol=None, ssl_policy=None, certificates=None, actions=None):
    actions = completed(self, actions)
    listener = moto["modify_listener"](self, arn, port, protocol, ssl_policy, certificates, actions)
    look_again(self)
    return listener


def create_rule(self, listener_arn, conditions, priority, actions, tags=None):
    """CreateRule with AWS's limits."""
    require(
        1 <= int(priority) <= MAX_PRIORITY,
        "ValidationError",
        f"1 validation error detected: Value '{priority}' at 'priority' failed to satisfy constraint: Member must have value less than or equal to {MAX_PRIORITY}",
    )
    require(conditions, "ValidationError", "A condition must be specified")
    known = [balancer.listeners[listener_arn] for balancer in self.load_balancers.values() if listener_arn in balancer.listeners]
    is_http = all(listener.protocol in ("HTTP", "HTTPS") for listener in known)
    require(is_http, "OperationNotPermitted", "Rules are unsupported for Network Load Balancer listeners")
    refuse_actions(actions)
    there = [rule for listener in known for rule in listener.rules.values() if not rule.is_default]
    most = limits.get(self.account_id, {}).get("rules-per-application-load-balancer", LIMITS["rules-per-application-load-balancer"])
    require(len(there) < most, "TooManyRules", f"The maximum number of rules per load balancer is {most}")
    rule = moto["create_rule"](self, listener_arn, conditions, int(priority), completed(self, actions), tags)
    look_again(self)
    return rule


def modify_rule(self, rule_arn, conditions, actions):
    """ModifyRule with AWS's limits; it replaces the whole list of target groups."""
    default = any(rule_arn == rule.arn for rule in all_rules(self) if rule.is_default)
    require(not default, "OperationNotPermitted", "Default rule cannot be modified")
    refuse_actions(actions)
    rule = moto["modify_rule"](self, rule_arn, conditions, completed(self, actions))
    look_again(self)
    return rule


def delete_rule(self, arn):
    """DeleteRule: an unknown rule is an error, a default rule stays."""
    for rule in all_rules(self):
        if rule.arn == arn:
            require(not rule.is_default, "OperationNotPermitted", "Default rule cannot be deleted")
            listener = self.describe_listeners(None, [rule.listener_arn])[0]
            listener.remove_rule(arn)
            return look_again(self)
    raise Refused("RuleNotFound", f"One or more rules not found: {arn}")


def set_rule_priorities(self, rule_priorities):
    """SetRulePriorities: rules may swap within one call."""
    wanted = {entry["RuleArn"]: int(entry["Priority"]) for entry in rule_priorities}
    rules = self.describe_rules(None, list(wanted))
    for rule in rules:
        for other in self.describe_listeners(None, [rule.listener_arn])[0].rules.values():
            taken = wanted.get(other.arn, other.priority)
            if other.arn != rule.arn and taken == wanted[rule.arn]:
                raise Refused("PriorityInUse", f"Priority '{taken}' is currently in use")
    for rule in rules:
        rule.priority = wanted[rule.arn]
    return rules


def all_rules(backend):
    for balancer in backend.load_balancers.values():
        for listener in balancer.listeners.values():
            yield from listener.rules.values()


def refuse_actions(actions):
    for action in actions:
        groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
        require(len(groups) <= MAX_GROUPS, "TooManyTargetGroups", f"A rule can have at most {MAX_GROUPS} target groups")
        arns = [group["TargetGroupArn"] for group in groups]
        require(len(arns) == len(set(arns)), "ValidationError", "A target group cannot be listed more than once in an action")
        for group in groups:
            weight = int(group.get("Weight", 1))
            require(
                0 <= weight <= MAX_WEIGHT,
                "ValidationError",
                f"Weight '{weight}' must be between 0 and {MAX_WEIGHT} inclusive",
            )


def completed(backend, actions):
    """Forward actions in both of their forms, as DescribeRules tells them. The weight of a lone target
    group means nothing; where an account says so, it is told as 1 or not at all."""
    told = lone.get(backend.account_id)
    for action in actions:
        if action.get("Type") != "forward":
            continue
        groups = (action.get("ForwardConfig") or {}).get("TargetGroups") or []
        if action.get("TargetGroupArn") and not groups:
            action["ForwardConfig"] = {"TargetGroups": [{"TargetGroupArn": action["TargetGroupArn"], "Weight": 1}]}
        elif len(groups) == 1 and not action.get("TargetGroupArn"):
            action["TargetGroupArn"] = groups[0]["TargetGroupArn"]
        if len(groups) == 1 and told == "one":
            groups[0]["Weight"] = "1"
        if len(groups) == 1 and told == "none":
            del action["ForwardConfig"]
    return actions


def look_again(backend):
    """LoadBalancerArns of every target group, from the rules there are."""
    used = {arn: [] for arn in backend.target_groups}
    for balancer in backend.load_balancers.values():
        for listener in balancer.listeners.values():
            for rule in listener.rules.values():
                for action in rule.actions:
                    for arn in front.rules.weights_of(action.data):
                        if arn in used and balancer.arn not in used[arn]:
                            used[arn].append(balancer.arn)
    for arn, group in backend.target_groups.items():
        group.load_balancer_arns = used[arn]


def create_target_group(self, name, **options):
    """CreateTargetGroup: the same again is the same group; another under its name is refused."""
    wanted = {key: value for key, value in options.items() if key != "tags"}
    for group in self.target_groups.values():
        if group.name == name and getattr(group, "asked", None) == wanted:
            return group
    interval = options.get("healthcheck_interval_seconds")
    require(interval is None or 5 <= interval <= 300, "ValidationError", "Health check interval must be between 5 and 300 seconds")
    for field in ("healthy_threshold_count", "unhealthy_threshold_count"):
        count = options.get(field)
        require(count is None or 2 <= int(count) <= 10, "ValidationError", f"{field} must be between 2 and 10")
    group = moto["create_target_group"](self, name, **dict(options))
    group.asked = wanted
    return group


def modify_target_group_attributes(self, target_group_arn, attributes):
    """ModifyTargetGroupAttributes: unknown keys are refused."""
    for key in attributes:
        require(key in ATTRIBUTES, "ValidationError", f"Target group attribute key '{key}' is not recognized")
    delay = attributes.get("deregistration_delay.timeout_seconds")
    require(
        delay is None or 0 <= int(delay) <= 3600,
        "ValidationError",
        f"'deregistration_delay.timeout_seconds' value '{delay}' must be between '0-3600' inclusive",
    )
    group = self.target_groups.get(target_group_arn)
    require(group is not None, "TargetGroupNotFound", "One or more target groups not found")
    group.attributes.update(attributes)


def delete_target_group(self, target_group_arn):
    """DeleteTargetGroup: one that does not exist is deleted already."""
    if target_group_arn not in self.target_groups:
        return None
    return moto["delete_target_group"](self, target_group_arn)


def describe_account_limits(self):
    """DescribeAccountLimits: AWS's usual ones, where an account has no others."""
    known = {**LIMITS, **limits.get(self.current_account, {})}
    return ActionResult({"Limits": [{"Name": name, "Max": str(most)} for name, most in known.items()]})


def describe_target_groups(self):
    """DescribeTargetGroups with pages."""
    groups = self.elbv2_backend.describe_target_groups(
        self._get_param("LoadBalancerArn"), self._get_param("TargetGroupArns", []), self._get_param("Names", [])
    )
    size = self._get_int_param("PageSize", PAGE)
    page, following = pages.page_of(list(groups), size, self._get_param("Marker"))
    return ActionResult({"TargetGroups": page, "NextMarker": following})


def describe_rules(self):
    """DescribeRules with pages as long as AWS's."""
    found = self.elbv2_backend.describe_rules(self._get_param("ListenerArn"), self._get_param("RuleArns"))
    size = self._get_int_param("PageSize", PAGE)
    page, following = pages.page_of(list(found), size, self._get_param("Marker"))
    return ActionResult({"Rules": page, "NextMarker": following})


def describe_tags(self):
    """DescribeTags: for 20 resources at most."""
    arns = self._get_param("ResourceArns", [])
    require(
        len(arns) <= MAX_TAGGED,
        "ValidationError",
        f"1 validation error detected: Value at 'resourceArns' failed to satisfy constraint: Member must have length less than or equal to {MAX_TAGGED}",
    )
    told = self.elbv2_backend.describe_tags(arns)
    return ActionResult({"TagDescriptions": [{"ResourceArn": arn, "Tags": tags} for arn, tags in told.items()]})
