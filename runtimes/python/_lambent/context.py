"""The context object of AWS Lambda's Python runtime."""
from os import environ
from time import time


class ClientContext:
    """What the caller gave as Lambda's client context; parts that it left out are None."""

    __slots__ = ("custom", "env", "client")

    def __init__(self, data):
        self.custom = data.get("custom")
        self.env = data.get("env")
        self.client = data.get("client")


class Identity:
    """No caller here is a Cognito user."""

    __slots__ = ()
    cognito_identity_id = None
    cognito_identity_pool_id = None


_NO_IDENTITY = Identity()


class LambdaContext:
    """By AWS's documentation "Using the Lambda context object to retrieve Python function information"."""

    __slots__ = ("aws_request_id", "client_context", "trace_context", "caller", "_deadline_ms")
    function_name = ""
    function_version = ""
    invoked_function_arn = ""
    memory_limit_in_mb = ""
    log_group_name = ""
    log_stream_name = ""
    identity = _NO_IDENTITY

    def __init__(self, request_id, deadline_ms, client_context, trace_context, caller):
        self.aws_request_id = request_id
        self._deadline_ms = deadline_ms
        self.client_context = ClientContext(client_context) if isinstance(client_context, dict) else None
        # W3C trace context of the caller, or None.
        self.trace_context = trace_context
        # The function that called, as {"app", "function", "requestId"}, or None.
        self.caller = caller

    def get_remaining_time_in_millis(self):
        return max(0, int(self._deadline_ms - time() * 1000))

    def log(self, message):
        print(message, end="")

    def __repr__(self):
        return f"LambdaContext(function_name={self.function_name!r}, aws_request_id={self.aws_request_id!r})"


def prepare_context(boot):
    """What is the same for every invocation lies in the class."""
    name = boot["function"]
    LambdaContext.function_name = name
    LambdaContext.function_version = environ.get("AWS_LAMBDA_FUNCTION_VERSION", boot["version"])
    LambdaContext.invoked_function_arn = f"arn:aws:lambda:local:000000000000:function:{name}"
    LambdaContext.memory_limit_in_mb = str(boot["memoryMb"])
    LambdaContext.log_group_name = environ.get("AWS_LAMBDA_LOG_GROUP_NAME", f"/aws/lambda/{name}")
    LambdaContext.log_stream_name = environ.get("AWS_LAMBDA_LOG_STREAM_NAME", boot["version"])
