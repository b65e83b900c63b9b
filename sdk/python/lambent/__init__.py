"""What a function in Python imports on Lambent: types of handlers, answers to HTTP, calls of other functions."""
from .calls import CallError, emit, emit_async, invoke, invoke_async
from .handlers import AsyncHandler, Caller, Handler, HttpEvent, HttpResponse, LambdaContext
from .http import body_of, html_response, json_of, json_response, redirect, text_response

__all__ = [
    "AsyncHandler",
    "CallError",
    "Caller",
    "Handler",
    "HttpEvent",
    "HttpResponse",
    "LambdaContext",
    "body_of",
    "emit",
    "emit_async",
    "html_response",
    "invoke",
    "invoke_async",
    "json_of",
    "json_response",
    "redirect",
    "text_response",
]
