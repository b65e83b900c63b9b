"""Reading requests and making answers."""
from base64 import b64decode, b64encode
from json import dumps, loads
from typing import Any, Mapping, Optional, Sequence, Union

from .handlers import HttpEvent, HttpResponse

_Headers = Optional[Mapping[str, str]]


def body_of(event: HttpEvent) -> bytes:
    """The body of a request as bytes; empty when there is none."""
    body = event.get("body") or ""
    return b64decode(body) if event.get("isBase64Encoded") else body.encode()


def json_of(event: HttpEvent) -> Any:
    """The body of a request, read as JSON. Raises ValueError when it is none."""
    return loads(body_of(event))


def json_response(
    value: Any, status: int = 200, headers: _Headers = None, cookies: Sequence[str] = ()
) -> HttpResponse:
    """An answer whose body is a value as JSON. Raises TypeError for what JSON cannot hold."""
    return _response(dumps(value, ensure_ascii=False), "application/json", status, headers, cookies)


def text_response(
    text: Union[str, bytes], status: int = 200, headers: _Headers = None, cookies: Sequence[str] = ()
) -> HttpResponse:
    """An answer of plain text, or of bytes when `headers` names another `content-type`."""
    return _response(text, "text/plain; charset=utf-8", status, headers, cookies)


def html_response(text: str, status: int = 200, headers: _Headers = None, cookies: Sequence[str] = ()) -> HttpResponse:
    """An answer of HTML."""
    return _response(text, "text/html; charset=utf-8", status, headers, cookies)


def redirect(location: str, status: int = 302) -> HttpResponse:
    """Sends the caller elsewhere."""
    return {"statusCode": status, "headers": {"location": location}, "body": ""}


def _response(
    body: Union[str, bytes], content_type: str, status: int, headers: _Headers, cookies: Sequence[str]
) -> HttpResponse:
    given = {name.lower(): value for name, value in (headers or {}).items()}
    response: HttpResponse = {"statusCode": status, "headers": {"content-type": content_type, **given}}
    if cookies:
        response["cookies"] = list(cookies)
    if isinstance(body, bytes):
        response["body"] = b64encode(body).decode()
        response["isBase64Encoded"] = True
    else:
        response["body"] = body
    return response
