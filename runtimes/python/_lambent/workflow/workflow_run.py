"""
One execution of a workflow while it is hot in this process: the author's coroutine, what it waits for, and what it did
since the platform last heard of it.

Time passes for the coroutine in *turns*: one thing comes in (a result, a signal, the end of a step), the coroutine goes
on as far as it can in a loop of its own (`workflow_loop.py`), and what it did becomes part of one message. A replay
gives it the recorded things in the same turns, so it does the same; where it does not, that is found and explained
(`replay_check.py`). `runtimes/node/workflow/workflow-run.ts` is the same for Node.js: both write the same journal.
"""
from asyncio import CancelledError, events
from contextvars import ContextVar

from lambent.workflow import WorkflowError, step_in_hand

from .call_site import call_site
from .errors import cancelled_failure, error_of, failure_of, json_of, misuse
from .replay_check import ReplayCheck
from .seeded_chance import SeededChance
from .step_runner import StepRunner
from .task_name import task_name
from .workflow_loop import WorkflowLoop

# The operation that groups what the running branch opens, and which item of a map or branch of a parallel it is.
scope = ContextVar("lambent_scope", default=(None, None))


class OpenOperation:
    __slots__ = ("op", "task", "body", "future", "on_end")

    def __init__(self, op, task, body, future, on_end):
        self.op = op
        self.task = task
        self.body = body
        self.future = future
        # In place of the future, for timers of the loop.
        self.on_end = on_end


