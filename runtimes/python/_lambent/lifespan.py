"""The lifespan of an ASGI app: its start-up before the first request, its shutdown before the process ends."""
import asyncio

from .failure import RuntimeFailure

# How long an app's shutdown may take; the platform ends the process a little later.
SHUTDOWN_S = 4.0


class Lifespan:
    def __init__(self, app, loop):
        self._app = app
        self._messages = asyncio.Queue()
        self._started = loop.create_future()
        self._stopped = loop.create_future()
        self._state = {}
        self._task = None

    async def start(self):
        """The app's state, or None for an app that knows no lifespan. Raises what its start-up failed with."""
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._messages.put_nowait({"type": "lifespan.startup"})
        await asyncio.wait([self._started, self._task], return_when=asyncio.FIRST_COMPLETED)
        if self._started.done():
            failure = self._started.result()
            if failure is not None:
                raise RuntimeFailure("E_BOOT_FAILED", "LifespanFailed", f"the app's start-up failed: {failure}")
            return self._state
        # It ended or raised without a word: by the specification such an app does not support lifespan.
        return None

    async def finish(self):
        if self._task is None or self._task.done():
            return
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait([self._stopped, self._task], timeout=SHUTDOWN_S, return_when=asyncio.FIRST_COMPLETED)

    async def _run(self):
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._messages.get, self._send)
        except Exception:
            if self._started.done() and not self._stopped.done():
                raise

    async def _send(self, message):
        kind = message["type"]
        if kind == "lifespan.startup.complete" and not self._started.done():
            self._started.set_result(None)
        elif kind == "lifespan.startup.failed" and not self._started.done():
            self._started.set_result(message.get("message") or "it gave no reason")
        elif kind.startswith("lifespan.shutdown") and not self._stopped.done():
            self._stopped.set_result(None)
