"""
Calls of the platform from a function's code. They go over the instance's own connection: no address, no key, no
network. The platform knows by itself who calls.
"""
import sys
from base64 import b64encode
from json import dumps, loads
from typing import Any, Dict, List, Mapping, Optional, Tuple


class CallError(Exception):
    """A call that did not succeed."""

    #: Stable code: `E_FUNCTION_ERROR` where the function that was called failed; see docs/errors.md for the others.
    code: str
    #: Name of the error's class in the function that was called, as `ValueError`; otherwise the code.
    error_type: str
    #: The stack in the function that was called, its author's own lines first.
    stack_trace: List[str]
    #: Whether the same call can succeed later without anybody changing anything.
    retryable: bool
    #: What to do next.
    hint: str

    def __init__(self, message: str, failure: Any) -> None:
        super().__init__(message)
        self.code = failure.code
        self.error_type = failure.error_type
        self.stack_trace = failure.stack_trace
        self.retryable = failure.retryable
        self.hint = failure.hint


def invoke(name: str, event: Any = None, *, wait: bool = True) -> Any:
    """
    Calls another function of this app with a JSON event of at most 6 MiB and returns its result. Trace context goes
    along; the function sees who called in `context.caller`.

    With `wait=False` it returns `{"id": …}` once the call is stored; it then happens at least once, with retries.

    Raises CallError: `E_FUNCTION_ERROR` with the function's own `error_type` and message, `E_NOT_FOUND`,
    `E_FUNCTION_TIMEOUT`, `E_CONCURRENCY_LIMIT`, `E_CALL_DEPTH` after 16 calls from function to function,
    `E_CALL_DEADLOCK` for a call that would wait for itself, `E_PAYLOAD_TOO_LARGE`. In an `async` handler use
    `invoke_async`.
    """
    return _call("invoke", _invoke_args(name, wait), event)


async def invoke_async(name: str, event: Any = None, *, wait: bool = True) -> Any:
    """As `invoke`, for `async` code."""
    return await _call_async("invoke", _invoke_args(name, wait), event)


def emit(event: Mapping[str, Any]) -> Dict[str, Any]:
    """
    Emits a CloudEvents 1.0 event to the app's bus; `type` is all that it needs, as in
    `emit({"type": "order.placed", "data": {"id": 42}})`. Returns `{"id": …}` once it is stored. Raises CallError.
    """
    return _call("emit", {}, dict(event))  # type: ignore[no-any-return]


async def emit_async(event: Mapping[str, Any]) -> Dict[str, Any]:
    """As `emit`, for `async` code."""
    return await _call_async("emit", {}, dict(event))  # type: ignore[no-any-return]


def send(
    connection: str,
    destination: str,
    message: Any,
    *,
    id: Optional[str] = None,
    headers: Optional[Mapping[str, str]] = None,
    content_type: Optional[str] = None,
    qos: Optional[int] = None,
) -> str:
    """
    Sends a message through a connection of the app, which the manifest must name for the function (`connections`). `str` is
    sent as text, `bytes` as bytes, anything else as JSON. `destination` is a queue or `exchange/key` of RabbitMQ, the key of
    a stream of Redis, a subject of a stream of NATS, a topic of MQTT, a topic or `topic/key` of Kafka, a queue or
    `queue.fifo/group` of SQS. `qos` is for MQTT alone, 1 or 2; 2: the broker takes it once for certain, as long as the
    connection holds. Returns its id once the broker has confirmed it.

    Raises CallError: `E_SEND_FAILED` (it may have arrived all the same where the broker did not answer),
    `E_CONNECTION_NOT_NAMED`, `E_SECRET_MISSING`, `E_PAYLOAD_TOO_LARGE`, `E_OVERLOADED`. It is not retried.
    """
    args, value = _send_args(connection, destination, message, id, headers, content_type, qos)
    return str(_call("send", args, value)["id"])


