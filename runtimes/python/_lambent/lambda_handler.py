"""
Handlers with AWS Lambda's signature: `def handler(event, context)`, `async def`, and generators that stream. An HTTP
request reaches them as an event of API Gateway's payload format 2.0.
"""
from json import loads
from os import environ
from time import time
from types import GeneratorType

from .context import LambdaContext
from .failure import invalid
from .http_event import HttpHead, create_http_event
from .lambda_response import is_response, response_head, send_response, send_result, shown
from .sync_engine import read_body

# A request's body is held in memory as a whole: this much at most.
EVENT_BODY_BYTES_MAX = 64 * 1024 * 1024


class LambdaHandler:
    kind = "lambda"
    # A handler whose answer nobody wants any more is cancelled.
    stops_when_unwanted = True

    def __init__(self, found, boot):
        self.target = found.target
        self.style = found.style
        self.is_async = found.style in ("async", "async_generator")
        self.concurrency = 100 if self.is_async else 1
        self._function = boot["function"]
        # The environment is the process's: with several at once it could not say whose trace it holds.
        self._tells_trace = not self.is_async and boot.get("concurrency", 1) == 1
        if self.is_async:
            # Only these need the event loop's modules.
            from asyncio import get_running_loop

            from .async_engine import drained, read_body_async

            self._get_loop, self._read_body, self._drained = get_running_loop, read_body_async, drained

    def call(self, invocation, engine):
        """In an engine of plain functions."""
        result = self.target(*self._arguments(invocation, read_body(invocation, engine, EVENT_BODY_BYTES_MAX)))
        if hasattr(result, "__await__"):
            result = engine.run_coroutine(result)
        if isinstance(result, GeneratorType):
            self._stream(invocation, engine, result)
        else:
            send_whole(invocation, result)

    async def call_async(self, invocation):
        """In the event loop."""
        loop = self._get_loop()
        body = await self._read_body(invocation, loop, EVENT_BODY_BYTES_MAX)
        result = self.target(*self._arguments(invocation, body))
        if self.style == "async":
            send_whole(invocation, await result)
            return
        answer = StreamedAnswer(invocation)
        async for item in result:
            if not answer.send(item):
                await self._drained(invocation, loop)
            if invocation.cancelled:
                await result.aclose()
                break
        answer.finish()

    def _stream(self, invocation, engine, items):
        answer = StreamedAnswer(invocation)
        for item in items:
            if not answer.send(item):
                engine.wait(invocation, lambda: invocation.drained or invocation.cancelled)
            else:
                engine.poll()
            if invocation.cancelled:
                items.close()
                break
        answer.finish()

    def _arguments(self, invocation, body):
        """The handler's two arguments."""
        if invocation.is_http:
            head = HttpHead(invocation.head)
            event = create_http_event(head, body, self._function, int(time() * 1000))
            trace = next((line[13:].decode() for line in head.header_lines if line[:13] == b"traceparent: "), None)
            if self._tells_trace:
                environ["_X_AMZN_TRACE_ID"] = xray_trace_id(head.request_id, trace)
            return event, LambdaContext(head.request_id, head.deadline_ms, None, trace, None)
        head = loads(invocation.head)
        event = loads(body) if body else {}
        if self._tells_trace:
            environ["_X_AMZN_TRACE_ID"] = xray_trace_id(head["requestId"], head.get("traceparent"))
        context = LambdaContext(
            head["requestId"],
            head["deadlineMs"],
            head.get("clientContext"),
            head.get("traceparent"),
            head.get("caller"),
        )
        return event, context


def xray_trace_id(request_id, traceparent):
    """As `runtimes/node/trace-id.ts` makes it: the trace of an invocation in the form of AWS X-Ray."""
    parts = traceparent.split("-") if traceparent else ()
    if len(parts) == 4 and [len(part) for part in parts] == [2, 32, 16, 2]:
        _version, trace, parent, flags = parts
    else:
        trace = request_id.replace("-", "").rjust(32, "0")
        parent, flags = trace[-16:], "01"
    sampled = 1 if flags[-1] in "13579bdf" else 0
    return f"Root=1-{trace[:8]}-{trace[8:]};Parent={parent};Sampled={sampled}"


def send_whole(invocation, result):
    if invocation.cancelled:
        invocation.end()
    elif invocation.is_http:
        send_response(invocation, result)
    else:
        send_result(invocation, result)


class StreamedAnswer:
    """What a generator yields, one by one: first, if it likes, a dict with `statusCode` and headers, then str or bytes."""

    def __init__(self, invocation):
        self._invocation = invocation
        self._is_head = invocation.is_http and b"\nHEAD " in invocation.head

    def send(self, item):
        """False: wait until the invocation has drained."""
        invocation = self._invocation
        if is_response(item):
            if invocation.answered:
                raise invalid("the handler yielded a second dict with statusCode; it must be the first that it yields")
            if invocation.is_http:
                status, block = response_head(item, True)
                invocation.respond(status, block.encode("latin-1"), b"", False)
            item = item.get("body") or b""
            if not item:
                return True
        if isinstance(item, str):
            data = item.encode("utf-8", "replace")
        elif isinstance(item, (bytes, bytearray, memoryview)):
            data = bytes(item)
        else:
            kind = type(item).__name__
            raise invalid(f"the handler yielded a value of type {kind} ({shown(item)}); it must be str or bytes")
        self._begin()
        return self._is_head or not data or invocation.write(data, False)

    def finish(self):
        self._begin()
        if not self._invocation.ended:
            self._invocation.write(b"", True)

    def _begin(self):
        invocation = self._invocation
        if invocation.answered or invocation.cancelled:
            return
        if invocation.is_http:
            invocation.respond(200, b"content-type: text/plain; charset=utf-8\r\n", b"", False)
        else:
            invocation.result(b"", False)
