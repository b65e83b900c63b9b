"""
Turns what the code prints into LOG frames of the invocation that printed it: `print`, `sys.stdout`, `sys.stderr`,
`logging`, warnings. What other code writes to descriptors 1 and 2 directly, the platform reads there.
"""
import sys
from time import monotonic

from . import frames
from .invocation import current

# A longer line is cut, and says so.
LINE_BYTES_MAX = 64 * 1024
# One instance may log this much in a second; the rest is dropped and counted.
LINES_PER_S = 5_000
CHARS_PER_S = 4 * 1024 * 1024
# Structured lines longer than this are not searched for their level.
STRUCTURED_CHARS_MAX = 32 * 1024

LEVELS = {
    "trace": frames.TRACE,
    "debug": frames.DEBUG,
    "verbose": frames.DEBUG,
    "info": frames.INFO,
    "log": frames.INFO,
    "notice": frames.INFO,
    "warn": frames.WARN,
    "warning": frames.WARN,
    "err": frames.ERROR,
    "error": frames.ERROR,
    "fatal": frames.FATAL,
    "critical": frames.FATAL,
    "alert": frames.FATAL,
    "emergency": frames.FATAL,
}


def structured_severity(line):
    """The level that a structured (JSON) line names; numbers count as those of `logging`."""
    if line[:1] != "{" or '"level"' not in line or len(line) > STRUCTURED_CHARS_MAX:
        return None
    from json import loads

    try:
        level = loads(line).get("level")
    except ValueError:
        return None
    if isinstance(level, str):
        return LEVELS.get(level.lower())
    return severity_of(level) if isinstance(level, int) else None


def severity_of(levelno):
    """The severity of a level of `logging`."""
    if levelno >= 50:
        return frames.FATAL
    if levelno >= 40:
        return frames.ERROR
    if levelno >= 30:
        return frames.WARN
    if levelno >= 20:
        return frames.INFO
    return frames.DEBUG if levelno >= 10 else frames.TRACE


class Output:
    """The process's output, sorted by invocation."""

    def __init__(self, channel):
        self._channel = channel
        # Says which invocation a thread without one of its own most likely works for.
        self.only_invocation = lambda: None
        self.partial_out = ""
        self.partial_err = ""
        self._window = 0.0
        self._lines = 0
        self._chars = 0
        self._dropped = 0

    def install(self):
        """Puts itself in the place of the process's own output."""
        sys.stdout = sys.__stdout__ = OutputStream(self, False)
        sys.stderr = sys.__stderr__ = OutputStream(self, True)

    def report(self, severity, text, invocation):
        """A line of the platform's own runtime, such as a traceback: not subject to the limits on the author's lines."""
        self._channel.log(0 if invocation is None else invocation.stream, True, severity, cut_line(text))

    def line(self, text, to_stderr, severity):
        invocation = current.get() or self.only_invocation()
        if invocation is None or not invocation.muted:
            self._emit(0 if invocation is None else invocation.stream, text, to_stderr, severity)

    def write(self, text, to_stderr):
        invocation = current.get() or self.only_invocation()
        if invocation is not None and invocation.muted:
            return
        owner = self if invocation is None else invocation
        stream = 0 if invocation is None else invocation.stream
        severity = frames.ERROR if to_stderr else frames.INFO
        rest = (owner.partial_err if to_stderr else owner.partial_out) + text
        if "\n" in rest:
            *lines, rest = rest.split("\n")
            for line in lines:
                self._emit(stream, line, to_stderr, severity)
        if len(rest) > LINE_BYTES_MAX:
            self._emit(stream, rest, to_stderr, severity)
            rest = ""
        if to_stderr:
            owner.partial_err = rest
        else:
            owner.partial_out = rest

    def flush_partial(self, owner=None):
        """Sends unfinished lines: of an invocation that ends, or of the process."""
        stream = 0 if owner is None else owner.stream
        owner = owner or self
        if owner.partial_out:
            self._emit(stream, owner.partial_out, False, frames.INFO)
        if owner.partial_err:
            self._emit(stream, owner.partial_err, True, frames.ERROR)
        owner.partial_out = owner.partial_err = ""

    def finish(self):
        """For a process that ends: everything that is still held back."""
        self.flush_partial()
        self._report_dropped()

    def _emit(self, stream, text, to_stderr, severity):
        line = cut_line(text[:-1] if text[-1:] == "\r" else text)
        if not self._admit(len(line)):
            return
        found = structured_severity(line)
        self._channel.log(stream, to_stderr, severity if found is None else found, line)

    def _admit(self, chars):
        now = monotonic()
        if now - self._window >= 1.0:
            self._report_dropped()
            self._window = now
            self._lines = self._chars = 0
        self._lines += 1
        self._chars += chars
        if self._lines <= LINES_PER_S and self._chars <= CHARS_PER_S:
            return True
        self._dropped += 1
        return False

    def _report_dropped(self):
        if self._dropped == 0:
            return
        dropped, self._dropped = self._dropped, 0
        limits = f"{LINES_PER_S} lines or {CHARS_PER_S // 2**20} MiB a second"
        text = f"{dropped} log lines were dropped: the function wrote more than {limits}"
        self._channel.log(0, True, frames.WARN, text)


def cut_line(text):
    if len(text) * 3 <= LINE_BYTES_MAX:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) <= LINE_BYTES_MAX:
        return text
    note = f" … [cut: the line has {len(data)} bytes]"
    return data[: LINE_BYTES_MAX - len(note.encode())].decode("utf-8", "ignore") + note


class OutputStream:
    """Stands in for sys.stdout and sys.stderr: a text stream, with `buffer` for bytes."""

    encoding = "utf-8"
    errors = "replace"
    newlines = None
    line_buffering = True
    write_through = True
    closed = False
    mode = "w"

    def __init__(self, output, to_stderr):
        self._output = output
        self.to_stderr = to_stderr
        self.name = "<stderr>" if to_stderr else "<stdout>"
        self.buffer = OutputBuffer(self)

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._output.write(text, self.to_stderr)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        """A line has left when it was written; an unfinished one waits for its end."""

    def fileno(self):
        return 2 if self.to_stderr else 1

    def isatty(self):
        return False

    def readable(self):
        return False

    def writable(self):
        return True

    def seekable(self):
        return False

    def reconfigure(self, **_settings):
        """Output stays UTF-8, line by line."""

    def close(self):
        """Output goes on for other invocations."""

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None


class OutputBuffer:
    """The binary side. Bytes that are no UTF-8 become replacement characters."""

    closed = False
    mode = "wb"

    def __init__(self, stream):
        self._stream = stream
        self.raw = self
        self.name = stream.name

    def write(self, data):
        data = bytes(data)
        self._stream.write(data.decode("utf-8", "replace"))
        return len(data)

    def flush(self):
        """See OutputStream.flush."""

    def fileno(self):
        return self._stream.fileno()

    def isatty(self):
        return False

    def readable(self):
        return False

    def writable(self):
        return True

    def seekable(self):
        return False

    def close(self):
        """See OutputStream.close."""
