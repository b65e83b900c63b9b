"""
ASGI 3 apps: FastAPI, Starlette, Django and all others, unmodified, with lifespan, streaming both ways and WebSockets. An
event call reaches an app as a POST to `/` with the event as its JSON body.
"""
from json import loads

from .async_engine import changed, drained
from .failure import RuntimeFailure, invalid
from .http_event import percent_decode
from .lambda_response import send_text_result

# Headers of a connection, not of a message; the gateway speaks for its own.
HOP_HEADERS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
ASGI_VERSION = {"version": "3.0", "spec_version": "2.4"}
DISCONNECT = {"type": "http.disconnect"}


class AsgiHandler:
    kind = "fetch"
    concurrency = 100
    # An app hears of a caller who left by `http.disconnect`.
    stops_when_unwanted = False

    def __init__(self, app, loop):
        self.app = app
        self.loop = loop
        self._lifespan = None
        self._state = None

    async def start(self):
        from .lifespan import Lifespan

        self._lifespan = Lifespan(self.app, self.loop)
        self._state = await self._lifespan.start()

    async def finish(self):
        await self._lifespan.finish()

    async def call_async(self, invocation):
        if not invocation.is_http:
            await self._call_event(invocation)
            return
        lines = invocation.head.split(b"\n")
        headers = [tuple(line.split(b": ", 1)) for line in lines[7:]]
        if b"\nupgrade: " in invocation.head and _is_websocket(headers):
            from .websocket import WebSocketCall

            await WebSocketCall(self, invocation, self.scope("websocket", lines, headers)).run()
            return
        call = HttpCall(self.loop, invocation)
        await self.app(self.scope("http", lines, headers), call.receive, call.send)
        call.finish()

    def scope(self, kind, lines, headers):
        method, _, target = lines[6].partition(b" ")
        raw_path, _, query = target.partition(b"?")
        path = raw_path
        if b"%" in raw_path:
            try:
                path = percent_decode(raw_path)
            except ValueError:
                pass
        scheme = lines[3].decode("latin-1")
        scope = {
            "type": kind,
            "asgi": ASGI_VERSION,
            "http_version": "1.1",
            "server": _server_of(headers, scheme),
            "client": (lines[2].decode("latin-1"), 0),
            "scheme": scheme,
            "root_path": "",
            "path": path.decode("utf-8", "replace"),
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
            "lambent.request_id": lines[0].decode("latin-1"),
        }
        if kind == "http":
            scope["method"] = method.decode("latin-1")
        else:
            scope["scheme"] = "wss" if scheme == "https" else "ws"
        if self._state is not None:
            scope["state"] = self._state.copy()
        return scope

    async def _call_event(self, invocation):
        head = loads(invocation.head)
        request_id = head["requestId"].encode("latin-1")
        headers = [
            (b"host", b"lambent.internal"),
            (b"content-type", b"application/json"),
            (b"x-request-id", request_id),
        ]
        if "traceparent" in head:
            headers.append((b"traceparent", head["traceparent"].encode("latin-1")))
        lines = [request_id, b"", b"127.0.0.1", b"http", b"", b"", b"POST /"]
        call = EventCall(self.loop, invocation)
        await self.app(self.scope("http", lines, headers), call.receive, call.send)
        send_text_result(invocation, call.status, b"".join(call.pieces))


def _is_websocket(headers):
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)


def _server_of(headers, scheme):
    host = next((value for name, value in headers if name == b"host"), b"localhost").decode("latin-1")
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        return name, int(port)
    return host, 443 if scheme == "https" else 80


class HttpCall:
    """One request: what the app's `receive` and `send` do."""

    __slots__ = ("_loop", "_invocation", "_is_head", "_status", "_block", "_started", "_finished", "_body_given")

    def __init__(self, loop, invocation):
        self._loop = loop
        self._invocation = invocation
        self._is_head = b"\nHEAD " in invocation.head
        self._status = 0
        self._block = b""
        self._started = False
        self._finished = False
        self._body_given = False

    async def receive(self):
        invocation = self._invocation
        while not self._body_given:
            if invocation.cancelled or invocation.ended:
                return DISCONNECT
            piece = invocation.read()
            if piece is not None:
                more = bool(piece) and not (invocation.body_complete and not invocation.has_piece)
                self._body_given = not more
                return {"type": "http.request", "body": piece, "more_body": more}
            await changed(invocation, self._loop)
        while not (invocation.cancelled or invocation.ended):
            await changed(invocation, self._loop)
        return DISCONNECT

    async def send(self, message):
        kind = message["type"]
        if kind == "http.response.body":
            if not self._status:
                raise RuntimeError("the app sent a body before http.response.start")
            if self._finished:
                raise RuntimeError("the app sent more after the end of its answer")
            await self._send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.start":
            if self._status:
                raise RuntimeError("the app sent http.response.start a second time")
            self._status = _status_of(message["status"])
            self._block = header_block(message.get("headers") or ())
        else:
            raise RuntimeError(f"the app sent a message of the unknown type {kind!r}")

    async def _send_body(self, body, more):
        invocation = self._invocation
        if type(body) is not bytes:
            body = bytes(body)
        self._finished = not more
        if self._is_head:
            body = b""
        if not self._started:
            self._started = True
            invocation.respond(self._status, self._block, body, not more)
        elif body or not more:
            invocation.write(body, not more)
        if not invocation.drained:
            await drained(invocation, self._loop)

    def finish(self):
        """The app has returned."""
        invocation = self._invocation
        if self._finished or invocation.ended:
            return
        if invocation.cancelled:
            invocation.end()
        elif self._started:
            raise invalid("the app returned before the end of its answer")
        else:
            raise invalid("the app returned without an answer")


class EventCall:
    """An event call: the event is the body of the request, the answer is collected."""

    def __init__(self, loop, invocation):
        self._request = HttpCall(loop, invocation)
        self.receive = self._request.receive
        self.status = 0
        self.pieces = []

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = _status_of(message["status"])
        elif message["type"] == "http.response.body":
            self.pieces.append(bytes(message.get("body", b"")))


def _status_of(status):
    status = int(status)
    if 200 <= status <= 599:
        return status
    raise RuntimeFailure(
        "E_FUNCTION_RESPONSE_INVALID", "InvalidResponse", f"the app answered the status {status}; 200 to 599 are valid"
    )


def header_block(headers):
    """Header lines as they go on the wire; the platform checks them."""
    parts = []
    for name, value in headers:
        if name not in HOP_HEADERS:
            parts += (name, b": ", value, b"\r\n")
    return b"".join(parts)
