"""A ready network for a test: a VPC of loopback addresses, three subnets, a load balancer, a listener."""

import socket

from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

from . import front, instances, rules
from .world import world

CLAIM_PORT = 47001
# Second octets that this stand-in has claimed, each by a socket that others then cannot bind.
claims = {}
# Those whose account nobody uses any more: given back once nothing runs there.
left = set()


def install():
    """Puts this module's behaviour into the stand-in."""
    world.on_beat(beat)


def beat():
    """Gives back what nobody uses. All stand-ins of a machine share these few networks."""
    for octet in list(left):
        if not is_used(octet):
            left.discard(octet)
            guard = claims.pop(octet, None)
            if guard:
                guard.close()


def is_used(octet):
    """Whether a machine has an address there, or may have a process that has not ended yet."""
    machines = [machine for machine in instances.machines.values() if machine.state != "terminated"]
    return any(str(machine.private_ip).startswith(f"127.{octet}.") for machine in machines)


def leave(octet):
    """Says that nobody will use a network any more."""
    left.add(octet)


def claim_octet():
    """A second octet of 127.x.0.0/16 that no other stand-in on this machine uses."""
    for octet in range(64, 255):
        if octet in claims:
            continue
        guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            guard.bind((f"127.{octet}.255.254", CLAIM_PORT))
        except OSError:
            guard.close()
            continue
        claims[octet] = guard
        return octet
    raise RuntimeError("every 127.x.0.0/16 is in use")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make(account, region, kind="application"):
    """Makes it all; returns the ids. Called with the lock held."""
    ec2, elb = ec2_backends[account][region], elbv2_backends[account][region]
    octet = claim_octet()
    vpc = ec2.create_vpc(f"127.{octet}.0.0/16")
    zones = [zone.name for zone in ec2.describe_availability_zones()][:3]
    subnets = [
        ec2.create_subnet(vpc.id, f"127.{octet}.{64 * index}.0/18", availability_zone=zone)
        for index, zone in enumerate(zones)
    ]
    group = ec2.create_security_group(f"standin-{octet}", "for tests", vpc.id)
    name = f"standin-{octet}"
    balancer = elb.create_load_balancer(name, [group.id], [subnet.id for subnet in subnets], scheme="internal", loadbalancer_type=kind)
    balancer.dns_name = "127.0.0.1"
    balancer.activate()
    listener = make_listener(elb, balancer, kind, vpc)
    rules.changed()
    return {
        "account": account,
        "region": region,
        "kind": kind,
        "octet": octet,
        "access_key": f"AKIA{account}",
        "vpc_id": vpc.id,
        "subnet_ids": [subnet.id for subnet in subnets],
        "zones": zones,
        "security_group_id": group.id,
        "load_balancer_arn": balancer.arn,
        "listener_arn": listener.arn,
        "endpoint": f"127.0.0.1:{listener.port}",
        "port": int(listener.port),
    }


def make_listener(elb, balancer, kind, vpc):
    """A listener without a target: fixed 404, or for TCP an empty target group that must exist."""
    if kind == "application":
        action = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "no rule", "ContentType": "text/plain"}}
        return elb.create_listener(balancer.arn, "HTTP", free_port(), "", None, [action])
    nobody = elb.create_target_group(f"{balancer.name}-nobody", vpc_id=vpc.id, protocol="TCP", port=1, target_type="instance")
    action = {"Type": "forward", "TargetGroupArn": nobody.arn}
    return elb.create_listener(balancer.arn, "TCP", free_port(), "", None, [action])


def release():
    """Gives all claimed octets back."""
    for guard in claims.values():
        guard.close()
    claims.clear()
    left.clear()
    for arn in list(front.fronts):
        front.traffic.run(front.fronts.pop(arn).close())
