"""The web application of the tests. Its image says its version and what is wrong with it."""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERSION, BAKED = open(os.path.join(HOME, "release")).read().split()
BEHAVIOUR = os.environ.get("BEHAVIOUR", BAKED)
# Process ids repeat where each member has its own namespace.
PROCESS = os.urandom(8).hex()


class Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        request = urlparse(self.path)
        if BEHAVIOUR == "answers_500":
            return self.answer(500, b"the database is not there\n")
        if BEHAVIOUR == "hangs":
            time.sleep(3600)
        if request.path == "/slow":
            time.sleep(float(parse_qs(request.query)["seconds"][0]))
        if request.path == "/environment":
            return self.answer(200, json.dumps(dict(os.environ)).encode())
        self.answer(200, VERSION.encode())

    def do_POST(self):
        self.answer(201, self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", VERSION)
        self.send_header("X-Process", PROCESS)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


print(f"version {VERSION} starts and {BEHAVIOUR}", flush=True)
if BEHAVIOUR == "exits":
    print("fatal: no license for this machine", file=sys.stderr, flush=True)
    sys.exit(7)
if BEHAVIOUR == "never_listens":
    time.sleep(3600)
if BEHAVIOUR == "starts_when_told":
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.02)
if BEHAVIOUR == "forks":
    # The child leaves the member's process group and session, as daemons do.
    subprocess.Popen(["sleep", "3600"], start_new_session=True)
if BEHAVIOUR == "ignores_sigterm":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if BEHAVIOUR == "works":
    while True:
        time.sleep(1)
Server((os.environ["HOST"], int(os.environ["PORT"])), Web).serve_forever()
