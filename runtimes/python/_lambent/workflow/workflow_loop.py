"""
The event loop that a workflow's coroutine runs in: asyncio without a world. Tasks, futures, queues, `gather`,
`TaskGroup` and `timeout` are what they always are, and everything happens in an order that follows from the recorded
inputs alone, because nothing else ever makes a callback ready. Timers are operations of the journal. Whatever would
reach out (threads, sockets, processes) is refused with the advice to put it into a step.
"""
import asyncio
import sys
from asyncio import events
from collections import deque
from threading import get_ident

from .errors import misuse

# What blocks in code of a workflow: it would hold up every other execution of this process, and no replay repeats it.
# Python tells of each as an audit event, of `time.sleep` from 3.11 on.
_BLOCKING = frozenset(
    (
        "time.sleep",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "urllib.Request",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "sqlite3.connect",
    )
)
# The thread in which code of a workflow is running at the moment.
_turn_of = None


def _watch(event, _args):
    if _turn_of is not None and event in _BLOCKING and get_ident() == _turn_of:
        raise misuse(
            "E_NON_DETERMINISTIC",
            f"the workflow's own code called something that blocks and is not recorded (`{event}`). Put that into a "
            "step: `await ctx.step(name, function)`; to wait, `await ctx.sleep(...)`.",
        )


sys.addaudithook(_watch)


class WorkflowLoop(asyncio.AbstractEventLoop):
    def __init__(self, run):
        self._run = run
        self._ready = deque()
        # Operations of timers, by the handle's identity: handles with the same callback count as equal.
        self._timers = {}
        # Those that have not ended, the oldest first.
        self.tasks = {}
        # Called with the text and the exception that nobody took.
        self.on_error = lambda text, thrown: None

    def run_ready(self):
        """Goes on until everything waits for an input."""
        global _turn_of
        before, _turn_of = _turn_of, get_ident()
        outer, hooks = events._get_running_loop(), sys.get_asyncgen_hooks()
        events._set_running_loop(self)
        # Generators that are dropped are closed where they are, not in the loop of the process.
        sys.set_asyncgen_hooks(None, None)
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle._cancelled:
                    self._run_handle(handle)
        finally:
            _turn_of = before
            sys.set_asyncgen_hooks(*hooks)
            events._set_running_loop(outer)

    @staticmethod
    def _run_handle(handle):
        try:
            handle._run()
        except (SystemExit, KeyboardInterrupt):
            # The task that it ended has it.
            pass

    def drop(self):
        """Ends what is under way without a trace: it goes on elsewhere, from the journal."""
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for task in list(self.tasks):
                task._log_destroy_pending = False
                try:
                    task.get_coro().close()
                except BaseException:  # noqa: B902 - code that will not end is left to itself
                    continue
        finally:
            events._set_running_loop(outer)
            self._ready.clear()
            self.tasks.clear()

    # What asyncio asks of a loop.

    def time(self):
        return self._run.now_ms / 1_000

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def ring():
            del self._timers[id(handle)]
            self._ready.append(handle)

        self._timers[id(handle)] = self._run.open_timer(max(round(when * 1_000), 0), ring)
        return handle

    def _timer_handle_cancelled(self, handle):
        op = self._timers.pop(id(handle), None)
        if op is not None:
            self._run.give_up(op)

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None, **_kwargs):
        if context is None:
            task = asyncio.Task(coro, loop=self, name=name)
        else:
            task = context.run(asyncio.Task, coro, loop=self, name=name)
        self.tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task):
        self.tasks.pop(task, None)

    def get_task_factory(self):
        return None

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False

    def call_exception_handler(self, context):
        self.on_error(context.get("message", "an error in the workflow"), context.get("exception"))

    def default_exception_handler(self, context):
        self.call_exception_handler(context)


def _refusing(name):
    def refuse(*_args, **_kwargs):
        raise misuse(
            "E_NON_DETERMINISTIC",
            f"the workflow's own code asked the event loop for `{name}`: a thread, the network, a file or a process, "
            "none of which a replay can repeat. Put that into a step: `await ctx.step(name, function)`.",
        )

    return refuse


for _name in dir(asyncio.AbstractEventLoop):
    if not _name.startswith("_") and _name not in vars(WorkflowLoop):
        setattr(WorkflowLoop, _name, _refusing(_name))
