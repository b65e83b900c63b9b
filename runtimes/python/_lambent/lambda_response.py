"""
What a Lambda handler returned, as the answer to HTTP: the rules of API Gateway's payload format 2.0. An object with
`statusCode` is a response; anything else is the body of a 200 with `content-type: application/json`.
"""
from binascii import Error as Base64Error
from binascii import a2b_base64

from .failure import RuntimeFailure, invalid

# The largest result of an event call (AWS Lambda's own limit).
RESULT_BYTES_MAX = 6 * 1024 * 1024
_NOT_THE_HANDLERS = ("content-length", "connection", "transfer-encoding")
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Header names that were found to be valid, with their lower case.
_known_names = {}
_KNOWN_NAMES_MAX = 512
_FORBIDDEN = str.maketrans({char: None for char in map(chr, [*range(9), *range(10, 32), 127])})


def shown(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


def json_text(value):
    """JSON of a value as bytes. Raises E_FUNCTION_RESPONSE_INVALID for what JSON cannot hold."""
    from json import dumps

    try:
        text = dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_more_json)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the handler returned a value that cannot be written as JSON: {error}"
        raise invalid(message) from None
    try:
        return text.encode()
    except UnicodeEncodeError:
        return dumps(value, separators=(",", ":"), default=_more_json).encode()


def _more_json(value):
    # As AWS's own runtime: numbers of `decimal` are numbers.
    if type(value).__name__ == "Decimal" and type(value).__module__ == "decimal":
        return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _status_of(value):
    if isinstance(value, str) and len(value) == 3 and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599:
        return int(value)
    raise invalid(f"the handler returned statusCode {shown(value)}; it must be a whole number from 200 to 599")


def header_name(name):
    known = _known_names.get(name)
    if known is not None:
        return known
    text = str(name)
    if not text or not _TOKEN.issuperset(text):
        raise invalid(f"the handler returned a header that is not valid: the name {shown(name)}")
    if len(_known_names) < _KNOWN_NAMES_MAX:
        _known_names[name] = text.lower()
    return text.lower()


def header_value(name, value):
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, (str, int, float)):
        text = str(value).strip(" \t\r\n")
    else:
        raise invalid(f"the handler returned the header {name} with the value {shown(value)}; it must be a string")
    if text.translate(_FORBIDDEN) != text or any(char > "\xff" for char in text):
        raise invalid(f"the handler returned a header that is not valid: {name} has the value {shown(value)}")
    return text


def header_block(response):
    """Header lines from `headers`, `multiValueHeaders` and `cookies`, and whether the type of the body is among them."""
    lines = []
    typed = False
    for part in ("headers", "multiValueHeaders"):
        group = response.get(part)
        if group is None:
            continue
        if not hasattr(group, "items"):
            raise invalid(f"the handler returned {part}: {shown(group)}; it must be a dict")
        for name, value in group.items():
            key = header_name(name)
            for each in value if isinstance(value, (list, tuple)) else (value,):
                if each is None or key in _NOT_THE_HANDLERS:
                    continue
                typed = typed or key == "content-type"
                lines.append(f"{key}: {header_value(key, each)}\r\n")
    cookies = response.get("cookies")
    if cookies is not None:
        if not isinstance(cookies, (list, tuple)):
            raise invalid(f"the handler returned cookies: {shown(cookies)}; it must be a list")
        lines += [f"set-cookie: {header_value('set-cookie', cookie)}\r\n" for cookie in cookies]
    return "".join(lines), typed


def _body_of(response):
    body = response.get("body")
    if body is None:
        return b""
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    if not isinstance(body, str):
        kind = type(body).__name__
        raise invalid(f"the handler returned a body of type {kind} ({shown(body)}); it must be a string: use json.dumps")
    if response.get("isBase64Encoded") is True:
        try:
            return a2b_base64(body)
        except (Base64Error, ValueError) as error:
            raise invalid(f"the handler returned a body that is not base64: {error}") from None
    return body.encode("utf-8", "replace")


def response_head(response, has_body):
    """Status and header block of a response object, without a length."""
    status = _status_of(response["statusCode"])
    block, typed = header_block(response)
    if has_body and not typed:
        block += "content-type: text/plain; charset=utf-8\r\n"
    return status, block


def is_response(result):
    return isinstance(result, dict) and result.get("statusCode") is not None


def send_response(invocation, result):
    """Answers an HTTP request with what the handler returned."""
    if is_response(result):
        body = _body_of(result)
        status, block = response_head(result, len(body) > 0)
    else:
        body = result.encode("utf-8", "replace") if isinstance(result, str) else json_text(result)
        status, block = 200, "content-type: application/json\r\n"
    if status in (204, 304):
        invocation.respond(status, block.encode("latin-1"), b"", True)
        return
    head = f"{block}content-length: {len(body)}\r\n".encode("latin-1")
    invocation.respond(status, head, b"" if b"\nHEAD " in invocation.head else body, True)


def send_result(invocation, result):
    """Answers an event call with what the handler returned, as JSON."""
    data = json_text(result)
    if len(data) > RESULT_BYTES_MAX:
        raise result_too_large(len(data))
    invocation.result(data, True)


def result_too_large(size):
    message = f"the result has {size} bytes; at most {RESULT_BYTES_MAX} (6 MiB) fit in the answer to an event call"
    return RuntimeFailure("E_RESPONSE_TOO_LARGE", "ResultTooLarge", message)


def send_text_result(invocation, status, body):
    """Ends an event call with what a web app answered to it. A status from 400 on is a failure."""
    if len(body) > RESULT_BYTES_MAX:
        raise result_too_large(len(body))
    text = body.decode("utf-8", "replace")
    if status >= 400:
        message = f"the app answered the event with status {status}: {text[:1000]}"
        raise RuntimeFailure("E_FUNCTION_ERROR", "HttpStatusError", message)
    from json import loads

    try:
        loads(text or "null")
        invocation.result(body or b"null", True)
    except ValueError:
        invocation.result(json_text(text), True)
