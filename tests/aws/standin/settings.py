"""Every number of the stand-in that a test may want to be another one."""

import argparse
import dataclasses
import os


@dataclasses.dataclass
class Settings:
    """How long things take, and where the stand-in listens. Times are in real seconds."""

    port: int = 0
    # What a launched image runs when no `standin:command` says otherwise; empty: no process.
    image_command: str = ""
    # One second that AWS is told about (health interval, deregistration delay, grace) lasts this.
    time_scale: float = 0.02
    # From the launch to the state `running`.
    pending: float = 0.1
    # From `running` to the start of the process, as an operating system takes its time to boot.
    boot: float = 0.05
    # From the start of the process to passed status checks.
    status_checks: float = 0.3
    # How long a process may take over SIGTERM before it is killed.
    shutdown: float = 1.0
    # A health probe never gives up sooner, however short the scaled timeout: the machine is shared.
    probe_patience: float = 1.0
    # A grace period is never shorter, or a busy machine turns every launch into a replacement.
    grace_floor: float = 5.0
    # A deregistration delay is never shorter, unless it is 0, so that it can be seen.
    drain_floor: float = 0.6
    # What is in flight when the delay is over is cut so much later: requests take the time of this
    # machine, which is shared, and not the scaled one.
    drain_patience: float = 3.0
    # From the answer to CreateRule or ModifyRule until the load balancer does as it says.
    rule_delay: float = 0.1
    # From DetachInstances until a member has left its group: some half a minute on AWS.
    detach: float = 0.6
    # Between a failed launch of a group and its next attempt.
    launch_retry: float = 0.3
    # From CopyImage to `available`.
    image_copy: float = 0.2
    # How long a terminated instance is still told about.
    terminated_shown: float = 60.0
    # The pulse of everything that happens without being asked for.
    tick: float = 0.03

    def scaled(self, aws_seconds):
        """Real seconds for a time that AWS counts in `aws_seconds`."""
        return float(aws_seconds) * self.time_scale


def read_settings(arguments):
    """Settings from the flags; each flag `--some-name` has an environment `STANDIN_SOME_NAME`."""
    parser = argparse.ArgumentParser(prog="standin", description=__doc__)
    for field in dataclasses.fields(Settings):
        preset = os.environ.get("STANDIN_" + field.name.upper(), field.default)
        parser.add_argument("--" + field.name.replace("_", "-"), type=field.type, default=field.type(preset))
    return Settings(**vars(parser.parse_args(arguments)))
