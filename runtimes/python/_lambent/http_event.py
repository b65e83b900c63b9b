"""
The event of an HTTP request in the payload format 2.0 of Amazon API Gateway's HTTP APIs, field for field as
`runtimes/node/lambda-event.ts` makes it: `runtimes/conformance/http-event-vectors.json` holds both to the same answers.
"""
from binascii import b2a_base64
from time import gmtime

from . import frames

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A function has few routes; this many are remembered.
ROUTE_KEYS_MAX = 256
_route_keys = {}
_TEXT_TYPES = ("application/json", "application/javascript", "application/ecmascript", "application/xml")
_MORE_TEXT_TYPES = ("application/graphql", "application/x-ndjson")
_last_second = 0
_last_time = ""


class HttpHead:
    """The head of an HTTP_REQUEST; only what is asked for is decoded."""

    __slots__ = ("lines", "method", "target")

    def __init__(self, head):
        self.lines = head.split(b"\n")
        self.method, _, self.target = self.lines[6].partition(b" ")

    def text(self, index):
        return self.lines[index].decode("latin-1")

    @property
    def request_id(self):
        return self.lines[0].decode("latin-1")

    @property
    def deadline_ms(self):
        return float(self.lines[1])

    @property
    def header_lines(self):
        return self.lines[frames.HTTP_HEAD_FIXED_LINES :]


def percent_decode(data):
    """Bytes with `%41` decoded. Raises ValueError for a malformed sequence."""
    first, *rest = data.split(b"%")
    parts = [first]
    for part in rest:
        digits = part[:2]
        if len(digits) < 2 or not digits.isalnum():
            raise ValueError("a percent sign without two hexadecimal digits")
        parts.append(bytes((int(digits, 16),)))
        parts.append(part[2:])
    return b"".join(parts)


def _decode(text, plus_is_space):
    """Percent-decoding that leaves malformed sequences as they are."""
    plain = text.replace("+", " ") if plus_is_space else text
    if "%" not in plain:
        return plain
    try:
        return percent_decode(plain.encode()).decode()
    except ValueError:
        return plain


def parse_pairs(text, plus_is_space):
    """Pairs of `a=1&b=2`; several values of one name are joined by a comma, as AWS does. None: there are none."""
    if text == "":
        return None
    pairs = {}
    for part in text.split("&"):
        if part == "":
            continue
        name, _, value = part.partition("=")
        name, value = _decode(name, plus_is_space), _decode(value, plus_is_space)
        pairs[name] = f"{pairs[name]},{value}" if name in pairs else value
    return pairs


def aws_route_key(route):
    """`GET /users/:id` and `GET /files/*` in the way AWS writes them: `GET /users/{id}`, `GET /files/{proxy+}`."""
    known = _route_keys.get(route)
    if known is not None:
        return known
    from re import sub

    key = sub(r":([A-Za-z0-9_]+)", r"{\1}", route)
    key = sub(r"/\*([A-Za-z0-9_]*)$", lambda found: "/{" + (found[1] or "proxy") + "+}", key)
    if len(_route_keys) < ROUTE_KEYS_MAX:
        _route_keys[route] = key
    return key


def aws_params(params):
    """The rest of a path is `*` in a route, and `proxy` in the route key that AWS would write."""
    if params.startswith("*="):
        return "proxy" + params[1:]
    return params.replace("&*=", "&proxy=", 1)


def is_text_body(content_type, content_encoding):
    """Whether AWS would hand over such a body as text; everything else comes in base64."""
    if content_encoding is not None and content_encoding != "identity":
        return False
    if content_type is None:
        return False
    kind = content_type.lstrip().lower()
    if kind.startswith("text/"):
        return True
    kind = kind.split(";", 1)[0].split(None, 1)[0] if kind else ""
    if kind in _TEXT_TYPES or kind in _MORE_TEXT_TYPES:
        return True
    family, _, suffix = kind.rpartition("+")
    return suffix in ("json", "xml") and family.startswith("application/") and family != "application/"


def clf_time(time_ms):
    """`12/Mar/2020:19:03:58 +0000`"""
    global _last_second, _last_time
    second = int(time_ms // 1000)
    if second != _last_second:
        t = gmtime(second)
        _last_time = f"{t.tm_mday:02}/{MONTHS[t.tm_mon - 1]}/{t.tm_year}:{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02} +0000"
        _last_second = second
    return _last_time


def _headers_of(lines):
    headers = {}
    cookies = None
    for line in lines:
        name, _, value = line.decode("latin-1").partition(": ")
        if name == "cookie":
            cookies = (cookies or []) + [each for each in (part.lstrip() for part in value.split(";")) if each]
        elif name in headers:
            headers[name] = f"{headers[name]},{value}"
        else:
            headers[name] = value
    return headers, cookies


def create_http_event(head, body, function_name, now_ms):
    headers, cookies = _headers_of(head.header_lines)
    raw_path, _, raw_query = head.target.decode("latin-1").partition("?")
    domain = headers.get("host", "localhost")
    route_key = aws_route_key(head.text(4))
    event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": raw_path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": function_name,
            "domainName": domain,
            "domainPrefix": domain.split(".", 1)[0].split(":", 1)[0],
            "http": {
                "method": head.method.decode("latin-1"),
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": head.text(2),
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": head.request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": clf_time(now_ms),
            "timeEpoch": now_ms,
        },
        "isBase64Encoded": False,
    }
    if cookies is not None:
        event["cookies"] = cookies
    query = parse_pairs(raw_query, True)
    if query is not None:
        event["queryStringParameters"] = query
    params = parse_pairs(aws_params(head.text(5)), False)
    if params is not None:
        event["pathParameters"] = params
    if body:
        is_text = is_text_body(headers.get("content-type"), headers.get("content-encoding"))
        event["isBase64Encoded"] = not is_text
        event["body"] = body.decode("utf-8", "replace") if is_text else b2a_base64(body, newline=False).decode()
    return event