class WorkflowRun:
    """`submit(acts)` sends, `mute(on)` says whether what the code prints was printed at an earlier run."""

    def __init__(self, execution, process_loop, submit, mute, report):
        self.execution = execution
        self.loop = WorkflowLoop(self)
        self.loop.on_error = report
        self.now_ms = 0
        self.seed = ""
        self.cancelled = False
        self._cancel_reason = ""
        self.main_task = None
        # How it went another way than its journal, if it did.
        self.divergence = None
        # Called with each signal, in order.
        self.on_signalled = lambda name, value, update: None
        self._submit = submit
        self._mute = mute
        self._steps = StepRunner(process_loop, self._step_done, self._step_failed)
        self._open = {}
        self._conditions = {}
        self._acts = []
        self._last_op = 0
        self._check = None
        self._chance = None
        self._is_over = False

    @property
    def chance(self):
        if self._chance is None:
            self._chance = SeededChance(self.seed)
        return self._chance

    @property
    def next_op(self):
        return self._last_op + 1

    # From the platform.

    def start(self, history, main):
        """Replays the journal through the coroutine, then says what it does next. `main(input)` makes the coroutine."""
        first = history[0]
        self.seed = first["seed"]
        self.now_ms = first["atMs"]
        self._check = ReplayCheck(self.execution, history)
        self._mute(len(history) > 1)
        self.main_task = self.loop.create_task(main(json_of(first["input"])))
        self._go_on()
        try:
            while True:
                entry = self._check.next(self._last_op)
                if entry is None:
                    break
                self._redeliver(entry)
                self._go_on()
        except WorkflowError as divergence:
            self._diverged(divergence)
            return
        self._check = None
        self._mute(False)
        self._flush(True)

    def offer(self, offers):
        for offer in offers:
            if not self._is_over:
                self._deliver(offer)
                self._go_on()
        self._flush()

    def committed(self, ops):
        """What these operations are about may begin."""
        for op in ops:
            self._attempt(op, 1)

    def close(self):
        """Nothing that happens here counts any more."""
        if self._is_over:
            return
        self._is_over = True
        self._steps.abort_all()
        self._mute(True)
        self.loop.drop()

    # From the coroutine.

    def open(self, task, due_in_ms=None, due_ms=None, body=None, on_end=None, at=None):
        """Opens an operation; its future follows its end."""
        self._refuse_outside(task)
        self._last_op += 1
        op = self._last_op
        future = None if on_end is not None else self.loop.create_future()
        opened = self._open[op] = OpenOperation(op, task, body, future, on_end)
        act = {"kind": "open", "op": op, "task": task}
        within, item = scope.get()
        at = at or call_site()
        for key, value in (("dueInMs", due_in_ms), ("dueMs", due_ms), ("at", at), ("scope", within), ("item", item)):
            if value is not None:
                act[key] = value
        if self._check is None or not self._check.opened(op, task, act.get("at")):
            self._acts.append(act)
        return opened

    async def ended(self, opened):
        """The result of an operation. A task that is cancelled while it waits gives the operation up."""
        try:
            return await opened.future
        except CancelledError:
            self.give_up(opened.op)
            raise

    def open_timer(self, due_ms, ring):
        return self.open({"kind": "sleep"}, due_ms=due_ms, on_end=ring).op

    def complete(self, op):
        """Ends an operation that is this process's own: a scope."""
        if self._open.pop(op, None) is not None and not self._closes(op):
            self._acts.append({"kind": "complete", "op": op, "output": {"json": None}, "atMs": self.now_ms})

    def give_up(self, op):
        opened = self._open.pop(op, None)
        if opened is None or self._is_over:
            return
        self._steps.abort(op)
        if not self._closes(op):
            self._acts.append({"kind": "close", "op": op})
        if opened.future is not None:
            opened.future.cancel()

    def act(self, act):
        if self._check is None or not self._check.repeats(act):
            self._acts.append(act)

    def end(self, outcome):
        self.act({"kind": "end", "outcome": outcome})
        self._steps.abort_all()

    def condition(self, holds):
        """A future that is done once the coroutine's own variables are as they should be."""
        future = self.loop.create_future()
        if holds():
            future.set_result(True)
        else:
            self._conditions[future] = holds
            future.add_done_callback(lambda done: self._conditions.pop(done, None))
        return future

    def _closes(self, op):
        return self._check is not None and self._check.closes(op)

    def _refuse_outside(self, task):
        """Found at the first run, not at the replay after a crash."""
        if events._get_running_loop() is self.loop:
            return
        inside = step_in_hand.get() is not None
        why = (
            "inside a step. A step is one unit: use the workflow's operations beside it, not within."
            if inside
            else "outside the workflow's own tasks: in a query, in a thread, in another event loop. Use it in the workflow."
        )
        raise misuse("E_NON_DETERMINISTIC", f"{task_name(task)} was begun {why}")

    # Turns.

    def _go_on(self):
        """Lets the coroutine go on as far as it can."""
        while True:
            self.loop.run_ready()
            held = [future for future, holds in self._conditions.items() if not future.done() and self._holds(holds)]
            for future in held:
                future.set_result(True)
            if not held:
                return

    def _holds(self, holds):
        try:
            return holds()
        except Exception as thrown:
            self._break_off(thrown)
            return False

    def _flush(self, always=False):
        if self._is_over or not (self._acts or always):
            return
        acts, self._acts = self._acts, []
        self._submit(acts)

    def _deliver(self, offered):
        taken = offered["input"]
        kind = taken["kind"]
        self._acts.append({"kind": "took", "offer": offered["offer"]})
        self.now_ms = max(self.now_ms, offered["atMs"])
        if kind == "attempt":
            self._attempt(taken["op"], taken["attempt"])
        elif kind == "completed":
            self._settle(taken["op"], taken["output"])
        elif kind == "failed":
            self._fail(taken["op"], taken["error"])
        elif kind == "signal":
            self._signal(taken)
        elif kind == "cancel":
            self._cancel(taken["reason"])

    def _redeliver(self, entry):
        kind = entry["kind"]
        self.now_ms = max(self.now_ms, entry["atMs"])
        if kind == "completed":
            self._settle(entry["op"], entry["output"])
        elif kind == "failed":
            self._fail(entry["op"], entry["error"])
        elif kind == "signalled":
            self._signal(entry)
        else:
            self._cancel(entry["reason"])

    def _attempt(self, op, attempt):
        opened = self._open.get(op)
        if opened is not None and opened.body is not None:
            self._steps.run(op, attempt, opened.body, f"{self.execution['id']}/{op}")

    def _settle(self, op, output):
        opened = self._open.pop(op, None)
        if opened is None:
            return
        if opened.on_end is not None:
            opened.on_end()
        elif not opened.future.done():
            opened.future.set_result(json_of(output))

    def _fail(self, op, failure):
        opened = self._open.pop(op, None)
        if opened is None:
            return
        self._steps.abort(op)
        if opened.future is not None and not opened.future.done():
            opened.future.set_exception(error_of(failure))
            # One that nobody awaits is nobody's.
            opened.future.exception()

    def _signal(self, signal):
        # In the loop, so that what hears it may use all that the coroutine may.
        self.loop.call_soon(self._hear, signal)

    def _hear(self, signal):
        try:
            self.on_signalled(signal["name"], json_of(signal["input"]), signal.get("update"))
        except Exception as thrown:
            self._break_off(thrown)

    def _break_off(self, thrown):
        """Code that runs between turns has failed: a signal's handler, a condition."""
        self.end({"status": "failed", "error": failure_of(thrown)})

    def _cancel(self, reason):
        """As asyncio cancels: what is awaited ends, and what the coroutine does then (compensation) runs as usual."""
        if not self.cancelled:
            self.cancelled = True
            self._cancel_reason = reason
            self.main_task.cancel()

    def cancelled_failure(self):
        return cancelled_failure(self._cancel_reason)

    def _step_done(self, op, output, at_ms):
        if self._is_over or op not in self._open:
            return
        self.now_ms = max(self.now_ms, at_ms)
        self._acts.append({"kind": "complete", "op": op, "output": output, "atMs": self.now_ms})
        self._settle(op, output)
        self._go_on()
        self._flush()

    def _step_failed(self, op, failure, retryable):
        if not self._is_over:
            self._acts.append({"kind": "fail", "op": op, "error": failure, "retryable": retryable})
            self._flush()

    def _diverged(self, divergence):
        self._check = None
        self.divergence = divergence
        self._acts = [{"kind": "end", "outcome": {"status": "failed", "error": divergence.failure}}]
        self._flush()
        self.close()
