"""The instance's end of the connection to the platform."""
from _thread import allocate_lock
from posix import _exit, read, set_blocking, write
from time import time

from . import frames
from .frames import HEADER, HEADER_BYTES, LOG_FIXED_BYTES, LOG_HEAD, RESPONSE, RESPONSE_FIXED_BYTES

# Below what memory allocators hand back to the system each time.
READ_BYTES = 64 * 1024
# Output that waits for the end of a turn is sent before that when it is more than this.
BATCH_BYTES = 128 * 1024


class Channel:
    """
    Cuts frames out of what comes, and gathers frames that go out: those of one turn leave in one system call. Any
    thread may write. While `on_blocked` is unset, a write waits until the platform takes it.
    """

    def __init__(self, fd):
        self.fd = fd
        # Called once when the platform does not take more now; it must see to it that `flush` is called again.
        self.on_blocked = None
        # Called when the first frame of a turn waits to be sent.
        self.on_waiting = None
        self._buffer = b""
        self._at = 0
        self._pieces = []
        self._missing = 0
        self._lock = allocate_lock()
        self._out = []
        self._out_bytes = 0
        self._unsent = None

    # What comes in.

    def receive(self):
        """Waits for bytes (or takes those that are there) and ends the process when the platform is gone."""
        try:
            data = read(self.fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # Whatever still holds this process: nobody is there to answer.
            _exit(1)
        if self._missing > 0:
            # A frame longer than one read: pieces are put together once.
            self._pieces.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = b"".join(self._pieces)
            self._pieces = []
            self._missing = 0
        elif self._at < len(self._buffer):
            data = self._buffer[self._at :] + data
        self._buffer = data
        self._at = 0

    def has_come(self):
        """Whether anything has arrived, without waiting for it."""
        set_blocking(self.fd, False)
        try:
            self.receive()
        finally:
            set_blocking(self.fd, True)
        return self._at < len(self._buffer) or self._missing > 0

    def next_frame(self):
        """The next whole frame that has come, as (kind, flags, stream, payload), or None."""
        buffer = self._buffer
        at = self._at
        have = len(buffer) - at
        if have < HEADER_BYTES:
            return None
        size, stream, kind, flags, zero = HEADER.unpack_from(buffer, at)
        if size > frames.PAYLOAD_MAX or zero != 0:
            _exit(1)
        end = at + HEADER_BYTES + size
        if end - at > have:
            self._pieces = [buffer[at:]]
            self._missing = end - at - have
            self._buffer = b""
            self._at = 0
            return None
        self._at = end
        return kind, flags, stream, buffer[at + HEADER_BYTES : end]

    # What goes out.

    def frame(self, kind, flags, stream, payload=b""):
        self._append(HEADER.pack(len(payload), stream, kind, flags, 0) + payload)

    def number(self, kind, stream, value):
        self._append(HEADER.pack(4, stream, kind, 0, 0) + frames.U32.pack(value))

    def response(self, stream, last, status, block, body):
        """HTTP_RESPONSE. `block` holds `name: value` lines, each with CR LF at its end, as bytes."""
        size = RESPONSE_FIXED_BYTES + len(block) + len(body)
        head = RESPONSE.pack(size, stream, frames.HTTP_RESPONSE, 1 if last else 0, 0, status, 0, len(block))
        self._append(head + block + body)

    def log(self, stream, to_stderr, severity, text):
        """LOG. Leaves at once, so that what was printed before an endless loop is not lost with it."""
        data = text.encode("utf-8", "replace")
        size = LOG_FIXED_BYTES + len(data)
        head = LOG_HEAD.pack(size, stream, frames.LOG, 0, 0, 1 if to_stderr else 0, severity, time() * 1000.0)
        self._append(head + data)
        self.flush()

    def flush(self):
        if self._out or self._unsent:
            with self._lock:
                self._flush()

    def flush_blocking(self):
        """For a process that ends: waits until all of it has left."""
        self.on_blocked = self.on_waiting = None
        try:
            set_blocking(self.fd, True)
            self.flush()
        except OSError:
            pass

    def _append(self, data):
        with self._lock:
            self._out.append(data)
            self._out_bytes += len(data)
            if self._out_bytes > BATCH_BYTES:
                self._flush()
            elif self.on_waiting is not None and len(self._out) == 1:
                self.on_waiting()

    def _flush(self):
        out = self._out
        if self._unsent is not None:
            out.insert(0, self._unsent)
            self._unsent = None
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self._out = []
        self._out_bytes = 0
        try:
            sent = write(self.fd, data)
            while sent < len(data):
                data = memoryview(data)[sent:]
                sent = write(self.fd, data)
        except BlockingIOError:
            self._unsent = bytes(data)
            if self.on_blocked is not None:
                self.on_blocked()
        except OSError:
            _exit(1)

    @property
    def is_blocked(self):
        return self._unsent is not None
