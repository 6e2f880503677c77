"""What all parts of the stand-in share: the settings, one lock, the pulse, the log."""

import sys
import threading
import time
import traceback

from .settings import Settings


class World:
    """One stand-in.

    `lock` is held by every API call and by every beat of the pulse, so moto's data is only
    ever touched by one of them. Traffic and health probes run without it.
    """

    def __init__(self):
        self.settings = Settings()
        self.lock = threading.RLock()
        self.beats = []
        self.ended = threading.Event()

    def now(self):
        """A clock that only goes forward, in seconds."""
        return time.monotonic()

    def on_beat(self, beat):
        """Registers what is to be done, with the lock held, at each beat of the pulse."""
        self.beats.append(beat)

    def pulse(self):
        """Beats until the stand-in ends. One thread for its whole life: guests die with it."""
        while not self.ended.wait(self.settings.tick):
            for beat in self.beats:
                try:
                    with self.lock:
                        beat()
                except Exception:  # one broken beat must not stop the others, nor be silent
                    self.log(traceback.format_exc())

    def log(self, text):
        """Tells the person who runs the stand-in."""
        print(text, file=sys.stderr, flush=True)


world = World()
