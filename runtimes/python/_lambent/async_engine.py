"""Runs `async` handlers and ASGI apps: any number of invocations in one asyncio event loop."""
import asyncio
import sys
from _thread import get_ident
from os import set_blocking

from . import frames
from .failure import RuntimeFailure, failure_text
from .invocation import Cancelled, Invocation, current

# Shortens each invocation by a turn of the loop (from Python 3.12 on).
_EAGER = sys.version_info >= (3, 12)


class AsyncEngine:
    running = None
    invocation_class = Invocation

    def __init__(self, runtime):
        self._runtime = runtime
        self._channel = runtime.channel
        self._draining = False
        self._thread = get_ident()
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(self._on_loop_error)
        self._listen()

    def run(self, coroutine):
        """Before `serve`: for what belongs to the start, such as an app's lifespan."""
        return self.loop.run_until_complete(coroutine)

    def serve(self):
        self.loop.run_forever()

    def _listen(self):
        channel, loop = self._channel, self.loop
        set_blocking(channel.fd, False)
        channel.on_blocked = lambda: loop.call_soon_threadsafe(loop.add_writer, channel.fd, self._on_writable)

        def on_waiting():
            if get_ident() == self._thread:
                loop.call_soon(channel.flush)
            else:
                loop.call_soon_threadsafe(channel.flush)

        channel.on_waiting = on_waiting
        loop.add_reader(channel.fd, self._on_readable)
        # What came with BOOT.
        loop.call_soon(self._take)

    def _on_readable(self):
        self._channel.receive()
        self._take()

    def _take(self):
        channel, on_frame = self._channel, self._runtime.on_frame
        frame = channel.next_frame()
        while frame is not None:
            begun = on_frame(*frame)
            if begun is not None:
                self.begin(begun)
            frame = channel.next_frame()

    def _on_writable(self):
        self._channel.flush()
        if not self._channel.is_blocked:
            self.loop.remove_writer(self._channel.fd)

    def hold(self):
        """Several run at once here: none needs to wait for another."""

    def check_may_wait(self):
        if get_ident() == self._thread:
            raise RuntimeError("this would block the event loop: use the function whose name ends in _async, with await")

    def wait_call(self, _call, done):
        self._channel.flush()
        done.acquire()

    def serves(self, loop):
        return loop is self.loop

    def begin(self, invocation):
        # The task takes over the context of this moment.
        token = current.set(invocation)
        try:
            if _EAGER:
                invocation.task = asyncio.Task(self._run(invocation), loop=self.loop, eager_start=True)
            else:
                invocation.task = self.loop.create_task(self._run(invocation))
        finally:
            current.reset(token)

    async def _run(self, invocation):
        try:
            await self._runtime.handler.call_async(invocation)
        except (asyncio.CancelledError, Cancelled) as thrown:
            if invocation.cancelled:
                invocation.end()
            else:
                self._runtime.fail(invocation, thrown)
        except BaseException as thrown:  # noqa: B902 - whatever the author's code raises ends its invocation only
            self._runtime.fail(invocation, thrown)
        # What was printed after the answer.
        if invocation.partial_out or invocation.partial_err:
            self._runtime.output.flush_partial(invocation)

    def cancel(self, invocation, reason):
        invocation.cancel(reason)
        stops = self._runtime.handler.stops_when_unwanted or reason == frames.CANCEL_TIMEOUT
        if stops and invocation.task is not None:
            invocation.task.cancel()

    def drain(self):
        if not self._draining:
            self._draining = True
            self._drain_task = self.loop.create_task(self._drain())

    async def _drain(self):
        runtime = self._runtime
        await runtime.idle(self.loop)
        finish = getattr(runtime.handler, "finish", None)
        if finish is not None:
            await finish()
        runtime.exit()

    def _on_loop_error(self, _loop, context):
        thrown = context.get("exception")
        text = context.get("message", "an error in the event loop")
        if thrown is not None:
            text = f"{text}\n{failure_text(thrown)}"
        self._runtime.output.report(frames.ERROR, text, current.get())


async def changed(invocation, loop):
    """Resolves at the next news of an invocation: body bytes, room for output, its end."""
    news = loop.create_future()

    def tell():
        if not news.done():
            news.set_result(None)

    invocation.on_news(tell)
    await news


async def read_body_async(invocation, loop, bytes_max):
    """All of the request's body."""
    pieces = []
    size = 0
    while True:
        piece = invocation.read()
        if piece is None:
            await changed(invocation, loop)
        elif piece:
            size += len(piece)
            if size > bytes_max:
                message = f"the body of the request is over {bytes_max} bytes, too much for an event"
                raise RuntimeFailure("E_FUNCTION_ERROR", "RangeError", message)
            pieces.append(piece)
        else:
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def drained(invocation, loop):
    while not (invocation.drained or invocation.cancelled or invocation.ended):
        await changed(invocation, loop)
