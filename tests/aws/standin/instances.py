"""EC2 instances that take time, are real processes, and fall ill when these do.

Replaces the parts of moto's `Instance` that change state at once. The phases of an instance:
pending, running (booting, then up), shutting-down or stopping, terminated or stopped.
"""

import base64

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceState, StateReason
from moto.ec2.responses import EC2Response

from .errors import require
from .guest import Guest, environment_of
from .images import program_of
from .world import world

DEFAULT_PORT = "8080"
STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

# Every instance that is not terminated, and those terminated ones still shown.
machines = {}

moto_init = Instance.__init__
moto_terminate = Instance.terminate


def install():
    """Puts this module's behaviour into moto."""
    Instance.__init__ = begin
    Instance.terminate = terminate
    Instance.stop = stop
    Instance.start = start
    Instance.reboot = reboot
    Instance.instance_status = property(lambda self: status_check(self))
    Instance.system_status = property(lambda self: system_check(self))
    EC2Response.get_console_output = get_console_output
    world.on_beat(beat)


def begin(self, ec2_backend, image_id, user_data, security_groups, **options):
    """Launches: pending, with a guest that starts once the instance has booted."""
    moto_init(self, ec2_backend, image_id, user_data, security_groups, **options)
    enter(self, "pending")
    self.status_since = None
    image = ec2_backend.amis.get(self.image_id)
    self.guest = Guest(self.id, program_of(image), guest_environment(self))
    machines[self.id] = self


def guest_environment(instance):
    """What the guest finds in its environment: who and where it is, then what user data says."""
    text = ""
    if instance.user_data:
        text = base64.b64decode(str(instance.user_data)).decode("utf-8", "replace")
    return {
        "PORT": DEFAULT_PORT,
        "INSTANCE_ID": instance.id,
        "IMAGE_ID": instance.image_id,
        "USER_DATA": text,
        **environment_of(text),
        "HOST": instance.private_ip,
    }


def enter(instance, name):
    """Puts an instance into a state."""
    instance._state = InstanceState(name, STATES[name])
    instance.state_since = world.now()


def age(instance):
    """Seconds in the present state."""
    return world.now() - instance.state_since


def terminate(self):
    """Asks the guest to end; the instance is terminated when it has."""
    before = self._state
    if before.name not in ("shutting-down", "terminated"):
        enter(self, "shutting-down")
        self.guest.end()
    return before


def stop(self):
    """Asks the guest to end; the instance is stopped when it has."""
    before = self._state
    if before.name in ("pending", "running"):
        enter(self, "stopping")
        self.guest.end()
        self._reason = f"User initiated ({utcnow():%Y-%m-%d %H:%M:%S} GMT)"
        self.state_reason = StateReason(
            "Client.UserInitiatedShutdown: User initiated shutdown", "Client.UserInitiatedShutdown"
        )
    return before


def start(self):
    """Boots a stopped instance again."""
    before = self._state
    if before.name == "stopped":
        enter(self, "pending")
        self.status_since = None
        self._reason, self.state_reason = "", StateReason()
    return before


def reboot(self):
    """Ends the guest; the next beats boot it again."""
    if self._state.name == "running":
        self.guest.end()
        self.rebooting = True


def status_check(self):
    """The instance status: initializing while it boots, impaired when its process is dead."""
    if self._state.name != "running":
        return {"Status": "not-applicable"}
    if self.status_since is None or world.now() < self.status_since + world.settings.status_checks:
        return check_result("initializing", "initializing")
    if self.guest.is_alive:
        return check_result("ok", "passed")
    return check_result("impaired", "failed")


def system_check(self):
    """The status of the host, which is always well."""
    if self._state.name != "running":
        return {"Status": "not-applicable"}
    return check_result("ok", "passed")


def check_result(status, reachability):
    return {"Details": [{"Name": "reachability", "Status": reachability}], "Status": status}


def is_impaired(instance):
    """Whether the status checks say that the instance is ill."""
    return status_check(instance)["Status"] == "impaired"


def beat():
    """Moves every instance on by what is due."""
    for instance in list(machines.values()):
        STEPS[instance._state.name](instance)


def step_pending(instance):
    if age(instance) >= world.settings.pending:
        enter(instance, "running")


def step_running(instance):
    if getattr(instance, "rebooting", False):
        if instance.guest.is_gone():
            instance.rebooting = False
            instance.status_since = None
            enter(instance, "running")
    elif instance.status_since is None and age(instance) >= world.settings.boot:
        instance.guest.start()
        instance.status_since = world.now()


def step_shutting_down(instance):
    if instance.guest.is_gone():
        release_address(instance)
        moto_terminate(instance)
        enter(instance, "terminated")


def step_stopping(instance):
    if instance.guest.is_gone():
        enter(instance, "stopped")


def step_terminated(instance):
    if age(instance) >= world.settings.terminated_shown:
        forget(instance)


def step_stopped(_instance):
    pass


STEPS = {
    "pending": step_pending,
    "running": step_running,
    "shutting-down": step_shutting_down,
    "terminated": step_terminated,
    "stopping": step_stopping,
    "stopped": step_stopped,
}


def release_address(instance):
    """Gives the address back to the subnet, and removes the network interfaces made at launch."""
    backend = instance.ec2_backend
    if instance.subnet_id:
        subnet = backend.get_subnet(instance.subnet_id)
        for address in instance._private_ips:
            subnet.del_subnet_ip(address)
        instance._private_ips = set()
    for interface in instance.nics.values():
        backend.enis.pop(interface.id, None)


def forget(instance):
    """Drops a terminated instance, as AWS does after about an hour."""
    machines.pop(instance.id, None)
    reservations = instance.ec2_backend.reservations
    for key, reservation in list(reservations.items()):
        if instance in reservation.instances:
            reservation.instances.remove(instance)
            if not reservation.instances:
                del reservations[key]


def get_console_output(self):
    """GetConsoleOutput: what the guest wrote. Without `Latest` that of a Nitro type that runs is not
    told yet; other types know no `Latest`."""
    instance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    is_nitro = INSTANCE_TYPES.get(instance.instance_type, {}).get("Hypervisor") == "nitro"
    is_latest = self._get_bool_param("Latest", False)
    require(is_nitro or not is_latest, "UnsupportedOperation", "This instance type does not support retrieving the latest console logs.")
    is_told = is_latest or not is_nitro or instance._state.name != "running"
    output = instance.guest.output() if is_told else b""
    text = Base64EncodedString.from_encoded_bytes(base64.b64encode(output)) if output else None
    return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": text})


def end_all():
    """Kills every guest at once: the stand-in ends or is reset."""
    import signal

    for instance in machines.values():
        instance.guest.signal(signal.SIGKILL)
        if instance.guest.process:
            instance.guest.process.wait()
    machines.clear()


def backend_of(account, region):
    """The EC2 of an account and region."""
    return ec2_backends[account][region]
