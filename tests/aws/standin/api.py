"""The way of a request: counted, perhaps hurt by a fault, answered by moto under the lock."""

import socket
import struct
import traceback

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from . import alarms, authority, calls, control, portal, rules
from .faults import faults
from .world import world

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


class Api:
    """The WSGI application."""

    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path.startswith("/standin/"):
            answer = control.answer(environ)
            self.let_arrive(faults.overdue())
            return respond(start_response, *answer)
        if path.startswith("/moto-api/"):
            return self.moto(environ, start_response)
        if path in portal.PATHS:
            return respond(start_response, *portal.answer(environ))
        call = calls.Call(environ)
        fault = faults.meet(call)
        if fault is None:
            answer = self.answer(call, environ)
            self.let_arrive(faults.arriving(call))
            return respond(start_response, *answer)
        return self.hurt(fault, call, environ, start_response)

    def let_arrive(self, late):
        """Lets calls have their effect of which nobody waits for the answer any more."""
        for fault, call, environ in late:
            status, _, body = self.answer(call, environ)
            fault.arrived.append([call.name, status])
            if status >= 500:
                world.log(f"{call.name}, late: {body!r}")

    def hurt(self, fault, call, environ, start_response):
        """Answers a call that a fault has taken."""
        refusal = fault.refusal(call)
        if refusal:
            return respond(start_response, *refusal)
        if fault.kind == "slow":
            fault.delay()
        if fault.kind in ("hold", "cut"):
            fault.hold()
        if fault.kind == "late":
            fault.keep(call, dict(environ))
        if fault.kind in ("reset", "cut", "late"):
            reset(environ)
        answer = self.answer(call, environ)
        if fault.kind == "hold_after":
            fault.hold()
        if fault.kind == "lost_reply":
            reset(environ)
        return respond(start_response, *answer)

    def answer(self, call, environ):
        """moto's answer; what moto cannot do is a clear refusal, never a page of HTML."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = call.account
        try:
            with world.lock:
                authority.note(call)
                if call.protocol == "cbor":
                    return alarms.answer(call, environ, self.ask_moto)
                answer = self.ask_moto(environ)
                if call.service == "elbv2" and not call.is_read:
                    rules.changed()
                return answer
        except NotImplementedError as error:
            return calls.refusal(call, 400, "InvalidAction", f"The stand-in does not know {call.name}: {error}")
        except Exception as error:
            world.log(f"{call.name}: {traceback.format_exc()}")
            return calls.refusal(call, 400, "StandInError", f"The stand-in failed at {call.name}: {error!r}")

    def ask_moto(self, environ):
        """Status, content type and body of moto's answer."""
        given = {}

        def start_response(status, headers, _info=None):
            given["status"] = int(status.split(" ", 1)[0])
            given["type"] = dict((name.lower(), value) for name, value in headers).get("content-type", "text/xml")
            return lambda _data: None

        body = b"".join(self.moto(environ, start_response))
        return given["status"], given["type"], body


def respond(start_response, status, content_type, body):
    reason = REASONS.get(status, "Status")
    start_response(f"{status} {reason}", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


def reset(environ):
    """Ends the connection without an answer, as a reset."""
    connection = environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise ConnectionResetError("a fault was ordered")
