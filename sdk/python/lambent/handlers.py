"""Types of handlers, events and answers."""
from typing import Any, Awaitable, Callable, Dict, List, Optional, Protocol, TypedDict


class Caller(TypedDict, total=False):
    """The function that called."""

    app: str
    function: str
    requestId: str


class LambdaContext(Protocol):
    """The second argument of a handler: the context object of AWS Lambda's Python runtime, and `caller`."""

    function_name: str
    function_version: str
    invoked_function_arn: str
    #: Megabytes, as text.
    memory_limit_in_mb: str
    aws_request_id: str
    log_group_name: str
    log_stream_name: str
    identity: Any
    client_context: Any
    #: W3C trace context of the caller.
    trace_context: Optional[str]
    #: None unless a function called.
    caller: Optional[Caller]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the platform stops the invocation."""
        ...


class HttpEvent(TypedDict, total=False):
    """An HTTP request as an event: payload format 2.0 of Amazon API Gateway's HTTP APIs."""

    version: str
    routeKey: str
    rawPath: str
    rawQueryString: str
    cookies: List[str]
    #: By lower-case name; several values of one name are joined by a comma.
    headers: Dict[str, str]
    queryStringParameters: Dict[str, str]
    pathParameters: Dict[str, str]
    requestContext: Dict[str, Any]
    #: Text, or base64 where `isBase64Encoded` is true: see `lambent.body_of`.
    body: str
    isBase64Encoded: bool


class HttpResponse(TypedDict, total=False):
    """An answer to HTTP. Without `statusCode` a returned value is the JSON body of a 200."""

    statusCode: int
    headers: Dict[str, Any]
    multiValueHeaders: Dict[str, List[str]]
    cookies: List[str]
    body: str
    isBase64Encoded: bool


Handler = Callable[[Any, LambdaContext], Any]
AsyncHandler = Callable[[Any, LambdaContext], Awaitable[Any]]
