"""What goes wrong in workflows, as the journal keeps it and as the author's code catches it; and values as JSON."""
from json import dumps, loads

from lambent.workflow import WorkflowError, WorkflowTimeout

from ..failure import RuntimeFailure, failure_record
from ..failure import is_retryable as says_retryable
from .large_value import LargeValue

# The largest payload within a message and the largest of all, in bytes of JSON (as src/model/journal.ts has them).
INLINE_PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
LARGE_PAYLOAD_BYTES_MAX = 64 * 1024 * 1024
STACK_LINES_MAX = 20
STACK_LINE_CHARS_MAX = 2_048


def failure(code, message, error_type=None):
    return {"code": code, "errorType": error_type or code, "errorMessage": message, "stackTrace": []}


def cancelled_failure(reason):
    return failure("E_EXECUTION_CANCELLED", reason, "CancelledError")


def error_of(recorded):
    """A recorded failure as the author's code catches it."""
    return (WorkflowTimeout if recorded["code"] == "E_TIMEOUT" else WorkflowError)(recorded)


def misuse(code, message, error_type=None):
    """A failure that the runtime itself found. Doing the same again would find the same."""
    error = error_of(failure(code, message, error_type))
    error.retryable = False
    return error


def failure_of(thrown):
    """Whatever was raised, as the journal keeps it. What came through the platform stays what it was."""
    if isinstance(thrown, WorkflowError):
        return thrown.failure
    record = failure_record(thrown, "E_FUNCTION_ERROR")
    record["errorType"] = record["errorType"][:256] or "Exception"
    record["stackTrace"] = [line[:STACK_LINE_CHARS_MAX] for line in record["stackTrace"][:STACK_LINES_MAX]]
    return record


def is_retryable(thrown):
    """Whether another attempt of a step makes sense."""
    return not isinstance(thrown, RuntimeFailure) and says_retryable(thrown)


def payload_of(value, what, bytes_max=LARGE_PAYLOAD_BYTES_MAX):
    """A value as it will be read back, at this run as at any replay; what JSON cannot hold is refused."""
    if value is None or isinstance(value, bool) or (isinstance(value, str) and len(value) < 1_024):
        return {"json": value}
    try:
        text = dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as thrown:
        raise RuntimeFailure(
            "E_NOT_SERIALIZABLE", "NotSerializable", f"{what} cannot be written as JSON: {thrown}"
        ) from None
    if len(text) * 4 > INLINE_PAYLOAD_BYTES_MAX:
        data = utf8_of(text, value)
        if len(data) > bytes_max:
            message = f"{what} has {len(data)} bytes as JSON; at most {bytes_max} are allowed"
            raise RuntimeFailure("E_PAYLOAD_TOO_LARGE", "PayloadTooLarge", message)
        if len(data) > INLINE_PAYLOAD_BYTES_MAX:
            return LargeValue(data)
    return {"json": loads(text)}


def answer_of(value, what):
    """A payload that is answered to whoever asked, and so goes inline."""
    return payload_of(value, what, INLINE_PAYLOAD_BYTES_MAX)


def utf8_of(text, value):
    """The bytes of a value's JSON text. Halves of surrogate pairs, which JSON can hold and UTF-8 cannot, are escaped."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return dumps(value).encode()


def json_of(payload):
    return loads(payload.data) if type(payload) is LargeValue else payload.get("json")
