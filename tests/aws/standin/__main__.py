"""Starts the stand-in, tells where it listens, serves until stdin closes or SIGTERM, leaves nothing."""

import os
import signal
import sys
import threading

# Read by moto at import: no preloaded images, and unknown images and types are refused.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
os.environ["MOTO_ENABLE_AMI_VALIDATION"] = "true"
os.environ["MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION"] = "true"

from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

from . import alarms, balancers, front, groups, hooks, images, instances, network, pages, policies, portal, rules, scaling, sharing, targets, templates  # noqa: E402
from .api import Api  # noqa: E402
from .settings import read_settings  # noqa: E402
from .traffic import traffic  # noqa: E402
from .world import world  # noqa: E402

PARTS = (images, sharing, instances, network, pages, templates, targets, rules, front, balancers, scaling, groups, hooks, policies, alarms)


class Quiet(WSGIRequestHandler):
    """Serves without a line per request, and hears no more of a connection that a fault has reset."""

    def make_environ(self):
        # werkzeug leaves headers with an underscore out.
        environ = super().make_environ()
        environ[portal.TOKEN] = self.headers.get("x-amz-sso_bearer_token", "")
        return environ

    def log_request(self, *_arguments):
        pass

    def connection_dropped(self, error, environ=None):
        # Else it waits for the next request, and the socket stays open until the client gives up.
        self.close_connection = True


def main():
    """Runs one stand-in."""
    world.settings = read_settings(sys.argv[1:])
    for part in PARTS:
        part.install()
    traffic.begin()
    server = make_server("127.0.0.1", world.settings.port, Api(), threaded=True, request_handler=Quiet)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="api", daemon=True).start()
    pulse = threading.Thread(target=world.pulse, name="pulse", daemon=True)
    pulse.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: world.ended.set())
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)
    threading.Thread(target=wait_for_stdin, name="stdin", daemon=True).start()
    world.ended.wait()
    pulse.join()
    with world.lock:
        instances.end_all()
        network.release()
    sys.stdout.flush()
    os._exit(0)


def wait_for_stdin():
    """Ends the stand-in when whoever started it is gone."""
    while sys.stdin.buffer.read1(4096):
        pass
    world.ended.set()


main()
