"""
Runs the code of steps in the process's own world: coroutines in its event loop, plain functions in threads. An attempt
ends once: with its result, its error, its time, or because nobody wants it.
"""
import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Event
from time import time

from lambent.workflow import StepContext, step_in_hand

from .errors import failure_of, is_retryable, misuse, payload_of

# Plain functions that run at once in one instance; further ones wait.
THREADS_MAX = 64

_threads = None


def _pool():
    global _threads
    if _threads is None:
        _threads = ThreadPoolExecutor(THREADS_MAX, "lambent-step")
    return _threads


class StepBody:
    __slots__ = ("name", "run", "args", "timeout_ms")

    def __init__(self, name, run, args, timeout_ms):
        self.name = name
        self.run = run
        self.args = args
        self.timeout_ms = timeout_ms


class Running:
    __slots__ = ("cancelled", "task", "timer")

    def __init__(self):
        self.cancelled = Event()
        self.task = None
        self.timer = None


class StepRunner:
    """`done(op, output, at_ms)` and `failed(op, failure, retryable)` are told how attempts end."""

    def __init__(self, loop, done, failed):
        self._loop = loop
        self._done = done
        self._failed = failed
        self._running = {}

    def run(self, op, attempt, body, key):
        if op in self._running:
            return
        running = self._running[op] = Running()
        context = copy_context()
        context.run(step_in_hand.set, StepContext(attempt, key, running.cancelled))
        running.task = context.run(self._loop.create_task, self._attempt(op, running, body))

    async def _attempt(self, op, running, body):
        try:
            value = await self._call(op, running, body)
            output = payload_of(value, f"the result of step {body.name}")
        except BaseException as thrown:  # noqa: B902 - whatever the author's code raises ends its attempt only
            if self._finish(op, running):
                self._failed(op, failure_of(thrown), is_retryable(thrown))
            return
        if self._finish(op, running):
            self._done(op, output, int(time() * 1_000))

    async def _call(self, op, running, body):
        if asyncio.iscoroutinefunction(body.run):
            self._limit(op, running, body)
            return await body.run(*body.args)
        context = copy_context()

        def run_in_thread():
            self._loop.call_soon_threadsafe(self._limit, op, running, body)
            return context.run(body.run, *body.args)

        value = await self._loop.run_in_executor(_pool(), run_in_thread)
        # A lambda around a coroutine.
        return await value if hasattr(value, "__await__") else value

    def _finish(self, op, running):
        if self._running.get(op) is not running:
            return False
        del self._running[op]
        if running.timer is not None:
            running.timer.cancel()
        return True

    def _limit(self, op, running, body):
        if body.timeout_ms is None or self._running.get(op) is not running:
            return

        def over():
            self.abort(op)
            message = f"step {body.name} did not end within {body.timeout_ms} ms"
            self._failed(op, misuse("E_TIMEOUT", message, "TimeoutError").failure, True)

        running.timer = self._loop.call_later(body.timeout_ms / 1_000, over)

    def abort(self, op):
        running = self._running.get(op)
        if running is not None and self._finish(op, running):
            running.cancelled.set()
            running.task.cancel()

    def abort_all(self):
        for op in list(self._running):
            self.abort(op)
