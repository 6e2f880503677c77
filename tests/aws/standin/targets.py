"""Target groups with real health checks, draining, and a use that is looked up in the rules.

A target's state is changed by the prober (in the traffic thread, without the lock) and read by
everyone; registration and removal happen with the lock held.
"""

import asyncio

from moto.elbv2.models import ELBv2Backend, FakeHealthStatus, FakeTargetGroup, elbv2_backends
from moto.elbv2.exceptions import TargetGroupNotFoundError

from .errors import require
from .traffic import traffic
from .world import world

IN_PROGRESS = ("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
NOT_IN_USE = ("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
NOT_REGISTERED = ("unused", "Target.NotRegistered", "Target is not registered to the target group")
STOPPED = ("unused", "Target.InvalidState", "Target is in the stopped state")
DRAINING = ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
HEALTHY = ("healthy", None, None)

in_use = set()  # ARNs of the target groups that a rule names; `rules` puts another set in its place
watched = {}  # target group ARN -> {target id -> Target}


class Target:
    """One registered target, its health and the requests it works on."""

    def __init__(self, group, target_id, port, address, guest):
        self.group = group
        self.id = target_id
        self.port = int(port)
        self.address = address
        self.guest = guest
        self.in_flight = 0
        self.connections = set()
        self.draining_until = None
        self.cut_at = None
        self.removed = False
        self.restart()

    def restart(self):
        """Forgets all health, as a new registration does."""
        self.verdict = IN_PROGRESS
        self.successes = self.failures = 0
        self.draining_until = None

    @property
    def state(self):
        return self.told()[0]

    def has_drained(self):
        """Whether its delay is over, and what it works on is done or is cut now."""
        if self.draining_until is None:
            return False
        return world.now() >= (self.cut_at if self.in_flight else self.draining_until)

    def told(self):
        """State, reason and description as DescribeTargetHealth gives them."""
        if self.draining_until is not None:
            return DRAINING
        if self.group.arn not in in_use:
            return NOT_IN_USE
        return self.verdict

    def passed(self):
        """Counts a successful probe. The first one of a new target is enough."""
        self.failures = 0
        self.successes += 1
        if self.verdict[0] == "initial" or self.successes >= int(self.group.healthy_threshold_count):
            self.verdict = HEALTHY

    def failed(self, reason, description):
        """Counts a failed probe."""
        self.successes = 0
        self.failures += 1
        if self.failures >= int(self.group.unhealthy_threshold_count):
            self.verdict = ("unhealthy", reason, description)
        elif self.verdict[0] == "initial":
            self.verdict = CHECKING
        elif self.verdict[0] == "unhealthy":
            self.verdict = ("unhealthy", reason, description)


def install():
    """Puts this module's behaviour into moto."""
    FakeTargetGroup.register = register
    FakeTargetGroup.deregister = deregister
    FakeTargetGroup.deregister_terminated_instances = lambda self, ids: None
    ELBv2Backend.describe_target_health = describe_target_health
    world.on_beat(beat)


def targets_of(group):
    """The targets of a group, draining ones included."""
    return watched.setdefault(group.arn, {})


def register(self, targets):
    """RegisterTargets: begins to probe; a draining target comes back as a new one."""
    for wanted in targets:
        instance = self.ec2_backend.get_instance_by_id(wanted["Id"])
        require(instance is not None or not wanted["Id"].startswith("i-"), "InvalidTarget", f"The following targets are not valid: '{wanted['Id']}'")
        require(
            instance is None or instance.state in ("pending", "running"),
            "InvalidTarget",
            f"The following targets are not in a running state and cannot be registered: '{wanted['Id']}'",
        )
        known = targets_of(self).get(wanted["Id"])
        if known is None:
            begin(self, wanted, instance)
        elif known.draining_until is not None:
            known.restart()


def begin(group, wanted, instance):
    address = instance.private_ip if instance else wanted["Id"]
    target = Target(group, wanted["Id"], wanted.get("Port") or group.port, address, instance.guest if instance else None)
    targets_of(group)[target.id] = target
    traffic.run(watch(target))


def deregister(self, targets):
    """DeregisterTargets: drains for the group's own delay."""
    known = targets_of(self)
    for wanted in targets:
        require(wanted["Id"] in known, "InvalidTarget", f"The following targets are not registered: '{wanted['Id']}'")
        drain(known[wanted["Id"]])


def drain(target):
    """Starts the deregistration delay; a second call changes nothing."""
    if target.draining_until is None:
        delay = float(target.group.attributes["deregistration_delay.timeout_seconds"])
        lasts = max(world.settings.scaled(delay), world.settings.drain_floor) if delay else 0
        target.draining_until = world.now() + lasts
        target.cut_at = target.draining_until + (world.settings.drain_patience if delay else 0)


def remove(target):
    """Ends a target; what it still works on is cut."""
    target.removed = True
    targets_of(target.group).pop(target.id, None)
    traffic.call(lambda: [connection.close() for connection in list(target.connections)])


def beat():
    """Removes what has drained; drains what was terminated; drops groups that are gone."""
    for arn, targets in list(watched.items()):
        group_is_gone = not group_exists(arn)
        for target in list(targets.values()):
            instance = target.group.ec2_backend.get_instance_by_id(target.id)
            if instance is not None and instance.state in ("shutting-down", "terminated"):
                drain(target)
            if group_is_gone or target.has_drained():
                remove(target)
        if group_is_gone:
            watched.pop(arn, None)


def group_exists(arn):
    _, _, _, region, account, _ = arn.split(":", 5)
    return arn in elbv2_backends[account][region].target_groups


def describe_target_health(self, target_group_arn, targets):
    """DescribeTargetHealth: what the probes found."""
    group = self.target_groups.get(target_group_arn)
    if group is None:
        raise TargetGroupNotFoundError()
    known = targets_of(group)
    ids = [target["Id"] for target in targets] or list(known)
    return [health_of(group, known.get(target_id), target_id) for target_id in ids]


def health_of(group, target, target_id):
    if target is None:
        return FakeHealthStatus(target_id, group.port, str(group.port), *NOT_REGISTERED)
    state, reason, description = target.told()
    instance = group.ec2_backend.get_instance_by_id(target_id)
    if instance is not None and instance.state == "stopped" and state != "draining":
        state, reason, description = STOPPED
    return FakeHealthStatus(target_id, target.port, str(probe_port(target)), state, reason, description)


def probe_port(target):
    wanted = target.group.health_check_port
    return target.port if wanted in (None, "traffic-port") else int(wanted)


async def watch(target):
    """Probes a target until it is removed, as often as its group says."""
    while not target.removed:
        if target.group.arn in in_use and target.draining_until is None:
            await probe(target)
        elif target.draining_until is None:
            target.restart()
        await asyncio.sleep(max(0.02, world.settings.scaled(target.group.health_check_interval_seconds)))


async def probe(target):
    """One health check by the group's protocol, port, path and matcher."""
    group = target.group
    if target.guest is not None and target.guest.is_imaginary:
        target.passed()
        return
    patience = max(world.settings.probe_patience, world.settings.scaled(group.health_check_timeout_seconds))
    try:
        if group.health_check_protocol in ("HTTP", "HTTPS"):
            code = await asyncio.wait_for(status_code(target), patience)
            judge(target, code)
        else:
            await asyncio.wait_for(connects(target), patience)
            target.passed()
    except asyncio.TimeoutError:
        target.failed("Target.Timeout", "Request timed out")
    except (OSError, ValueError, EOFError):
        target.failed("Target.FailedHealthChecks", "Health checks failed")


def judge(target, code):
    if matches(code, (target.group.matcher or {}).get("HttpCode", "200")):
        target.passed()
    else:
        target.failed("Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{code}]")


def matches(code, matcher):
    """Whether a status code is in a matcher like `200-299,301`."""
    for part in matcher.split(","):
        low, _, high = part.partition("-")
        if int(low) <= code <= int(high or low):
            return True
    return False


async def connects(target):
    _, writer = await asyncio.open_connection(target.address, probe_port(target))
    writer.close()


async def status_code(target):
    reader, writer = await asyncio.open_connection(target.address, probe_port(target))
    try:
        path = target.group.health_check_path or "/"
        host = f"{target.address}:{probe_port(target)}"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\n\r\n".encode())
        line = await reader.readline()
        return int(line.split()[1])
    except IndexError:
        raise ValueError("no status line") from None
    finally:
        writer.close()
