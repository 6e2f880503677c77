"""The real process behind an instance, as its operating system would run it."""

import email
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile

from .world import world

ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
BEGINNINGS = {"#!": "text/x-shellscript", "#cloud-config": "text/cloud-config", "#cloud-boothook": "text/cloud-boothook"}
CONSOLE_BYTES = 64 * 1024  # what GetConsoleOutput shows at most
PDEATHSIG = shutil.which("setpriv")


def environment_of(user_data):
    """The variables that the boot sets before services start: each line `NAME=value` or
    `export NAME=value` of what cloud-init does by then.

    Nothing is run, since it would write to this machine; a heredoc or cloud-config that writes an
    environment file line by line is read as well.
    """
    found = {}
    for line in "\n".join(early_parts(user_data)).splitlines():
        match = ASSIGNMENT.match(line)
        if not match:
            continue
        try:
            words = shlex.split(match.group(2))
        except ValueError:
            words = [match.group(2)]
        found[match.group(1)] = " ".join(words)
    return found


def early_parts(user_data):
    """The parts of user data that cloud-init is done with when services start: boothooks and
    cloud-config. The turn of a script comes in its last stage, after them."""
    for kind, text in parts_of(user_data):
        if kind in ("text/cloud-boothook", "text/cloud-config"):
            yield text


def parts_of(user_data):
    """Kind and text of each part, read as cloud-init reads them."""
    if "mime-version:" not in user_data[:4096].lower():
        for beginning, kind in BEGINNINGS.items():
            if user_data.startswith(beginning):
                yield kind, user_data
        return
    for part in email.message_from_string(user_data).walk():
        if part.get_content_maintype() != "multipart":
            # Without an encoding this spoils what is not ASCII, for cloud-init as well.
            yield part.get_content_type(), part.get_payload(decode=True).decode("utf-8", "surrogateescape")


class Guest:
    """A program in a process group of its own, its output kept for the console."""

    def __init__(self, instance_id, command, environment):
        self.instance_id = instance_id
        self.command = command
        self.environment = environment
        self.process = None
        self.kill_at = None
        self.console = tempfile.TemporaryFile()

    @property
    def is_imaginary(self):
        """No program: such an instance is healthy whenever it runs, and serves nothing."""
        return not self.command

    @property
    def is_alive(self):
        return self.is_imaginary or (self.process is not None and self.process.poll() is None)

    @property
    def pid(self):
        return self.process.pid if self.process and self.process.poll() is None else None

    def start(self):
        """Starts the program; one that cannot be started leaves its error on the console."""
        self.kill_at = None
        if self.is_imaginary:
            return
        words = shlex.split(self.command)
        guard = [PDEATHSIG, "--pdeathsig", "KILL", "--"] if PDEATHSIG else []
        try:
            self.process = subprocess.Popen(
                guard + words,
                cwd=os.path.dirname(words[0]) or "/",
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=self.console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self.console.write(f"{self.command}: {error}\n".encode())
            self.console.flush()

    def _environment(self):
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**inherited, **self.environment}

    def end(self):
        """Asks the program to end; `is_gone` kills it when it takes too long."""
        if self.kill_at is None:
            self.kill_at = world.now() + world.settings.shutdown
            self.signal(signal.SIGTERM)

    def is_gone(self):
        """Whether a program that was asked to end has ended."""
        if self.process is None:
            return True
        if self.process.poll() is None:
            if self.kill_at is not None and world.now() >= self.kill_at:
                self.signal(signal.SIGKILL)
            return False
        # What the program left behind in its group goes with it.
        self.signal(signal.SIGKILL)
        return True

    def signal(self, number):
        """Sends a signal to the program and all it started."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    def output(self):
        """The end of what the program wrote."""
        size = os.fstat(self.console.fileno()).st_size
        start = max(0, size - CONSOLE_BYTES)
        return os.pread(self.console.fileno(), size - start, start)
