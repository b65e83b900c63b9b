"""Runs executions of a workflow: each EVENT is one of them, for as long as it is hot here."""
import asyncio
from contextvars import copy_context
from json import dumps, loads

from .. import frames
from ..failure import failure_text
from .errors import answer_of, failure_of, json_of, payload_of, utf8_of
from .large_value import large_values_of
from .mailbox import Mailbox
from .workflow_context import ContinueAsNew, RunContext
from .workflow_run import WorkflowRun

# Executions that one instance keeps hot, unless the manifest says otherwise.
CONCURRENCY = 1_000


class WorkflowHandler:
    kind = "workflow"
    concurrency = CONCURRENCY
    stops_when_unwanted = True

    def __init__(self, found, runtime):
        self.target = found.target
        self._runtime = runtime

    async def call_async(self, invocation):
        if invocation.is_http:
            # The platform starts the execution that a request asks for.
            raise RuntimeError("a workflow takes no requests")
        hot = HotExecution(self.target, invocation, self._runtime)
        try:
            await hot.ended
        finally:
            hot.close()


# Set in the length of a piece of a large value.
PIECE = 0x8000_0000


class MessageParser:
    """Cuts a body into messages, and pieces of large values as bytes (src/model/workflow-wire.ts)."""

    def __init__(self):
        self._pieces = []
        self._bytes = 0
        self._wanted = 4

    def push(self, piece):
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes < self._wanted:
            return
        data = b"".join(self._pieces)
        at = 0
        while True:
            rest = len(data) - at
            length = 0 if rest < 4 else frames.U32.unpack_from(data, at)[0]
            self._wanted = 4 + (length & ~PIECE)
            if rest < self._wanted:
                break
            body = data[at + 4 : at + self._wanted]
            yield body if length & PIECE else loads(body)
            at += self._wanted
        self._pieces = [data[at:]]
        self._bytes = len(data) - at


class HotExecution:
    def __init__(self, handler, invocation, runtime):
        self._handler = handler
        self._invocation = invocation
        self._runtime = runtime
        self._loop = asyncio.get_running_loop()
        # A future: done when the platform drops the execution.
        self.ended = self._loop.create_future()
        self._parser = MessageParser()
        self._pieces = []
        # Large values, by name, that the next message names.
        self._values = {}
        self._history = []
        self._opening = None
        self._run = None
        self._mailbox = None
        # Not within the task of the process's loop: tasks of the workflow run in turns of their own.
        self._context = copy_context()
        self._loop.call_soon(self._read, context=self._context)

    def _wait(self):
        self._invocation.on_news(lambda: self._loop.call_soon(self._read, context=self._context))

    def _read(self):
        invocation = self._invocation
        while not self.ended.done():
            if invocation.ended or invocation.cancelled:
                self.ended.set_result(None)
                return
            piece = invocation.read()
            if piece is None:
                self._wait()
                return
            if not piece:
                self.ended.set_result(None)
                return
            try:
                for message in self._parser.push(piece):
                    self._on_message(message)
            except BaseException as thrown:  # noqa: B902 - a defect of the runtime ends this execution only
                if not self.ended.done():
                    self.ended.set_exception(thrown)

    def close(self):
        if self._run is not None:
            self._run.close()
        self._invocation.end()

    def _send(self, message):
        data = utf8_of(dumps(message, ensure_ascii=False, separators=(",", ":")), message)
        if b'"blob":"' in data and message["kind"] == "submit":
            for value in large_values_of(message["acts"]):
                for piece in value.pieces():
                    self._write(frames.U32.pack(PIECE | len(piece)) + piece)
                named = dumps({"kind": "payload", "payload": value}).encode()
                self._write(frames.U32.pack(len(named)) + named)
        self._write(frames.U32.pack(len(data)) + data)

    def _write(self, data):
        if self._invocation.answered:
            self._invocation.write(data, False)
        else:
            self._invocation.result(data, False)

    def _on_message(self, message):
        if type(message) is bytes:
            self._pieces.append(message)
            return
        kind = message["kind"]
        if self._values and kind in ("history", "offer"):
            for holder in message.get("entries") or [offer["input"] for offer in message["offers"]]:
                self._fill(holder)
            self._values.clear()
        if kind == "open":
            self._opening = message
        elif kind == "history":
            self._history += message["entries"]
        elif kind == "payload":
            self._values[message["payload"]["blob"]] = b"".join(self._pieces)
            self._pieces.clear()
        elif kind == "go":
            self._start()
        elif kind == "offer":
            self._run.offer(message["offers"])
        elif kind == "committed":
            self._run.committed(message["ops"])
        elif kind == "query":
            self._answer(message)

    def _fill(self, holder):
        """What names a large value gets it."""
        for key in ("input", "output"):
            data = self._values.get(holder.get(key, {}).get("blob"))
            if data is not None:
                holder[key] = {"json": loads(data)}

    def _start(self):
        run = self._run = WorkflowRun(
            self._opening["record"],
            self._loop,
            lambda acts: self._send({"kind": "submit", "acts": acts}),
            self._mute,
            self._report,
        )
        self._mailbox = Mailbox(run)
        ctx = RunContext(run, self._mailbox, self._opening["callbackUrl"])
        history, self._history = self._history, None
        run.start(history, lambda value: _main(self._handler, run, ctx, value))

    def _mute(self, on):
        self._invocation.muted = on

    def _report(self, text, thrown):
        more = "" if thrown is None else f"\n{failure_text(thrown)}"
        if not self._invocation.muted:
            self._runtime.output.report(frames.ERROR, text + more, self._invocation)

    def _answer(self, message):
        name = message["name"]
        try:
            if self._run.divergence is not None:
                raise self._run.divergence
            answer = self._mailbox.answer(name, json_of(message["input"]))
            result = {"output": answer_of(answer, f"the answer to query {name}")}
        except BaseException as thrown:  # noqa: B902 - it is the answer
            result = {"error": failure_of(thrown)}
        self._send({"kind": "answer", "query": message["query"], "result": result})


async def _main(handler, run, ctx, value):
    try:
        result = await handler(ctx, value)
        output = payload_of(result, f"the result of workflow {run.execution['workflow']}")
    except GeneratorExit:
        # Dropped: it goes on elsewhere.
        raise
    except ContinueAsNew as again:
        run.end({"status": "continued", "execution": "", "input": again.payload})
    except BaseException as thrown:  # noqa: B902 - whatever the author's code raises ends its execution
        await _end_unwell(run, ctx, thrown)
    else:
        run.end({"status": "succeeded", "output": output})


async def _end_unwell(run, ctx, thrown):
    cancelled = run.cancelled and isinstance(thrown, asyncio.CancelledError)
    error = run.cancelled_failure() if cancelled else failure_of(thrown)
    try:
        await ctx.compensate_all()
    except GeneratorExit:
        raise
    except BaseException as failed:  # noqa: B902 - it is told with the first error
        message = f"{error['errorMessage']}; and its compensation failed: {failure_of(failed)['errorMessage']}"
        run.end({"status": "failed", "error": {**error, "errorMessage": message}})
        return
    run.end({"status": "cancelled" if cancelled else "failed", "error": error})
