"""
Runs plain functions and WSGI apps. Without `concurrency` in the manifest one invocation runs at a time, in the main
thread, which reads the channel only between invocations and while one waits for it: that is the fastest way, and code
that expects the main thread (signals, some libraries) is right in it. With `concurrency` each runs in a thread.
"""
from select import select

from .failure import RuntimeFailure
from .invocation import Cancelled, Invocation, current


class InlineEngine:
    invocation_class = Invocation

    def __init__(self, runtime):
        self._runtime = runtime
        self._channel = runtime.channel
        self._waiting = []
        self._busy = False
        self._loop = None

    def serve(self):
        channel, runtime = self._channel, self._runtime
        while True:
            frame = channel.next_frame()
            if frame is None:
                channel.flush()
                channel.receive()
            else:
                runtime.on_frame(*frame)

    def begin(self, invocation):
        if self._busy:
            self._waiting.append(invocation)
            return
        self._busy = True
        try:
            run_sync(self._runtime, self, invocation)
            while self._waiting:
                run_sync(self._runtime, self, self._waiting.pop(0))
        finally:
            self._busy = False

    def cancel(self, invocation, reason):
        invocation.cancel(reason)

    def wait(self, invocation, is_over):
        """Reads the channel until something is true of the invocation."""
        channel = self._channel
        while not is_over():
            frame = channel.next_frame()
            if frame is None:
                channel.flush()
                channel.receive()
            else:
                self._runtime.on_frame(*frame)

    def poll(self):
        """Hears whether the caller has gone, without waiting."""
        channel = self._channel
        channel.flush()
        while select((channel.fd,), (), (), 0)[0]:
            channel.receive()
            frame = channel.next_frame()
            while frame is not None:
                self._runtime.on_frame(*frame)
                frame = channel.next_frame()

    def drain(self):
        self._runtime.exit()

    def run_coroutine(self, coroutine):
        """A plain function returned a coroutine: a decorator hid that it is `async`."""
        if self._loop is None:
            from asyncio import new_event_loop

            self._loop = new_event_loop()
        return self._loop.run_until_complete(coroutine)


def run_sync(runtime, engine, invocation):
    token = current.set(invocation)
    try:
        runtime.handler.call(invocation, engine)
    except Cancelled:
        invocation.end()
    except BaseException as thrown:  # noqa: B902 - whatever the author's code raises ends its invocation only
        runtime.fail(invocation, thrown)
    finally:
        current.reset(token)
        # What was printed after the answer.
        if invocation.partial_out or invocation.partial_err:
            runtime.output.flush_partial(invocation)


def read_body(invocation, engine, bytes_max):
    """All of the request's body."""
    pieces = []
    size = 0
    while True:
        piece = invocation.read()
        if piece is None:
            engine.wait(invocation, lambda: invocation.has_news)
        elif piece:
            size += len(piece)
            if size > bytes_max:
                message = f"the body of the request is over {bytes_max} bytes, too much for an event"
                raise RuntimeFailure("E_FUNCTION_ERROR", "RangeError", message)
            pieces.append(piece)
        else:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def write_all(invocation, engine, data):
    """Sends a piece of the answer and waits until it has left. False: nobody reads it any more."""
    if not invocation.write(data, False):
        engine.wait(invocation, lambda: invocation.drained or invocation.cancelled)
    else:
        engine.poll()
    return not invocation.cancelled and not invocation.ended
