"""The life of an instance: boot, invocations, drain, exit. How invocations run is the engines' part."""
import sys
from json import dumps, loads
from posix import _exit
from time import monotonic

from . import frames
from .calls import Calls, connect
from .channel import Channel
from .context import prepare_context
from .failure import describe_failure, failure_text
from .hooks import create_hooks
from .output import Output
from .sync_engine import InlineEngine

CHANNEL_FD = 3
# How long clean-up of the author's code (SIGTERM handlers, `atexit`) may take.
CLEAN_UP_S = 2.0
# The shortest time between two STATS frames.
STATS_PERIOD_S = 0.25


class NoLock:
    """Where one thread does everything."""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None


class Runtime:
    def __init__(self):
        self.channel = Channel(CHANNEL_FD)
        self.output = Output(self.channel)
        self.output.only_invocation = self._only_invocation
        self.handler = None
        self.lock = NoLock()
        # While the code is loaded; then the one that suits it.
        self.engine = InlineEngine(self)
        self.calls = Calls(self.channel)
        connect(self)
        self._boot = None
        self._open = {}
        self._on_idle = None
        self._stats_at = 0.0
        self._peak_kb = 0

    def run(self):
        self.output.install()
        create_hooks(self.output).install()
        _guard_descriptors()
        self._wait()
        self._boot = self._receive_boot()
        try:
            self._load(self._boot)
        except BaseException as thrown:  # noqa: B902 - `sys.exit` while loading is a failure too
            self._fail_boot(thrown)
        self.engine.serve()

    # Boot.

    def _wait(self):
        """
        Loads everything that most functions need and says so: this process may have been started ahead of need. Where
        the code is here already somebody waits for it, and what is only done ahead of need is left out.
        """
        from . import load, recognise  # noqa: F401

        if not self.channel.has_come():
            import resource  # noqa: F401

            from .rehearse import rehearse

            try:
                rehearse()
            except Exception:
                pass
        self.channel.frame(frames.WAITING, 0, 0)
        self.channel.flush()

    def _receive_boot(self):
        while True:
            frame = self.channel.next_frame()
            if frame is None:
                self.channel.receive()
            elif frame[0] == frames.BOOT:
                return loads(frame[3])

    def _load(self, boot):
        from .load import create_engine, load_module
        from .recognise import recognise

        module = load_module(boot)
        found = recognise(module, boot.get("handler"))
        prepare_context(boot)
        self.handler, self.engine = create_engine(self, found, boot)
        ready = {
            "protocol": frames.PROTOCOL_VERSION,
            "handlerKind": self.handler.kind,
            "concurrency": self.handler.concurrency,
        }
        self.channel.frame(frames.READY, 0, 0, dumps(ready).encode())
        self.report_memory()
        self.channel.flush()

    def _fail_boot(self, thrown):
        self.output.report(frames.ERROR, failure_text(thrown), None)
        self.channel.frame(frames.BOOT_FAILED, 0, 0, describe_failure(thrown, "E_BOOT_FAILED"))
        self.exit(1)

    # Frames.

    def on_frame(self, kind, flags, stream, payload):
        """Acts on a frame. An invocation that it began is returned, for the engine to run."""
        if stream == 0:
            if kind == frames.PING:
                self.channel.frame(frames.PONG, 0, 0)
                self.channel.flush()
            elif kind == frames.AHEAD:
                self.engine.hold()
            elif kind == frames.REST:
                if not self._open:
                    self.channel.frame(frames.RESTING, 0, 0)
                    self.channel.flush()
            elif kind == frames.DRAIN:
                self.engine.drain()
            return None
        last = flags & frames.FIN != 0
        if stream >= frames.CALL_STREAM:
            self.calls.on_frame(kind, stream, payload, last)
            return None
        if kind == frames.HTTP_REQUEST or kind == frames.EVENT:
            end = 4 + frames.U32.unpack_from(payload)[0]
            invocation = self.engine.invocation_class(
                self, stream, kind == frames.HTTP_REQUEST, payload[4:end], payload[end:], last
            )
            with self.lock:
                self._open[stream] = invocation
            return invocation
        invocation = self._open.get(stream)
        if invocation is None:
            return None
        if kind == frames.BODY:
            invocation.receive(payload, last)
        elif kind == frames.CREDIT:
            invocation.credit(frames.U32.unpack(payload)[0])
        elif kind == frames.CANCEL:
            self.engine.cancel(invocation, payload[0] if payload else 4)
        return None

    # Invocations.

    def remove(self, invocation):
        self._open.pop(invocation.stream, None)
        if self._on_idle is not None and not self._open:
            self._on_idle()

    def fail(self, invocation, thrown):
        """Ends an invocation with an error of the author's code."""
        if invocation.cancelled:
            invocation.end()
            return
        self.output.report(frames.ERROR, failure_text(thrown), invocation)
        if not invocation.ended:
            invocation.fail(describe_failure(thrown, "E_FUNCTION_ERROR"))

    def report_memory(self):
        now = monotonic()
        if now - self._stats_at < STATS_PERIOD_S:
            return
        self._stats_at = now
        from resource import RUSAGE_SELF, getrusage

        peak = getrusage(RUSAGE_SELF).ru_maxrss
        peak_kb = peak // 1024 if sys.platform == "darwin" else peak
        if peak_kb > self._peak_kb:
            self._peak_kb = peak_kb
            self.channel.number(frames.STATS, 0, peak_kb)

    def _only_invocation(self):
        """What runs without an invocation of its own works for the only one that runs."""
        if self.engine.running is not None:
            return self.engine.running
        if len(self._open) != 1:
            return None
        for invocation in self._open.copy().values():
            return invocation
        return None

    async def idle(self, loop):
        """Resolves when no invocation runs, at the latest after the time that one may take."""
        if not self._open:
            return
        from asyncio import wait

        gone = loop.create_future()
        self._on_idle = lambda: gone.done() or gone.set_result(None)
        await wait([gone], timeout=self._boot["timeoutMs"] / 1000)

    # The end.

    def exit(self, code=0):
        """Lets the author's code clean up, and ends. Does not return."""
        from _thread import start_new_thread

        start_new_thread(self._exit_late, (code,))
        try:
            _call_term_handler()
            if "threading" in sys.modules:
                sys.modules["threading"]._shutdown()
            import atexit

            atexit._run_exitfuncs()
        except BaseException as thrown:  # noqa: B902 - it ends in any case
            if not isinstance(thrown, SystemExit):
                self.output.report(frames.ERROR, failure_text(thrown), None)
        self._leave(code)

    def _exit_late(self, code):
        from time import sleep

        sleep(CLEAN_UP_S)
        self._leave(code)

    def _leave(self, code):
        self.output.finish()
        self.channel.flush_blocking()
        _exit(code)


def _call_term_handler():
    if "signal" not in sys.modules:
        return
    signal = sys.modules["signal"]
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        handler(signal.SIGTERM, None)


def _guard_descriptors():
    """Programs and forks that the author's code starts have no part in the channel."""
    from os import dup2, open as open_file, register_at_fork, set_inheritable

    set_inheritable(CHANNEL_FD, False)

    def in_child():
        import io

        null = open_file("/dev/null", 0)
        dup2(null, CHANNEL_FD, False)
        sys.stdout = sys.__stdout__ = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", "replace", None, True)
        sys.stderr = sys.__stderr__ = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "replace", None, True)

    register_at_fork(after_in_child=in_child)


def run():
    Runtime().run()
