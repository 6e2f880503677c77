"""Faults that a test orders: which calls they meet, and what happens to those."""

import fnmatch
import itertools
import threading
import time

from . import calls

KINDS = ("throttle", "error", "denied", "reset", "late", "lost_reply", "slow", "hold", "hold_after", "cut")
numbers = itertools.count(1)


class Fault:
    """An order: calls that match it, after the first `after`, `count` times, get this fault.

    `operation` is a pattern like `CreateRule`, `ec2:*` or `*`; `mutating` limits it to calls
    that change something. `count` 0 is for ever. `hold` keeps a call before its effect, `hold_after`
    before its answer, `cut` before a reset without any effect. `late` resets at once and lets the call
    have its effect when the account has had `wait` more calls that change something, at the latest
    when the order is taken back.
    """

    def __init__(self, order):
        if order.get("kind") not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        self.id = next(numbers)
        self.kind = order["kind"]
        self.operation = order.get("operation", "*")
        self.mutating = bool(order.get("mutating", False))
        self.account = order.get("account")
        self.after = int(order.get("after", 0))
        self.count = int(order.get("count", 1))
        self.seconds = float(order.get("seconds", 60 if self.kind in ("hold", "hold_after", "cut") else 1))
        self.status = int(order.get("status", 500))
        self.code = order.get("code", "InternalError" if order.get("status", 500) >= 500 else "ValidationError")
        self.message = order.get("message", "An internal error has occurred")
        self.wait = int(order.get("wait", 1))
        self.met = self.hits = self.holding = 0
        self.on_the_way = []
        self.arrived = []
        self.released = threading.Event()
        self.hit_operations = []

    def takes(self, call):
        """Whether this call gets the fault; counts the calls that match."""
        if self.account not in (None, call.account) or (self.mutating and call.is_read):
            return False
        if not any(fnmatch.fnmatchcase(name, self.operation) for name in (call.operation, call.name)):
            return False
        self.met += 1
        if self.met <= self.after or (self.count and self.hits >= self.count):
            return False
        self.hits += 1
        self.hit_operations.append(call.name)
        return True

    def refusal(self, call):
        """What the caller is told instead of an answer; None for faults of another kind."""
        if self.kind == "throttle":
            return calls.throttling(call)
        if self.kind == "denied":
            return calls.denial(call)
        if self.kind == "error":
            return calls.refusal(call, self.status, self.code, self.message)
        return None

    def hold(self):
        """Keeps a call waiting until the order is taken back, or its time is over."""
        self.holding += 1
        self.released.wait(self.seconds)
        self.holding -= 1

    def delay(self):
        time.sleep(self.seconds)

    def keep(self, call, environ):
        """Keeps a call that its sender has given up."""
        self.on_the_way.append((call, environ, self.wait))

    def due(self, call):
        """The calls on the way that arrive now that another one of their account was answered."""
        if call.is_read or self.account not in (None, call.account):
            return []
        waiting = [(late, environ, left - 1) for late, environ, left in self.on_the_way]
        self.on_the_way = [one for one in waiting if one[2] > 0]
        return [one for one in waiting if one[2] <= 0]

    def told(self):
        """The order and how it stands, for the control path."""
        fields = ("id", "kind", "operation", "mutating", "account", "after", "count", "met", "hits", "holding", "hit_operations", "arrived")
        return {field: getattr(self, field) for field in fields}


class Faults:
    """All orders, and a count of all calls."""

    def __init__(self):
        self.lock = threading.Lock()
        self.orders = []
        self.ended = []
        self.counted = {}
        self.journal = []

    def order(self, wish):
        fault = Fault(wish)
        with self.lock:
            self.orders.append(fault)
        return fault

    def take_back(self, fault_id=None, account=None):
        """Ends one order, those of an account, or all; what they hold goes on."""
        with self.lock:
            ended = [
                fault
                for fault in self.orders
                if fault_id in (None, fault.id) and (account is None or fault.account == account)
            ]
            self.orders = [fault for fault in self.orders if fault not in ended]
            self.ended += [fault for fault in ended if fault.on_the_way]
        for fault in ended:
            fault.released.set()

    def overdue(self):
        """The calls that were late when their orders were taken back."""
        with self.lock:
            ended, self.ended = self.ended, []
        return [(fault, late, environ) for fault in ended for late, environ, _ in fault.on_the_way]

    def arriving(self, call):
        """The calls that were late and arrive after this one, each with its order."""
        with self.lock:
            return [(fault, late, environ) for fault in self.orders for late, environ, _ in fault.due(call)]

    def meet(self, call):
        """Counts a call, and gives the fault that takes it, or None."""
        with self.lock:
            key = (call.account, call.region, call.name)
            self.counted[key] = self.counted.get(key, 0) + 1
            self.journal.append(key)
            del self.journal[:-20000]
            for fault in self.orders:
                if fault.takes(call):
                    return fault
        return None

    def denies(self, account, name):
        """Whether an account lacks the permission that a call needs on top of its own."""
        operation = name.split(":")[1]
        with self.lock:
            return any(fault.kind == "denied" and fault.account == account and fault.operation in (name, operation) for fault in self.orders)

    def counts(self, account=None, region=None):
        """Calls by operation."""
        found = {}
        for (of_account, of_region, name), count in self.counted.items():
            if account in (None, of_account) and region in (None, of_region):
                found[name] = found.get(name, 0) + count
        return dict(sorted(found.items()))

    def forget_counts(self, account=None):
        with self.lock:
            self.counted = {key: count for key, count in self.counted.items() if account not in (None, key[0])}
            self.journal = [key for key in self.journal if account not in (None, key[0])]


faults = Faults()
