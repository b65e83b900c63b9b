"""
WSGI apps (PEP 3333): Flask, Django and all others, unmodified. The request's body is read as it comes, the answer's
pieces leave as the app yields them. An event call reaches an app as a POST to `/` with the event as its JSON body.
"""
import io
from json import loads

from .failure import invalid
from .http_event import HttpHead, percent_decode
from .lambda_response import send_text_result
from .sync_engine import read_body, write_all

EVENT_BODY_BYTES_MAX = 64 * 1024 * 1024
# These belong to one connection; the gateway speaks for its own.
HOP_HEADERS = frozenset(("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"))


class WsgiHandler:
    kind = "server"
    concurrency = 1

    def __init__(self, app, boot):
        self._app = app
        self._multithread = boot.get("concurrency", 1) > 1

    def call(self, invocation, engine):
        if invocation.is_http:
            environ = _http_environ(invocation, engine)
            answer = Answer(invocation, engine, environ["REQUEST_METHOD"] == "HEAD")
        else:
            environ = _event_environ(invocation, engine)
            answer = EventAnswer()
        environ["wsgi.multithread"] = self._multithread
        result = self._app(environ, answer.start_response)
        try:
            if isinstance(result, (list, tuple)):
                answer.send_all(b"".join(result))
            else:
                for piece in result:
                    if piece and not answer.send(piece):
                        break
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        if invocation.is_http:
            answer.finish()
        else:
            send_text_result(invocation, answer.status, b"".join(answer.pieces))


class Answer:
    def __init__(self, invocation, engine, is_head):
        self._invocation = invocation
        self._engine = engine
        self._is_head = is_head
        self._status = 0
        self._block = b""
        # None: the app declared no length.
        self._length = None
        self.started = False

    def start_response(self, status, headers, exc_info=None):
        if exc_info is not None:
            try:
                if self.started:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._status:
            raise AssertionError("start_response was called a second time without exc_info")
        self._status = status_of(status)
        lines = []
        self._length = None
        for name, value in headers:
            key = name.lower()
            if key not in HOP_HEADERS:
                lines.append(f"{key}: {value}\r\n")
                if key == "content-length" and value.isdigit():
                    self._length = int(value)
        try:
            self._block = "".join(lines).encode("latin-1")
        except UnicodeEncodeError as error:
            raise invalid(f"the app answered a header that is not valid: {error}") from None
        return self.send

    def send(self, data):
        """A piece of the body. False: nobody reads it any more."""
        self._check_status()
        invocation = self._invocation
        if self.started:
            return self._is_head or write_all(invocation, self._engine, data)
        self.started = True
        if self._is_head:
            invocation.respond(self._status, self._block, b"", True)
        elif len(data) == self._length:
            # All of it: head and body leave in one frame.
            invocation.respond(self._status, self._block, data, True)
        else:
            invocation.respond(self._status, self._block, b"", False)
            return write_all(invocation, self._engine, data)
        return True

    def send_all(self, data):
        """The whole body."""
        self._check_status()
        if self.started:
            self.send(data)
            return
        self.started = True
        if self._length is None and self._status not in (204, 304):
            self._block += b"content-length: %d\r\n" % len(data)
        self._invocation.respond(self._status, self._block, b"" if self._is_head else data, True)

    def finish(self):
        if not self.started:
            self.send_all(b"")
        elif not self._invocation.ended:
            self._invocation.write(b"", True)

    def _check_status(self):
        if not self._status:
            raise invalid("the app did not call start_response before its body")


class EventAnswer:
    """Collects the answer to an event call."""

    started = False

    def __init__(self):
        self.status = 0
        self.pieces = []

    def start_response(self, status, _headers, _exc_info=None):
        self.status = status_of(status)
        return self.pieces.append

    def send(self, data):
        self.pieces.append(data)
        return True

    def send_all(self, data):
        self.pieces.append(data)


def status_of(status):
    code = status[:3]
    if not code.isdigit() or not 200 <= int(code) <= 599:
        raise invalid(f"the app answered the status {status!r}; it must begin with a number from 200 to 599")
    return int(code)


def _http_environ(invocation, engine):
    head = HttpHead(invocation.head)
    path, _, query = head.target.partition(b"?")
    try:
        path = percent_decode(path) if b"%" in path else path
    except ValueError:
        pass
    environ = _base_environ(invocation, engine)
    environ.update(
        {
            "REQUEST_METHOD": head.method.decode("latin-1"),
            "PATH_INFO": path.decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "REMOTE_ADDR": head.text(2),
            "wsgi.url_scheme": head.text(3),
            "lambent.request_id": head.request_id,
        }
    )
    for line in head.header_lines:
        name, _, value = line.decode("latin-1").partition(": ")
        key = name.replace("-", "_").upper()
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        # A name with an underscore is another header than the one with a hyphen, and nobody's to pretend to be it.
        if "_" in name:
            continue
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}"
        environ[key] = value
    host = environ.get("HTTP_HOST", "localhost")
    name, colon, port = host.rpartition(":")
    is_numbered = colon and port.isdigit()
    environ["SERVER_NAME"] = name if is_numbered else host
    environ["SERVER_PORT"] = port if is_numbered else ("443" if head.text(3) == "https" else "80")
    return environ


def _event_environ(invocation, engine):
    head = loads(invocation.head)
    body = read_body(invocation, engine, EVENT_BODY_BYTES_MAX)
    environ = _base_environ(invocation, engine)
    environ.update(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "lambent.internal",
            "SERVER_PORT": "80",
            "HTTP_HOST": "lambent.internal",
            "HTTP_X_REQUEST_ID": head["requestId"],
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }
    )
    return environ


def _base_environ(invocation, engine):
    import sys

    return {
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "lambent",
        "wsgi.version": (1, 0),
        "wsgi.input": io.BufferedReader(Body(invocation, engine)),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


class Body(io.RawIOBase):
    """The request's body as it comes."""

    def __init__(self, invocation, engine):
        self._invocation = invocation
        self._engine = engine
        self._rest = b""

    def readable(self):
        return True

    def readinto(self, into):
        invocation = self._invocation
        if not self._rest:
            piece = invocation.read()
            while piece is None:
                self._engine.wait(invocation, lambda: invocation.has_news)
                piece = invocation.read()
            self._rest = piece
        size = min(len(into), len(self._rest))
        into[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


