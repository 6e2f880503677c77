"""Lifecycle hooks: members wait at launch and before they end, until told to go on or out of time."""

from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import EmptyResult

from . import scaling
from .errors import Refused
from .world import world

LAUNCHING = "autoscaling:EC2_INSTANCE_LAUNCHING"
TERMINATING = "autoscaling:EC2_INSTANCE_TERMINATING"


def install():
    """Puts the two calls that moto has not into it."""
    AutoScalingResponse.complete_lifecycle_action = complete_lifecycle_action
    AutoScalingResponse.record_lifecycle_action_heartbeat = record_lifecycle_action_heartbeat


class Wait:
    """One hook that a member waits for."""

    def __init__(self, hook):
        self.hook = hook
        self.result = None
        self.extend()

    def extend(self):
        self.until = world.now() + world.settings.scaled(self.hook.heartbeat_timeout)

    @property
    def outcome(self):
        """CONTINUE or ABANDON once it is over, else None."""
        return self.result or (self.hook.default_result if world.now() >= self.until else None)


def let_pass(group, member, transition, waiting_state):
    """Whether the member may go on; sets `abandoned` when a launch hook ended so."""
    if getattr(member, "hooked", None) != transition:
        member.hooked = transition
        member.waits = {hook.name: Wait(hook) for hook in hooks_of(group, transition)}
        member.abandoned = False
    if any(wait.outcome is None for wait in member.waits.values()):
        member.lifecycle_state = waiting_state
        return False
    member.abandoned = any(wait.outcome == "ABANDON" for wait in member.waits.values())
    return True


def hooks_of(group, transition):
    known = group.autoscaling_backend.lifecycle_hooks.values()
    return [hook for hook in known if hook.auto_scaling_group_name == group.name and hook.lifecycle_transition == transition]


def wait_of(response):
    _, member = scaling.member_of(response.autoscaling_backend, response._get_param("InstanceId"))
    wait = getattr(member, "waits", {}).get(response._get_param("LifecycleHookName"))
    if wait is None or wait.outcome is not None:
        raise Refused("ValidationError", f"No active Lifecycle Action found with instance ID {member.instance_id}")
    return wait


def complete_lifecycle_action(self):
    wait_of(self).result = self._get_param("LifecycleActionResult")
    return EmptyResult()


def record_lifecycle_action_heartbeat(self):
    wait_of(self).extend()
    return EmptyResult()
