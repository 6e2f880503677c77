"""The thread in which all traffic runs: health probes and the load balancers' fronts."""

import asyncio
import threading


class Traffic:
    """An event loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="traffic", daemon=True)
        self.tasks = set()

    def begin(self):
        self.thread.start()

    def call(self, function):
        """Runs a plain function there, soon."""
        self.loop.call_soon_threadsafe(function)

    def run(self, coroutine):
        """Runs a coroutine there, to its end."""
        self.loop.call_soon_threadsafe(self._keep, coroutine)

    def _keep(self, coroutine):
        task = self.loop.create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


traffic = Traffic()
