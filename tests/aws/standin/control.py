"""The control path `/standin/...`, by which a test steers the stand-in. JSON in, JSON out."""

import json
import signal
import traceback
import urllib.parse

from . import authority, balancers, front, images, instances, inventory, launch, network, pages, rules, targets
from .calls import DEFAULT_ACCOUNT
from .faults import faults
from .world import world

SIGNALS = {"kill": signal.SIGKILL, "end": signal.SIGTERM, "freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}


def answer(environ):
    """Status, content type and body for a control request."""
    path = environ["PATH_INFO"].removeprefix("/standin/")
    method = environ["REQUEST_METHOD"]
    query = dict(urllib.parse.parse_qsl(environ.get("QUERY_STRING", "")))
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    route = ROUTES.get((method, path))
    if route is None:
        known = ", ".join(f"{verb} {name}" for verb, name in ROUTES)
        return told(404, {"error": f"no {method} /standin/{path}; there is: {known}"})
    try:
        return told(200, route({**query, **(json.loads(body) if body else {})}))
    except Exception as error:
        world.log(traceback.format_exc())
        return told(400, {"error": f"{type(error).__name__}: {error}"})


def told(status, value):
    return status, "application/json", json.dumps(value, default=str).encode()


def get_calls(wish):
    """Calls by operation since the last DELETE."""
    return faults.counts(wish.get("account"), wish.get("region"))


def delete_calls(wish):
    faults.forget_counts(wish.get("account"))
    return {}


def get_journal(wish):
    """The calls in their order, as `service:Operation`."""
    return [name for account, _, name in faults.journal if wish.get("account") in (None, account)]


def get_authority(wish):
    """What IAM would have been asked about the calls of an account."""
    return authority.asked.get(wish["account"], [])


def post_copies(wish):
    """Says for how many seconds the images of an account are pending: account, seconds."""
    images.slow[wish["account"]] = float(wish["seconds"])
    return {}


def post_deprecations(wish):
    """Lets the time pass after which the images of an account are deprecated."""
    with world.lock:
        images.deprecate_now(wish["account"])
    return {}


def post_faults(wish):
    return faults.order(wish).told()


def get_faults(_wish):
    return [fault.told() for fault in faults.orders]


def delete_faults(wish):
    fault_id = int(wish["id"]) if "id" in wish else None
    faults.take_back(fault_id, wish.get("account"))
    return {}


def post_release(wish):
    """Lets what a fault holds go on; the order stays, with what it has met."""
    for fault in faults.orders:
        if fault.id == wish["id"]:
            fault.released.set()
    return {}


def post_launches(wish):
    """Orders failing launches: code, and optionally message, group, zone, type, account, count."""
    launch.failures.append(launch.Failure(wish))
    return {}


def delete_launches(wish):
    """Ends all failing launches, or those of an account."""
    account = wish.get("account")
    launch.failures[:] = [failure for failure in launch.failures if account not in (None, failure.account)]
    return {}


def post_network(wish):
    with world.lock:
        return network.make(wish.get("account", DEFAULT_ACCOUNT), wish.get("region", "us-east-1"), wish.get("kind", "application"))


def post_pages(wish):
    """Gives an account small pages: account, and how many items each has."""
    pages.small[wish["account"]] = int(wish["size"])
    return {}


def post_limits(wish):
    """Gives an account other limits for load balancers: account, and limits by AWS's names."""
    balancers.limits[wish["account"]] = wish["limits"]
    return {}


def post_lone(wish):
    """How the weight of a lone target group is told to an account: account, and told: one or none."""
    balancers.lone[wish["account"]] = wish["told"]
    return {}


def get_network(_wish):
    """The second octets of all networks that are held."""
    return sorted(network.claims)


def delete_network(wish):
    """Gives a network's addresses back once nothing runs there; its account is not used again."""
    with world.lock:
        network.leave(int(wish["octet"]))
    return {}


def get_inventory(wish):
    with world.lock:
        return inventory.inventory(wish.get("account", DEFAULT_ACCOUNT), wish.get("region", "us-east-1"))


def get_guests(wish):
    """The processes behind the instances."""
    with world.lock:
        return [
            {
                "instance": instance.id,
                "account": instance.owner_id,
                "image": instance.image_id,
                "state": instance.state,
                "address": instance.private_ip,
                "port": int(instance.guest.environment["PORT"]),
                "pid": instance.guest.pid,
                "environment": instance.guest.environment,
            }
            for instance in instances.machines.values()
            if wish.get("account") in (None, instance.owner_id)
        ]


def post_guests(wish):
    """Hurts one guest: instance, and what is done: kill, end, freeze or thaw."""
    with world.lock:
        instances.machines[wish["instance"]].guest.signal(SIGNALS[wish["do"]])
    return {}


def get_targets(_wish):
    """Every target with its state and the requests it works on."""
    with world.lock:
        return [
            {
                "group": target.group.name,
                "instance": target.id,
                "address": target.address,
                "port": target.port,
                "state": target.state,
                "in_flight": target.in_flight,
            }
            for group in targets.watched.values()
            for target in group.values()
        ]


def get_fronts(_wish):
    """The answers of every listener's front: by the load balancer itself, and by targets."""
    return {arn: front.fronts[arn].answered for arn in list(front.fronts)}


def post_settings(wish):
    """Changes settings on the way; all given names must exist."""
    for name, value in wish.items():
        kind = type(getattr(world.settings, name))
        setattr(world.settings, name, kind(value))
    return vars(world.settings)


def get_settings(_wish):
    return vars(world.settings)


def post_reset(_wish):
    """An empty stand-in: all accounts, processes, faults and counts."""
    from moto.core.base_backend import BackendDict

    with world.lock:
        instances.end_all()
        network.release()
        BackendDict.reset()
        launch.failures.clear()
        pages.small.clear()
        images.slow.clear()
        images.gone.clear()
        balancers.lone.clear()
        balancers.limits.clear()
        authority.asked.clear()
        faults.take_back()
        faults.forget_counts()
        rules.changed()
    return {}


ROUTES = {
    ("GET", "calls"): get_calls,
    ("DELETE", "calls"): delete_calls,
    ("GET", "journal"): get_journal,
    ("GET", "authority"): get_authority,
    ("GET", "faults"): get_faults,
    ("POST", "faults"): post_faults,
    ("DELETE", "faults"): delete_faults,
    ("POST", "release"): post_release,
    ("POST", "launches"): post_launches,
    ("DELETE", "launches"): delete_launches,
    ("POST", "limits"): post_limits,
    ("POST", "lone"): post_lone,
    ("POST", "network"): post_network,
    ("POST", "pages"): post_pages,
    ("GET", "network"): get_network,
    ("DELETE", "network"): delete_network,
    ("GET", "inventory"): get_inventory,
    ("GET", "guests"): get_guests,
    ("POST", "copies"): post_copies,
    ("POST", "deprecations"): post_deprecations,
    ("POST", "guests"): post_guests,
    ("GET", "targets"): get_targets,
    ("GET", "fronts"): get_fronts,
    ("GET", "settings"): get_settings,
    ("POST", "settings"): post_settings,
    ("POST", "reset"): post_reset,
}
