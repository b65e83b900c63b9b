"""
WebSockets of ASGI apps: the server's side of RFC 6455 over an upgraded stream. No extensions, masked frames in,
unmasked frames out.
"""
from base64 import b64encode
from hashlib import sha1

from .async_engine import changed, drained
from .asgi import HOP_HEADERS, header_block
from .failure import RuntimeFailure

# The largest message, after its fragments are put together.
MESSAGE_BYTES_MAX = 32 * 1024 * 1024
# How many fragments one message may have.
FRAGMENTS_MAX = 16 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Breach(Exception):
    """The client broke the protocol; `code` is what closes the connection."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def encode_frame(opcode, payload):
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, size))
    elif size < 0x10000:
        head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
    return head + payload


def unmask(payload, mask):
    size = len(payload)
    if size == 0:
        return payload
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


def is_valid_close_code(code):
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999


class Parser:
    """Cuts the bytes of a client into (opcode, payload) of messages and control frames. Raises Breach."""

    def __init__(self):
        self._buffer = bytearray()
        self._fragments = []
        self._fragment_bytes = 0
        self._opcode = 0

    def push(self, data):
        self._buffer += data

    def next(self):
        """The next message or control frame; None when more bytes are needed."""
        while True:
            frame = self._frame()
            if frame is None:
                return None
            is_final, opcode, payload = frame
            if opcode >= CLOSE:
                return opcode, payload
            if opcode != CONTINUATION:
                self._opcode = opcode
            self._fragments.append(payload)
            self._fragment_bytes += len(payload)
            if is_final:
                message = b"".join(self._fragments)
                kind, self._opcode, self._fragments, self._fragment_bytes = self._opcode, 0, [], 0
                return kind, message

    def _frame(self):
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        if first & 0x70:
            raise Breach(1002, "a reserved bit is set")
        if not second & 0x80:
            raise Breach(1002, "a frame of the client is not masked")
        size, at = second & 0x7F, 2
        if size >= 126:
            at = 4 if size == 126 else 10
            if len(buffer) < at:
                return None
            size = int.from_bytes(buffer[2:at], "big")
        opcode = first & 0x0F
        self._check(opcode, bool(first & 0x80), size)
        end = at + 4 + size
        if len(buffer) < end:
            return None
        payload = unmask(bytes(buffer[at + 4 : end]), bytes(buffer[at : at + 4]))
        del buffer[:end]
        return bool(first & 0x80), opcode, payload

    def _check(self, opcode, is_final, size):
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Breach(1002, f"a frame has the unknown opcode {opcode}")
        if opcode >= CLOSE:
            if not is_final or size > 125:
                raise Breach(1002, "a control frame is fragmented or too long")
            return
        if (opcode == CONTINUATION) != (self._opcode != 0):
            raise Breach(1002, "a continuation has no beginning, or a message begins inside another")
        if self._fragment_bytes + size > MESSAGE_BYTES_MAX or len(self._fragments) >= FRAGMENTS_MAX:
            raise Breach(1009, f"a message is over {MESSAGE_BYTES_MAX} bytes or {FRAGMENTS_MAX} fragments")


class WebSocketCall:
    """connecting -> open -> closed: one connection, as the app's `receive` and `send` see it."""

    def __init__(self, handler, invocation, scope):
        self._handler = handler
        self._loop = handler.loop
        self._invocation = invocation
        self._scope = scope
        headers = dict(scope["headers"])
        self._key = headers.get(b"sec-websocket-key", b"")
        protocols = headers.get(b"sec-websocket-protocol", b"").decode("latin-1")
        scope["subprotocols"] = [each.strip() for each in protocols.split(",") if each.strip()]
        scope["extensions"] = {"websocket.http.response": {}}
        self._parser = Parser()
        self._connect_given = False
        self._accepted = False
        self._closed = None
        self._refusal = None

    async def run(self):
        await self._handler.app(self._scope, self.receive, self.send)
        if self._invocation.ended:
            return
        if not self._accepted:
            raise RuntimeFailure(
                "E_UPGRADE_REFUSED", "UpgradeRefused", "the app returned without accepting the WebSocket"
            )
        self._close(1000, "")

    async def receive(self):
        if not self._connect_given:
            self._connect_given = True
            return {"type": "websocket.connect"}
        while self._closed is None:
            try:
                message = self._next_message()
            except Breach as breach:
                self._close(breach.code, str(breach))
                break
            except UnicodeDecodeError:
                self._close(1007, "a text message is not valid UTF-8")
                break
            if message is not None:
                return message
            if self._closed is None and not self._read():
                await changed(self._invocation, self._loop)
        code, reason = self._closed
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    def _read(self):
        """True when bytes came, or the connection ended."""
        invocation = self._invocation
        if invocation.cancelled or invocation.ended:
            self._closed = (1006, "")
            return True
        piece = invocation.read()
        if piece is None:
            return False
        if piece:
            self._parser.push(piece)
        else:
            self._closed = (1006, "")
            invocation.end()
        return True

    def _next_message(self):
        """The next message that has come whole; control frames on the way are answered."""
        while self._accepted and self._closed is None:
            frame = self._parser.next()
            if frame is None:
                return None
            opcode, payload = frame
            if opcode == TEXT:
                return {"type": "websocket.receive", "text": payload.decode()}
            if opcode == BINARY:
                return {"type": "websocket.receive", "bytes": payload}
            if opcode == PING:
                self._invocation.write(encode_frame(PONG, payload), False)
            elif opcode == CLOSE:
                self._on_close(payload)
        return None

    def _on_close(self, payload):
        code = int.from_bytes(payload[:2], "big") if payload else 1005
        if payload and not is_valid_close_code(code):
            raise Breach(1002, f"the close code {code} is not valid")
        reason = payload[2:].decode()
        self._closed = (code, reason)
        self._invocation.write(encode_frame(CLOSE, payload[:2]), True)

    async def send(self, message):
        kind = message["type"]
        if kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.send":
            await self._send_data(message)
        elif kind == "websocket.close":
            if self._accepted:
                self._close(message.get("code") or 1000, message.get("reason") or "")
            else:
                self._refuse(403, b"", b"")
        elif kind == "websocket.http.response.start":
            self._refusal = (message["status"], header_block(message.get("headers") or ()), [])
        elif kind == "websocket.http.response.body":
            status, block, pieces = self._refusal
            pieces.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self._refuse(status, block, b"".join(pieces))
        else:
            raise RuntimeError(f"the app sent a message of the unknown type {kind!r}")

    def _accept(self, message):
        self._accepted = True
        self._invocation.upgrade()
        answer = b64encode(sha1(self._key + _GUID).digest())
        block = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " + answer + b"\r\n"
        if message.get("subprotocol"):
            block += b"sec-websocket-protocol: " + message["subprotocol"].encode("latin-1") + b"\r\n"
        headers = [(name, value) for name, value in message.get("headers") or () if name.lower() not in HOP_HEADERS]
        self._invocation.respond(101, block + header_block(headers), b"", False)

    async def _send_data(self, message):
        invocation = self._invocation
        if self._closed is not None or invocation.ended or invocation.cancelled:
            return
        data = message.get("bytes")
        frame = encode_frame(TEXT, message["text"].encode()) if data is None else encode_frame(BINARY, bytes(data))
        if not invocation.write(frame, False):
            await drained(invocation, self._loop)

    def _refuse(self, status, block, body):
        self._closed = (1006, "")
        self._invocation.respond(status, block + b"content-length: %d\r\n" % len(body), body, True)

    def _close(self, code, reason):
        if self._closed is None:
            self._closed = (code, reason)
        payload = code.to_bytes(2, "big") + reason.encode()[:123]
        self._invocation.write(encode_frame(CLOSE, payload), True)
