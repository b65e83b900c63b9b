"""What a workflow's coroutine is given: `lambent.WorkflowContext` of sdk/python says what each operation does."""
import asyncio

from lambent.workflow import Callback, Child, Retry, Settled, WorkflowError

from .call_site import call_site
from .duration import datetime_of, duration_ms, limit_ms, moment_ms
from .errors import error_of, failure_of, misuse, payload_of
from .seeded_chance import callback_token, child_execution_id
from .step_runner import StepBody
from .workflow_run import scope

MAP_CONCURRENCY = 100


class ContinueAsNew(BaseException):
    """Ends the coroutine where it stands."""

    def __init__(self, payload):
        super().__init__("the workflow goes on as a new execution")
        self.payload = payload


class RunContext:
    def __init__(self, run, mailbox, callback_url):
        self.id = run.execution["id"]
        self.app = run.execution["app"]
        self.workflow = run.execution["workflow"]
        self.compensations = []
        self._run = run
        self._mailbox = mailbox
        self._callback_url = callback_url

    @property
    def cancelled(self):
        return self._run.cancelled

    # Operations. Each notes its place in the author's code at once: a task that runs it later has none.

    def step(self, name, run, *args, retry=None, timeout=None):
        task, body = self._step_task(name, run, args, retry, timeout)
        return self._do(task, body=body, at=call_site())

    @staticmethod
    def _step_task(name, run, args, retry, timeout):
        if not callable(run):
            raise TypeError(f"step {name} needs a function to run, not {type(run).__name__}: ctx.step(name, function, *args)")
        timeout_ms = limit_ms(timeout)
        task = {"kind": "step", "name": _name(name), "retry": _policy(retry)}
        if timeout_ms is not None:
            task["timeoutMs"] = timeout_ms
        return task, StepBody(name, run, args, timeout_ms)

    def call(self, function, value=None, *, retry=None, timeout=None):
        task = {
            "kind": "call",
            "function": function,
            "input": payload_of(value, f"the input of {function}"),
            "retry": _policy(retry),
        }
        return self._do(task, due_in_ms=limit_ms(timeout), at=call_site())

    async def _do(self, task, **how):
        run = self._run
        return await run.ended(run.open(task, **how))

    def sleep(self, duration):
        return self._sleep(duration_ms(duration), call_site())

    async def _sleep(self, ms, at):
        await self._do({"kind": "sleep"}, due_ms=self._run.now_ms + ms, at=at)

    def sleep_until(self, moment):
        return self._do({"kind": "sleep"}, due_ms=moment_ms(moment), at=call_site())

    def wait_for(self, event, *, match=None, timeout=None):
        task = {"kind": "event", "event": _name(event), "match": {} if match is None else match}
        return self._do(task, due_in_ms=limit_ms(timeout), at=call_site())

    def callback(self, *, name=None, timeout=None):
        named = {} if name is None else {"name": _name(name)}
        run = self._run
        opened = run.open({"kind": "callback", **named, "token": ""}, due_in_ms=limit_ms(timeout))
        token = callback_token(self.id, opened.op, run.seed)
        return Callback(token, self._callback_url + token, lambda: run.ended(opened))

    def child(self, workflow, value=None, *, timeout=None):
        opened, execution = self._child(workflow, value, True, limit_ms(timeout))
        return Child(execution, lambda: self._run.ended(opened))

    def start(self, workflow, value=None):
        return self._start(workflow, value, call_site())

    async def _start(self, workflow, value, at):
        opened, execution = self._child(workflow, value, False, None, at)
        await self._run.ended(opened)
        return execution

    def _child(self, workflow, value, waits, timeout_ms, at=None):
        run = self._run
        payload = payload_of(value, f"the input of workflow {workflow}")
        execution = child_execution_id(run.next_op, run.now_ms, run.seed)
        task = {"kind": "child", "workflow": _name(workflow), "input": payload, "execution": execution, "waits": waits}
        return run.open(task, due_in_ms=timeout_ms, at=at), execution

    def send(self, execution, signal, value=None):
        payload = payload_of(value, f"the input of signal {signal}")
        task = {"kind": "signal", "execution": execution, "name": _name(signal), "input": payload}
        return self._do(task, at=call_site())

    # Several at once.

    def parallel(self, *branches, name="parallel"):
        async def work():
            tasks = [self._run.loop.create_task(_awaited(place, branch)) for place, branch in enumerate(branches)]
            return await self._gather(tasks)

        return self._in_scope("parallel", name, call_site(), work)

    def map(self, items, work, *, concurrency=MAP_CONCURRENCY, tolerate=None, name="map"):
        if concurrency < 1:
            raise ValueError(f"map needs a concurrency of at least 1, not {concurrency}")
        return self._map(list(items), work, concurrency, tolerate, name, call_site())

    async def _map(self, items, work, concurrency, tolerate, name, at):
        allowed = 0 if tolerate is None else _tolerance(tolerate, len(items))
        settled = [None] * len(items)
        waiting = iter(range(len(items)))
        failures = 0

        async def worker():
            nonlocal failures
            for place in waiting:
                _enter_item(place)
                try:
                    settled[place] = Settled(True, await work(items[place]), None)
                except Exception as thrown:
                    failures += 1
                    if failures > allowed:
                        raise
                    error = thrown if isinstance(thrown, WorkflowError) else error_of(failure_of(thrown))
                    settled[place] = Settled(False, None, error)

        async def run_all():
            count = min(concurrency, len(items))
            await self._gather([self._run.loop.create_task(worker()) for _ in range(count)])

        await self._in_scope("map", name, at, run_all)
        return settled if tolerate is not None else [each.value for each in settled]

    async def _gather(self, tasks):
        """All of their results. When one fails, the others are given up, and their ends are awaited."""
        if not tasks:
            return []
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            failed = [task for task in tasks if task in done and (task.cancelled() or task.exception() is not None)]
            if not failed:
                return [task.result() for task in tasks]
            await self._give_up(tasks)
            return failed[0].result()
        except asyncio.CancelledError:
            await self._give_up(tasks)
            raise

    @staticmethod
    async def _give_up(tasks):
        running = [task for task in tasks if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _in_scope(self, form, name, at, work):
        run = self._run
        opened = run.open({"kind": "scope", "form": form, "name": _name(name)}, at=at)
        outer = scope.get()
        # Tasks that are made from here on belong to it.
        scope.set((opened.op, None))
        try:
            return await work()
        finally:
            scope.set(outer)
            run.complete(opened.op)

    # Signals, queries, updates.

    def on_signal(self, name, handle):
        self._mailbox.on_signal(_name(name), handle)

    def on_query(self, name, answer):
        self._mailbox.queries[_name(name)] = answer

    def on_update(self, name, handle):
        self._mailbox.on_update(_name(name), handle)

    async def receive(self, signal, *, timeout=None):
        message = self._mailbox.take(_name(signal))
        if await self._within(message, timeout):
            return message.result()
        raise misuse("E_TIMEOUT", f"no signal {signal} came in time", "TimeoutError")

    async def until(self, condition, *, timeout=None):
        return await self._within(self._run.condition(condition), timeout)

    async def _within(self, future, timeout):
        """Waits for a future of this process, with a recorded limit. False: the time is over."""
        if timeout is None:
            await future
            return True
        run = self._run
        timer = run.open({"kind": "sleep"}, due_ms=run.now_ms + duration_ms(timeout))
        try:
            await asyncio.wait({future, timer.future}, return_when=asyncio.FIRST_COMPLETED)
            return future.done()
        finally:
            run.give_up(timer.op)
            future.cancel()

    # The rest.

    def compensate(self, name, undo, *args, retry=None, timeout=None):
        self.compensations.append((self._step_task(name, undo, args, retry, timeout), call_site()))

    async def compensate_all(self):
        """Undoes what was done, the last first."""
        while self.compensations:
            (task, body), at = self.compensations.pop()
            await self._do({**task, "name": f"compensate {task['name']}"[:256]}, body=body, at=at)

    def now(self):
        return datetime_of(self._run.now_ms)

    def random(self):
        return self._run.chance.fraction()

    def uuid(self):
        from uuid import UUID

        return UUID(self._run.chance.uuid())

    def continue_as_new(self, value=None):
        raise ContinueAsNew(payload_of(value, "the input of the new execution"))


def _enter_item(place):
    within, _ = scope.get()
    scope.set((within, place))


async def _awaited(place, awaitable):
    _enter_item(place)
    return await awaitable


def _name(name):
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise TypeError(f"a name has 1 to 256 characters; this one is {name!r}"[:400])
    return name


def _tolerance(tolerate, items):
    """How many items may fail: a number, or a share as `10%`."""
    try:
        if isinstance(tolerate, str) and tolerate.endswith("%"):
            return int(float(tolerate[:-1]) / 100 * items)
        if tolerate >= 0:
            return int(tolerate)
    except (TypeError, ValueError):
        pass
    raise ValueError(f"tolerate takes a number or a share such as '10%', not {tolerate!r}")


def _policy(retry):
    if retry is None:
        retry = Retry()
    elif retry is False:
        retry = Retry(attempts=1)
    elif not isinstance(retry, Retry):
        raise TypeError(f"retry takes a lambent.Retry, or False for one attempt, not {retry!r}")
    if not (isinstance(retry.attempts, int) and 1 <= retry.attempts <= 1_000_000):
        raise ValueError(f"attempts takes a whole number from 1 to 1,000,000, not {retry.attempts!r}")
    if not 1 <= retry.factor <= 100:
        raise ValueError(f"factor takes a number from 1 to 100, not {retry.factor!r}")
    return {
        "attemptsMax": retry.attempts,
        "firstMs": duration_ms(retry.initial),
        "factor": retry.factor,
        "maxMs": duration_ms(retry.max),
        "jitter": retry.jitter,
    }
