"""The load balancer behind each listener: an HTTP or TCP proxy on 127.0.0.1 and the listener's port.

It does what the rules say, weighs, sends only to healthy targets, fails open when a group has
none, and never tries a second target: what a member does wrong, the client sees.
"""

import asyncio
import socket

from . import rules, targets
from .errors import Refused
from .traffic import traffic
from .world import world

HEAD_LIMIT = 64 * 1024
IDLE = 60.0  # a client connection without a request is closed
fronts = {}  # listener ARN -> Front


class Request:
    """The head of a request, as rules look at it."""

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, self.version = lines[0].split(" ", 2)
        self.fields = [line.split(":", 1) for line in lines[1:] if ":" in line]
        self.headers = {name.strip().lower(): value.strip() for name, value in self.fields}
        self.host = self.headers.get("host", "")

    @property
    def keeps_alive(self):
        return self.headers.get("connection", "").lower() != "close" and self.version == "HTTP/1.1"


class Front:
    """One listener's socket, server and statistics."""

    def __init__(self, arn, protocol, port):
        self.arn = arn
        self.is_http = protocol in ("HTTP", "HTTPS")
        self.turns = rules.Turns()
        self.answered = {}
        self.server = None
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind(("127.0.0.1", int(port)))
        except OSError as error:
            self.socket.close()
            raise Refused("ValidationError", f"The stand-in cannot listen on 127.0.0.1:{port}: {error}") from None

    async def open(self):
        serve = self.serve_http if self.is_http else self.serve_tcp
        self.server = await asyncio.start_server(serve, sock=self.socket, limit=HEAD_LIMIT, backlog=512)

    async def close(self):
        if self.server:
            self.server.close()
        self.socket.close()

    def target_for(self, rule, action):
        """The next target of the next group by weight; None when there is none."""
        arn = self.turns.next(rule.arn, rules.weights_of(action))
        candidates = [target for target in targets.watched.get(arn, {}).values() if target.state != "draining"]
        healthy = [target for target in candidates if target.state == "healthy"]
        # Without a healthy target all are tried: AWS fails open.
        choice = healthy or candidates
        if not choice:
            return None
        turn = self.turns.next(arn, {target.id: 1 for target in choice})
        return next(target for target in choice if target.id == turn)

    async def serve_http(self, reader, writer):
        try:
            while await self.serve_one(reader, writer):
                pass
        except (OSError, EOFError, ValueError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()

    async def serve_one(self, reader, writer):
        """One request and its answer; whether the connection goes on."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE)
            request = Request(head)
        except asyncio.IncompleteReadError:
            return False
        rule = next((rule for rule in rules.rules_of(self.arn) if rule.matches(request)), None)
        action = rule.actions[-1] if rule else {}
        if action.get("Type") == "forward":
            target = self.target_for(rule, action)
            if target is not None:
                return await self.forward(request, target, reader, writer)
            return await self.answer(request, reader, writer, 503, "Service Temporarily Unavailable")
        fixed = action.get("FixedResponseConfig", {})
        code = int(fixed.get("StatusCode", 503))
        return await self.answer(request, reader, writer, code, fixed.get("MessageBody", ""))

    async def answer(self, request, reader, writer, code, text):
        """An answer of the load balancer's own."""
        await relay_body(request.headers, reader, None, is_request=True)
        self.count(code, "elb")
        body = text.encode()
        writer.write(f"HTTP/1.1 {code} ELB\r\nServer: awselb/2.0\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        writer.write(b"" if request.method == "HEAD" else body)
        await writer.drain()
        return request.keeps_alive

    def count(self, code, source):
        key = f"{source}:{code}"
        self.answered[key] = self.answered.get(key, 0) + 1

    async def forward(self, request, target, reader, writer):
        """Passes one request to a target and its answer back."""
        target.in_flight += 1
        upstream = None
        try:
            answer_from, upstream = await asyncio.open_connection(target.address, target.port, limit=HEAD_LIMIT)
            target.connections.add(upstream)
            upstream.write(head_for_target(request, writer))
            await relay_body(request.headers, reader, upstream, is_request=True)
            head = await answer_from.readuntil(b"\r\n\r\n")
            while head.split(b" ", 2)[1] == b"100":
                head = await answer_from.readuntil(b"\r\n\r\n")
        except (OSError, EOFError, ValueError, IndexError):
            await self.answer(no_body(request), reader, writer, 502, "Bad Gateway")
            return False
        else:
            return await self.pass_back(request, head, answer_from, writer)
        finally:
            target.in_flight -= 1
            target.connections.discard(upstream)
            if upstream:
                upstream.close()

    async def pass_back(self, request, head, answer_from, writer):
        status, _, rest = head.partition(b"\r\n")
        code = int(status.split(b" ", 2)[1])
        self.count(code, "target")
        fields = [line for line in rest.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
        headers = {name.strip().lower().decode("latin-1"): value.strip().decode("latin-1") for name, _, value in (field.partition(b":") for field in fields)}
        has_length = "content-length" in headers or "transfer-encoding" in headers
        is_empty = request.method == "HEAD" or code in (204, 304)
        keeps = request.keeps_alive and (has_length or is_empty)
        fields.append(b"Connection: keep-alive" if keeps else b"Connection: close")
        writer.write(b"HTTP/1.1 " + status.split(b" ", 1)[1] + b"\r\n" + b"\r\n".join(fields) + b"\r\n\r\n")
        if not is_empty:
            await relay_body(headers, answer_from, writer, is_request=False)
        await writer.drain()
        return keeps

    async def serve_tcp(self, reader, writer):
        """A network load balancer: one target for the life of a connection."""
        default = next((rule for rule in rules.rules_of(self.arn) if rule.is_default), None)
        target = self.target_for(default, default.actions[-1]) if default else None
        upstream = None
        if target is not None:
            target.in_flight += 1
        try:
            if target is None:
                return
            back, upstream = await asyncio.open_connection(target.address, target.port)
            target.connections.add(upstream)
            self.count("tcp", "target")
            await asyncio.gather(pump(reader, upstream), pump(back, writer))
        except (OSError, EOFError):
            self.count("tcp", "elb")
        finally:
            if target is not None:
                target.in_flight -= 1
                target.connections.discard(upstream)
            for end in (writer, upstream):
                if end is not None:
                    end.close()


def no_body(request):
    """The request with its body taken as read, for an answer after a failed forward."""
    request.headers = {name: value for name, value in request.headers.items() if name not in ("content-length", "transfer-encoding")}
    return request


def head_for_target(request, writer):
    """The head as a target gets it: one request a connection, and where it came from."""
    client = writer.get_extra_info("peername")[0]
    kept = [(name.strip(), value.strip()) for name, value in request.fields if name.strip().lower() not in ("connection", "keep-alive")]
    kept += [("Connection", "close"), ("X-Forwarded-For", client), ("X-Forwarded-Proto", "http")]
    lines = [f"{request.method} {request.path} HTTP/1.1"] + [f"{name}: {value}" for name, value in kept]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def relay_body(headers, source, sink, is_request):
    """Passes a body on as it is framed; without a sink it is read and dropped."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        await relay_chunks(source, sink)
    elif "content-length" in headers:
        await relay_length(source, sink, int(headers["content-length"]))
    elif not is_request:
        await pump(source, sink, ends=False)
    if sink is not None:
        await sink.drain()


async def relay_length(source, sink, length):
    while length > 0:
        piece = await source.read(min(length, 65536))
        if not piece:
            raise EOFError("the body ended early")
        length -= len(piece)
        if sink is not None:
            sink.write(piece)
            await sink.drain()


async def relay_chunks(source, sink):
    while True:
        line = await source.readline()
        size = int(line.split(b";")[0], 16)
        piece = line + await source.readexactly(size) + (await source.readline())
        if sink is not None:
            sink.write(piece)
            await sink.drain()
        if size == 0:
            return


async def pump(source, sink, ends=True):
    """Copies until the source ends, then tells the sink so."""
    while piece := await source.read(65536):
        if sink is not None:
            sink.write(piece)
            await sink.drain()
    if ends and sink is not None and sink.can_write_eof():
        sink.write_eof()


def beat():
    """Closes the fronts of listeners that are gone."""
    living = {listener.arn for _, listener in rules.listeners()}
    for arn in [arn for arn in fronts if arn not in living]:
        traffic.run(fronts.pop(arn).close())


def open_front(listener):
    """Opens the front of a new listener; refuses when its port cannot be had."""
    front = Front(listener.arn, listener.protocol, listener.port)
    fronts[listener.arn] = front
    traffic.run(front.open())


def install():
    """Follows the listeners."""
    world.on_beat(beat)
