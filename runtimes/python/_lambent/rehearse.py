"""
Goes through what the first call of a plain handler goes through, before there is any code of an author, as
`runtimes/node/rehearse.ts` does: modules are loaded and memory is touched that a caller would otherwise wait for. What
it answers goes nowhere. A failure here is nobody's: the real call shows it.
"""
from os import environ

from .channel import Channel
from .invocation import Invocation
from .lambda_handler import LambdaHandler
from .recognise import Found
from .sync_engine import run_sync

# What a request brings: the fixed lines, and headers as clients send them.
_LINES = (
    "00000000-0000-7000-8000-000000000000",
    "0",
    "127.0.0.1",
    "http",
    "GET /",
    "",
    "GET /?a=b",
    "host: localhost",
    "user-agent: rehearsal",
    "accept: */*",
)
_FACTS = {"function": ""}


class _Stage:
    """What an invocation sees of the runtime."""

    def __init__(self, answer):
        # Nothing of it is ever sent.
        self.channel = Channel(-1)
        self.handler = LambdaHandler(Found("lambda", lambda _event, _context: answer), _FACTS)

    def fail(self, invocation, thrown):
        pass

    def remove(self, invocation):
        pass

    def report_memory(self):
        pass


def rehearse():
    try:
        for answer in ("ok", {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "ok"}, {}):
            stage = _Stage(answer)
            run_sync(stage, None, Invocation(stage, 1, True, "\n".join(_LINES).encode(), b"", True))
    finally:
        environ.pop("_X_AMZN_TRACE_ID", None)
