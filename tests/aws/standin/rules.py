"""What the load balancers do with a request: listener rules, as they are some moments after a change.

`published` is read by the fronts without the lock; it is replaced as a whole, never edited.
"""

import copy
import fnmatch

from moto.elbv2.models import elbv2_backends

from . import targets
from .world import world

published = {}  # listener ARN -> list of Rule, first match first
coming = []  # (when, what will be published then)


class Rule:
    """One listener rule: conditions, and where it forwards."""

    def __init__(self, rule):
        self.arn = rule.arn
        self.is_default = rule.is_default
        self.order = float("inf") if rule.is_default else int(rule.priority)
        self.conditions = copy.deepcopy(rule.conditions or [])
        self.actions = [copy.deepcopy(action.data) for action in rule.actions]

    def matches(self, request):
        """Whether all conditions hold; `request` has `host`, `path`, `method`, `headers`."""
        return all(holds(condition, request) for condition in self.conditions)


def holds(condition, request):
    """Whether one condition holds; one this load balancer does not know never does."""
    field = condition.get("Field")
    if field == "host-header":
        host = request.host.rsplit(":", 1)[0].lower()
        return any(glob(host, value.lower()) for value in values_of(condition, "HostHeaderConfig"))
    if field == "path-pattern":
        path = request.path.split("?", 1)[0]
        return any(glob(path, value) for value in values_of(condition, "PathPatternConfig"))
    if field == "http-request-method":
        return request.method in values_of(condition, "HttpRequestMethodConfig")
    if field == "http-header":
        config = condition.get("HttpHeaderConfig", {})
        given = request.headers.get(config.get("HttpHeaderName", "").lower(), "")
        return any(glob(given, value) for value in config.get("Values", []))
    return False


def values_of(condition, config):
    return condition.get(config, {}).get("Values") or condition.get("Values") or []


def glob(text, pattern):
    """`*` and `?` alone are special, as in AWS."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def weights_of(action):
    """Target group ARN to weight for a forward action; a single group weighs 1."""
    config = action.get("ForwardConfig") or {}
    groups = config.get("TargetGroups") or []
    if groups:
        return {group["TargetGroupArn"]: int(group.get("Weight", 1)) for group in groups}
    return {action["TargetGroupArn"]: 1} if action.get("TargetGroupArn") else {}


def listeners():
    """Every listener of every account and region, with its load balancer."""
    for _, _, backend in elbv2_backends.iter_backends():
        for balancer in list(backend.load_balancers.values()):
            for listener in list(balancer.listeners.values()):
                yield balancer, listener


def changed():
    """Takes the rules as they are now; the fronts follow after the delay. Called with the lock."""
    table, used = {}, set()
    for _, listener in listeners():
        rules = sorted((Rule(rule) for rule in listener.rules.values()), key=lambda rule: rule.order)
        table[listener.arn] = rules
        for rule in rules:
            for action in rule.actions:
                used.update(weights_of(action))
    # At once: fronts and probes look at it without the lock.
    targets.in_use = used
    coming.append((world.now() + world.settings.rule_delay, table))


def beat():
    """Publishes what is due."""
    global published
    due = [index for index, (when, _) in enumerate(coming) if world.now() >= when]
    if due:
        published = coming[due[-1]][1]
        del coming[: due[-1] + 1]


def rules_of(listener_arn):
    """The rules that a front goes by now."""
    return published.get(listener_arn, [])


class Turns:
    """Whose turn it is: a weighted order in which each group's share is exact, not only likely."""

    def __init__(self):
        self.credit = {}

    def next(self, key, weights):
        """The next group by weight; None if no group has any."""
        total = sum(weights.values())
        if total == 0:
            return None
        credit = self.credit.setdefault(key, {})
        for arn in list(credit):
            if arn not in weights:
                del credit[arn]
        for arn, weight in weights.items():
            credit[arn] = credit.get(arn, 0) + weight
        chosen = max(weights, key=lambda arn: credit[arn] if weights[arn] else float("-inf"))
        credit[chosen] -= total
        return chosen


def install():
    """Lets the published rules follow."""
    world.on_beat(beat)
