"""Runs plain functions and WSGI apps in a thread each, as many as the manifest's `concurrency` allows."""
from _thread import RLock, get_ident
from threading import Event, Thread

from . import frames
from .invocation import Cancelled, Invocation
from .sync_engine import run_sync

# Threads without work that are kept.
IDLE_MAX = 8


def _locked(name):
    method = getattr(Invocation, name)

    def call(self, *args):
        with self._owner.lock:
            return method(self, *args)

    return call


class LockedInvocation(Invocation):
    """The main thread tells it what came while its own thread works on it."""

    __slots__ = ()


for _name in ("read", "receive", "respond", "result", "write", "credit", "fail", "cancel", "end"):
    setattr(LockedInvocation, _name, _locked(_name))


class ThreadEngine:
    running = None
    invocation_class = LockedInvocation

    def __init__(self, runtime):
        self._runtime = runtime
        self._channel = runtime.channel
        runtime.lock = RLock()
        self._idle = []

    def serve(self):
        channel, runtime = self._channel, self._runtime
        while True:
            frame = channel.next_frame()
            if frame is None:
                channel.flush()
                channel.receive()
            else:
                begun = runtime.on_frame(*frame)
                if begun is not None:
                    self.begin(begun)

    def hold(self):
        """Several run at once here: none needs to wait for another."""

    def begin(self, invocation):
        with self._runtime.lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = Worker(self._runtime, self)
        worker.give(invocation)

    def rest(self, worker):
        """True: the worker waits for more work."""
        with self._runtime.lock:
            if len(self._idle) >= IDLE_MAX:
                return False
            self._idle.append(worker)
            return True

    def cancel(self, invocation, reason):
        with self._runtime.lock:
            invocation.cancel(reason)
            if reason == frames.CANCEL_TIMEOUT and invocation.thread is not None:
                _interrupt(invocation.thread)

    def wait(self, invocation, is_over):
        self._channel.flush()
        news = Event()
        while True:
            with self._runtime.lock:
                if is_over():
                    return
                news.clear()
                invocation.on_news(news.set)
            news.wait()

    def poll(self):
        self._channel.flush()

    def check_may_wait(self):
        """Every thread may: the main one reads the channel."""

    def wait_call(self, _call, done):
        self._channel.flush()
        done.acquire()

    def serves(self, _loop):
        return False

    def drain(self):
        self._runtime.exit()

    def run_coroutine(self, coroutine):
        from asyncio import run

        return run(coroutine)


class Worker:
    """A thread that runs one invocation after another."""

    def __init__(self, runtime, engine):
        self._runtime = runtime
        self._engine = engine
        self._work = None
        self._called = Event()
        Thread(target=self._run, name="lambent-worker", daemon=True).start()

    def give(self, invocation):
        self._work = invocation
        self._called.set()

    def _run(self):
        runtime = self._runtime
        while True:
            self._called.wait()
            self._called.clear()
            invocation = self._work
            self._work = None
            try:
                invocation.thread = get_ident()
                run_sync(runtime, self._engine, invocation)
                with runtime.lock:
                    invocation.thread = None
                runtime.channel.flush()
                # One that was interrupted may hear of it late: it gets no other work.
                if invocation.cancelled == frames.CANCEL_TIMEOUT or not self._engine.rest(self):
                    return
            except Cancelled:
                runtime.channel.flush()
                return


def _interrupt(thread):
    """Raises Cancelled in a thread, at its next step in Python code; a call into C ends first."""
    from ctypes import c_ulong, py_object, pythonapi

    pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread), py_object(Cancelled))