async def send_async(
    connection: str,
    destination: str,
    message: Any,
    *,
    id: Optional[str] = None,
    headers: Optional[Mapping[str, str]] = None,
    content_type: Optional[str] = None,
    qos: Optional[int] = None,
) -> str:
    """As `send`, for `async` code."""
    args, value = _send_args(connection, destination, message, id, headers, content_type, qos)
    return str((await _call_async("send", args, value))["id"])


def start_workflow(
    name: str, value: Any = None, *, key: Optional[str] = None, priority: int = 0, delay_ms: float = 0
) -> str:
    """
    Starts an execution of a workflow of this app with a JSON input. Returns its id once it is stored. Starting twice
    with the same `key` and input is starting once. `priority`: higher goes first, -100 to 100. Raises CallError:
    `E_NOT_FOUND`, `E_IDEMPOTENCY_CONFLICT`, `E_PAYLOAD_TOO_LARGE`.
    """
    return str(_call("workflow.start", _start_args(name, key, priority, delay_ms), value)["id"])


async def start_workflow_async(
    name: str, value: Any = None, *, key: Optional[str] = None, priority: int = 0, delay_ms: float = 0
) -> str:
    """As `start_workflow`, for `async` code."""
    return str((await _call_async("workflow.start", _start_args(name, key, priority, delay_ms), value))["id"])


def signal_workflow(execution: str, name: str, value: Any = None) -> None:
    """Sends a signal with a JSON input to an execution of this app. Raises CallError: `E_EXECUTION_ENDED`."""
    _call("workflow.signal", {"execution": execution, "name": name}, value)


async def signal_workflow_async(execution: str, name: str, value: Any = None) -> None:
    """As `signal_workflow`, for `async` code."""
    await _call_async("workflow.signal", {"execution": execution, "name": name}, value)


def _start_args(name: str, key: Optional[str], priority: int, delay_ms: float) -> Dict[str, Any]:
    args: Dict[str, Any] = {"workflow": name, "priority": priority, "delayMs": delay_ms}
    return args if key is None else {**args, "key": key}


def _send_args(
    connection: str,
    destination: str,
    message: Any,
    id: Optional[str],
    headers: Optional[Mapping[str, str]],
    content_type: Optional[str],
    qos: Optional[int],
) -> Tuple[Dict[str, Any], Any]:
    is_bytes = isinstance(message, (bytes, bytearray, memoryview))
    given = {
        "connection": connection,
        "destination": destination,
        "as": "bytes" if is_bytes else "text" if isinstance(message, str) else "json",
        "id": id,
        "headers": None if headers is None else dict(headers),
        "contentType": content_type,
        "qos": qos,
    }
    args = {name: value for name, value in given.items() if value is not None}
    if message is None:
        raise TypeError("send takes a message")
    return args, b64encode(message).decode() if is_bytes else message


def _invoke_args(name: str, wait: bool) -> Dict[str, str]:
    return {"function": name, "mode": "sync" if wait else "async"}


def _platform(operation: str) -> Any:
    if "_lambent.runtime" not in sys.modules:
        raise RuntimeError(f"{operation} works in a function that runs on Lambent; this process has no connection to one")
    return sys.modules["_lambent.calls"]


def _encode(value: Any) -> bytes:
    return b"" if value is None else dumps(value, allow_nan=False).encode()


def _decode(result: bytes) -> Any:
    return loads(result) if result else None


def _call(operation: str, args: Mapping[str, Any], value: Any) -> Any:
    platform = _platform(operation)
    try:
        return _decode(platform.call(operation, args, _encode(value)))
    except platform.CallFailure as failure:
        raise CallError(str(failure), failure) from None


async def _call_async(operation: str, args: Mapping[str, Any], value: Any) -> Any:
    platform = _platform(operation)
    try:
        return _decode(await platform.call_async(operation, args, _encode(value)))
    except platform.CallFailure as failure:
        raise CallError(str(failure), failure) from None
