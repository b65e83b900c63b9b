"""
Runs plain functions and WSGI apps. Without `concurrency` in the manifest one invocation runs at a time, in the main
thread, which reads the channel only between invocations and while one waits for it: that is the fastest way, and code
that expects the main thread (signals, some libraries) is right in it. With `concurrency` each runs in a thread.

One at a time does not mean that the next one comes only when its turn has come: the platform may send some ahead
(`src/model/frames.ts`). They begin in their order, each when the answer of the one before has left.
"""
from _thread import allocate_lock, get_ident, start_new_thread
from time import sleep

from . import frames
from .failure import RuntimeFailure
from .invocation import Cancelled, Invocation, current


# After this long a thread that waits looks whether the one that read the channel has gone, or has left it work.
TAKE_OVER_S = 0.05
# After as many looks that found nothing to do, nobody looks any more until the next call.
LOOKS_IDLE = 50


class InlineEngine:
    invocation_class = Invocation

    def __init__(self, runtime):
        self._runtime = runtime
        self._channel = runtime.channel
        # Held by the thread that reads the channel: the main one, or one that waits for a call while that is at work.
        self._reading = allocate_lock()
        self._waiting = []
        self._main = get_ident()
        self._busy = False
        self._loop = None
        # The invocation that runs, for whatever has none of its own.
        self.running = None
        self._holds = False
        # How many invocations have begun.
        self._turn = 0
        # Held while nobody needs to look after those that wait.
        self._asleep = allocate_lock()
        self._is_asleep = False

    def serve(self):
        while True:
            if self._waiting:
                self._run_waiting()
            else:
                self._step()

    def _step(self):
        """Waits for a frame and acts on it, unless another thread does."""
        channel = self._channel
        if not self._reading.acquire(True, TAKE_OVER_S):
            return
        # Frames are acted on in their order, whichever thread reads them; only handlers run without the lock.
        try:
            frame = channel.next_frame()
            if frame is None:
                channel.flush()
                channel.receive()
                frame = channel.next_frame()
            begun = None if frame is None else self._runtime.on_frame(*frame)
        finally:
            self._reading.release()
        if begun is not None:
            self.begin(begun)

    def begin(self, invocation):
        if get_ident() != self._main:
            self._waiting.append(invocation)
        elif not self._busy:
            self._run(invocation)
        elif self._holds and not self.running.ended:
            # It would have to wait for one that itself waits for something.
            self._return((invocation,))
        else:
            self._waiting.append(invocation)

    def _run_waiting(self):
        with self._reading:
            invocation = self._waiting.pop(0) if self._waiting else None
        if invocation is not None:
            self._run(invocation)

    def _run(self, invocation):
        if self._holds:
            # The platform takes an answer that did not leave for a sign that nothing after it has begun.
            self._channel.flush()
            if self._is_asleep:
                self._is_asleep = False
                # Only this thread opens it.
                if self._asleep.locked():
                    self._asleep.release()
        self._turn += 1
        self._busy = True
        self.running = invocation
        try:
            if invocation.cancelled:
                invocation.end()
            else:
                run_sync(self._runtime, self, invocation)
        finally:
            self.running = None
            self._busy = False

    # Calls that were sent ahead of their turn.

    def hold(self):
        """From now on some may come ahead."""
        if self._holds:
            return
        self._holds = True
        self._asleep.acquire()
        start_new_thread(self._look_after, ())
        self._channel.frame(frames.HOLDS, 0, 0)
        self._channel.flush()

    def _look_after(self):
        """Gives back what waits behind a call that runs for long: the thread that runs it cannot."""
        seen = idle = 0
        while True:
            sleep(frames.HELD_MS / 1000)
            turn = self._turn
            if turn != seen or self._busy:
                idle = 0
                if turn == seen:
                    self._give_back()
                seen = turn
                continue
            idle += 1
            if idle == LOOKS_IDLE:
                idle = 0
                self._is_asleep = True
                if self._turn == turn:
                    self._asleep.acquire()
                self._is_asleep = False

    def _give_back(self):
        # Whoever else reads now acts on what comes.
        if not self._reading.acquire(False):
            return
        try:
            self._read_ready()
            # What comes once its answer has left was not sent ahead of its turn.
            running = self.running
            if running is None or running.ended:
                self._channel.flush()
                return
            waiting = self._waiting[:]
            self._waiting.clear()
            self._return(waiting)
        finally:
            self._reading.release()

    def _return(self, invocations):
        for invocation in invocations:
            self._channel.frame(frames.RETURNED, frames.FIN, invocation.stream)
            self._runtime.remove(invocation)
        self._channel.flush()

    def cancel(self, invocation, reason):
        invocation.cancel(reason)

    def wait(self, invocation, is_over):
        """Reads the channel until something is true of the invocation."""
        while not is_over():
            if not self._reading.locked():
                self._step()
                continue
            news = allocate_lock()
            news.acquire()
            invocation.on_news(news.release)
            news.acquire(True, TAKE_OVER_S)

    def check_may_wait(self):
        """Every thread may."""

    def wait_call(self, call, done):
        """Waits for the end of a call: by reading the channel, unless another thread does."""
        self._channel.flush()
        while not call.is_done:
            if self._reading.locked():
                done.acquire(True, TAKE_OVER_S)
            else:
                self._step()

    def serves(self, _loop):
        return False

    def poll(self):
        """Hears whether the caller has gone, without waiting."""
        self._channel.flush()
        if not self._reading.acquire(False):
            return
        try:
            self._read_ready()
        finally:
            self._reading.release()

    def _read_ready(self):
        """Acts on what has come. The lock is held."""
        from select import select

        channel = self._channel
        while True:
            frame = channel.next_frame()
            while frame is not None:
                begun = self._runtime.on_frame(*frame)
                if begun is not None:
                    self._waiting.append(begun)
                frame = channel.next_frame()
            if not select((channel.fd,), (), (), 0)[0]:
                return
            channel.receive()

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
