"""What is said over the channel: the names and limits of `src/model/frames.ts`, which explains them."""
from _struct import Struct

PROTOCOL_VERSION = 1
WINDOW_BYTES = 256 * 1024
BODY_CHUNK_BYTES = 64 * 1024
HELD_MS = 20
PAYLOAD_MAX = 1 << 20

FIN = 1
# Set in the number of each stream that the instance opens.
CALL_STREAM = 0x8000_0000

BOOT = 0x01
HTTP_REQUEST = 0x02
EVENT = 0x03
CANCEL = 0x06
DRAIN = 0x07
PING = 0x08
CALL_RESULT = 0x09
CALL_FAILED = 0x0A
AHEAD = 0x0B
REST = 0x0C
READY = 0x41
BOOT_FAILED = 0x42
HTTP_RESPONSE = 0x43
RESULT = 0x44
FAILED = 0x46
LOG = 0x47
RETIRE = 0x48
STATS = 0x49
PONG = 0x4A
CALL = 0x4B
WAITING = 0x4C
HOLDS = 0x4D
RETURNED = 0x4E
RESTING = 0x4F
BODY = 0x80
CREDIT = 0x81

CANCEL_TIMEOUT = 1

TRACE, DEBUG, INFO, WARN, ERROR, FATAL = range(6)

# Payload length, stream, kind, flags, zero.
HEADER = Struct("<IIBBH")
HEADER_BYTES = 12
U32 = Struct("<I")
# The header of an HTTP_RESPONSE frame and the fixed part of its payload (status, zero, length of the header block).
RESPONSE = Struct("<IIBBHHHI")
RESPONSE_FIXED_BYTES = 8
# The header of a LOG frame and the fixed part of its payload (output, severity, epoch milliseconds).
LOG_HEAD = Struct("<IIBBHBBd")
LOG_FIXED_BYTES = 10

# Lines before the headers in the head of an HTTP_REQUEST.
HTTP_HEAD_FIXED_LINES = 7
