"""One invocation: the request's body on its way in, the answer on its way out, and whether anybody still waits."""
from _contextvars import ContextVar

from . import frames
from .frames import BODY_CHUNK_BYTES, RESPONSE_FIXED_BYTES, WINDOW_BYTES

# Which invocation the running code works for. Tasks and threads that a handler starts inherit it.
current = ContextVar("lambent_invocation", default=None)

# Consumed body bytes are acknowledged in portions of at least this size.
CREDIT_BYTES = WINDOW_BYTES // 4


class BrokenBody(ConnectionError):
    """The caller went away, or the answer ended, before the body of the request was complete."""


class Cancelled(BaseException):
    """Stops the work of an invocation whose time is over or whose caller is gone. No `except Exception` catches it."""


class Invocation:
    """
    open -> answered -> ended; a cancelled one drops its output and ends when its handler does.

    It is used by one thread at a time, or under the engine's lock.
    """

    __slots__ = (
        "stream",
        "is_http",
        "head",
        "cancelled",
        "answered",
        "ended",
        "partial_out",
        "partial_err",
        "muted",
        "thread",
        "task",
        "_waiters",
        "_owner",
        "_channel",
        "_incoming",
        "_incoming_done",
        "_may_upgrade",
        "_consumed",
        "_room",
        "_queue",
        "_last_queued",
    )

    def __init__(self, owner, stream, is_http, head, body, complete):
        self.stream = stream
        self.is_http = is_http
        # The head of the request as it came: bytes.
        self.head = head
        # 0, or why the answer is no longer wanted.
        self.cancelled = 0
        self.answered = False
        self.ended = False
        # Unfinished lines of its output.
        self.partial_out = ""
        self.partial_err = ""
        # What the code prints now was printed before: a workflow is replayed.
        self.muted = False
        # What works on it: so that it can be stopped.
        self.thread = None
        self.task = None
        # Called once at the next news: body bytes came, output left, it was cancelled or has ended.
        self._waiters = None
        self._owner = owner
        self._channel = owner.channel
        self._incoming = [body] if body else []
        self._incoming_done = complete
        # What comes is of a protocol that the code has not switched to: the request itself has no body.
        self._may_upgrade = is_http and not complete and b"\nupgrade: " in head
        self._consumed = 0
        self._room = WINDOW_BYTES
        self._queue = None
        self._last_queued = False

    def on_news(self, waiter):
        """Calls `waiter` once, at the next news."""
        if self._waiters is None:
            self._waiters = [waiter]
        else:
            self._waiters.append(waiter)

    def _tell(self):
        waiters = self._waiters
        if waiters is not None:
            self._waiters = None
            for waiter in waiters:
                waiter()

    # The body of the request.

    @property
    def has_news(self):
        """`read` has something to say."""
        return bool(self._incoming) or self.body_complete or self.cancelled or self.ended

    @property
    def has_piece(self):
        return bool(self._incoming)

    @property
    def body_complete(self):
        return self._incoming_done or self._may_upgrade

    def upgrade(self):
        """The code switched protocols: from here on the body is what comes over the connection."""
        self._may_upgrade = False

    def read(self):
        """The next piece of the body; b"" at its end, None when none is here yet. Raises BrokenBody."""
        if self._may_upgrade:
            return b""
        if self._incoming:
            piece = self._incoming.pop(0)
            self._consumed += len(piece)
            if self._consumed >= CREDIT_BYTES and not self._incoming_done and not self.ended:
                self._channel.number(frames.CREDIT, self.stream, self._consumed)
                self._consumed = 0
            return piece
        if self._incoming_done:
            return b""
        if self.cancelled:
            raise BrokenBody("the request was cancelled before its body was complete")
        if self.ended:
            raise BrokenBody("the answer ended before the body of the request was read")
        return None

    def receive(self, payload, last):
        if self._incoming_done or self.cancelled:
            return
        if payload:
            self._incoming.append(payload)
        self._incoming_done = last
        self._tell()

    # The answer.

    def respond(self, status, block, body, last):
        """A whole answer, or its beginning when `last` is false. `block`: header lines as bytes."""
        if self.ended:
            return
        if self.cancelled:
            if last:
                self.end()
            return
        self.answered = True
        if len(body) <= BODY_CHUNK_BYTES:
            self._room -= RESPONSE_FIXED_BYTES + len(block) + len(body)
            if last:
                self._before_end()
            self._channel.response(self.stream, last, status, block, body)
            if last:
                self._ended()
            return
        self._room -= RESPONSE_FIXED_BYTES + len(block)
        self._channel.response(self.stream, False, status, block, b"")
        self.write(body, last)

    def result(self, data, last):
        """The beginning of the result of an event call, or all of it."""
        if self.ended or self.cancelled:
            if last:
                self.end()
            return
        whole = len(data) <= BODY_CHUNK_BYTES
        self.answered = True
        self._send(frames.RESULT, data if whole else data[:BODY_CHUNK_BYTES], last and whole)
        if not whole:
            self.write(data[BODY_CHUNK_BYTES:], last)

    def write(self, data, last):
        """More of the answer's body. False: some of it waits for the reader; `on_news` tells when it has left."""
        if self.ended or self._last_queued:
            return True
        if self.cancelled:
            if last:
                self.end()
            return True
        if self._queue is not None or len(data) > self._room:
            if self._queue is None:
                self._queue = []
            self._queue.append(data)
            self._last_queued = last
            self._pump()
            return self._queue is None
        while len(data) > BODY_CHUNK_BYTES:
            self._send(frames.BODY, data[:BODY_CHUNK_BYTES], False)
            data = data[BODY_CHUNK_BYTES:]
        if data or last:
            self._send(frames.BODY, data, last)
        return True

    @property
    def drained(self):
        """Nothing that was written waits for the reader."""
        return self._queue is None

    def credit(self, count):
        self._room += count
        if self._queue is None:
            return
        self._pump()
        if self._queue is None:
            self._tell()

    def fail(self, failure):
        """`failure`: the JSON text of a FailureMessage, as bytes."""
        if self.ended:
            return
        self._before_end()
        self._channel.frame(frames.FAILED, frames.FIN, self.stream, failure)
        self._ended()

    def cancel(self, reason):
        if self.cancelled or self.ended:
            return
        self.cancelled = reason
        self._queue = None
        self._tell()
        # The handler had handed over all it had: nobody else will end the stream.
        if self._last_queued:
            self.end()

    def end(self):
        """Ends the stream as it stands."""
        if self.ended:
            return
        self._before_end()
        self._channel.frame(frames.BODY, frames.FIN, self.stream)
        self._ended()

    def _pump(self):
        queue = self._queue
        while queue:
            chunk = queue[0]
            size = min(len(chunk), self._room, BODY_CHUNK_BYTES)
            if size <= 0 and chunk:
                return
            if size == len(chunk):
                queue.pop(0)
            else:
                queue[0] = chunk[size:]
                chunk = chunk[:size]
            self._send(frames.BODY, chunk, self._last_queued and not queue)
        self._queue = None

    def _send(self, kind, data, last):
        self._room -= len(data)
        if last:
            self._before_end()
        self._channel.frame(kind, frames.FIN if last else 0, self.stream, bytes(data))
        if last:
            self._ended()

    def _before_end(self):
        # What belongs to the invocation must leave before its last frame.
        if self.partial_out or self.partial_err:
            self._owner.output.flush_partial(self)
        self._owner.report_memory()

    def _ended(self):
        self.ended = True
        self._queue = None
        self._owner.remove(self)
        self._tell()
