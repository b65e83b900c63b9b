"""
What the author's code asks of the platform, over the same channel: `src/model/frames.ts` explains CALL. The package
`lambent` (sdk/python) finds `call` and `call_async` here.
"""
from _thread import allocate_lock
from json import dumps, loads

from . import frames
from .frames import BODY_CHUNK_BYTES, CALL_STREAM, WINDOW_BYTES
from .invocation import current

# Calls that may wait for one of those that are open to end.
WAITING_MAX = 10_000
# Calls that may be open; the platform refuses more.
OPEN_MAX = 256
STREAM_MAX = 0xFFFF_FFFF


class CallFailure(Exception):
    """A call that the platform refused, or that failed in the function that was called."""

    def __init__(self, failure):
        super().__init__(failure["errorMessage"])
        self.code = failure["code"]
        self.error_type = failure["errorType"]
        self.stack_trace = failure["stackTrace"]
        self.retryable = failure["retryable"]
        self.hint = failure["hint"]


class Call:
    __slots__ = ("head", "payload", "sent", "room", "pieces", "failure", "is_done", "on_done")

    def __init__(self, operation, args, payload, on_done):
        invocation = current.get()
        head = dumps({"operation": operation, "args": args}).encode()
        stream = 0 if invocation is None else invocation.stream
        self.head = frames.U32.pack(stream) + frames.U32.pack(len(head)) + head
        self.payload = payload
        self.sent = 0
        self.room = WINDOW_BYTES
        self.pieces = []
        self.failure = None
        self.is_done = False
        # Called in the thread that reads the channel.
        self.on_done = on_done

    def result(self):
        if self.failure is not None:
            raise CallFailure(self.failure)
        return b"".join(self.pieces)


class Calls:
    """The calls that this process makes: some open, further ones in a queue. Any thread may make one."""

    def __init__(self, channel):
        self._channel = channel
        self._lock = allocate_lock()
        self._open = {}
        self._waiting = []
        self._next_stream = CALL_STREAM + 1

    def start(self, call):
        with self._lock:
            if len(self._waiting) >= WAITING_MAX:
                raise CallFailure(
                    {
                        "code": "E_TOO_MANY_CALLS",
                        "errorType": "E_TOO_MANY_CALLS",
                        "errorMessage": f"more than {WAITING_MAX} calls wait in this process",
                        "stackTrace": [],
                        "retryable": True,
                        "hint": "Wait for some of the calls before you make more.",
                    }
                )
            self._waiting.append(call)
            self._start_waiting()

    def on_frame(self, kind, stream, payload, last):
        """A frame on a stream that this process opened."""
        with self._lock:
            call = self._open.get(stream)
            if call is None:
                return
            if kind == frames.CREDIT:
                call.room += frames.U32.unpack(payload)[0]
                self._send(stream, call)
                return
            if kind == frames.CALL_FAILED:
                call.failure = loads(payload)
            else:
                call.pieces.append(payload)
                if not last:
                    self._channel.number(frames.CREDIT, stream, len(payload))
                    return
            del self._open[stream]
            self._start_waiting()
        call.is_done = True
        call.on_done()

    def _start_waiting(self):
        while self._waiting and len(self._open) < OPEN_MAX:
            call = self._waiting.pop(0)
            stream = self._next_stream
            self._next_stream = CALL_STREAM + 1 if stream == STREAM_MAX else stream + 1
            self._open[stream] = call
            first = call.payload[:BODY_CHUNK_BYTES]
            call.sent = len(first)
            call.room -= len(first)
            last = call.sent == len(call.payload)
            self._channel.frame(frames.CALL, frames.FIN if last else 0, stream, call.head + first)
            self._send(stream, call)

    def _send(self, stream, call):
        size = len(call.payload)
        while call.sent < size and call.room > 0:
            end = min(call.sent + BODY_CHUNK_BYTES, call.sent + call.room, size)
            chunk = call.payload[call.sent : end]
            call.sent = end
            call.room -= len(chunk)
            self._channel.frame(frames.BODY, frames.FIN if end == size else 0, stream, chunk)


_runtime = None


def connect(runtime):
    global _runtime
    _runtime = runtime


def call(operation, args, payload):
    """Performs an operation and waits for its result: bytes. Raises CallFailure."""
    engine = _runtime.engine
    engine.check_may_wait()
    done = allocate_lock()
    done.acquire()
    made = Call(operation, args, payload, done.release)
    _runtime.calls.start(made)
    engine.wait_call(made, done)
    return made.result()


async def call_async(operation, args, payload):
    """The same in an event loop, which goes on meanwhile."""
    from asyncio import get_running_loop

    loop = get_running_loop()
    if not _runtime.engine.serves(loop):
        # A loop of the author's own: nobody reads the channel in it.
        from asyncio import to_thread

        return await to_thread(call, operation, args, payload)
    done = loop.create_future()
    made = Call(operation, args, payload, lambda: done.done() or done.set_result(None))
    _runtime.calls.start(made)
    await done
    return made.result()
