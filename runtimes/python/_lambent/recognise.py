"""
Finds out how a module wants to be called. The first that fits counts:

 0. a durable workflow, by `@lambent.workflow`: the one that the manifest names as `handler`, or the only one;
 1. what the manifest names as `handler`, by its shape;
 2. a callable `handler` or `lambda_handler`: `def handler(event, context)`, plain, `async` or a generator;
 3. `app`, `application` or `asgi`: an ASGI app (FastAPI, Starlette, Django's asgi) or a WSGI app (Flask, Django).

A callable is ASGI when it takes (scope, receive, send) and is `async`; it is WSGI when its second parameter is called
`start_response`, when it has a `wsgi_app` (Flask), or when it is called `app` or `application` and takes two.
"""
from .failure import RuntimeFailure

LAMBDA_NAMES = ("handler", "lambda_handler")
APP_NAMES = ("app", "application", "asgi")

_VARARGS = 0x04
_GENERATOR = 0x20
_COROUTINE = 0x80
_ASYNC_GENERATOR = 0x200
_NAMES_SHOWN_MAX = 20


class Found:
    """`kind`: workflow, lambda, asgi or wsgi. `style` of a lambda: plain, async, generator or async_generator."""

    def __init__(self, kind, target, style="plain"):
        self.kind = kind
        self.target = target
        self.style = style


def recognise(module, handler_name):
    workflow = _workflow_of(module, handler_name)
    if workflow is not None:
        return Found("workflow", workflow)
    if handler_name is not None:
        value = getattr(module, handler_name, None)
        if callable(value):
            return _by_shape(handler_name, value)
        what = f"nothing named {handler_name}" if value is None else f"a {handler_name} that cannot be called"
        raise _missing(f"the module has {what}; {_names_text(module)}. Correct `handler` in the manifest, or define it.")
    for name in LAMBDA_NAMES + APP_NAMES:
        value = getattr(module, name, None)
        if callable(value) and not isinstance(value, type):
            return _by_shape(name, value)
    raise _missing(
        f"there is nothing to call: {_names_text(module)}. "
        "Define `def handler(event, context)`, or an ASGI or WSGI app called `app`."
    )


def _workflow_of(module, handler_name):
    # Defined here, not imported to be started as a child.
    own = {
        name: value
        for name, value in vars(module).items()
        if getattr(type(value), "is_lambent_workflow", False)
        and (name == handler_name or (handler_name is None and value.handler.__module__ == module.__name__))
    }
    if len(set(own.values())) > 1:
        raise _missing(
            f"the module defines the workflows {', '.join(own)}: name one of them as `handler` in the manifest, "
            "or give each a file of its own."
        )
    return next(iter(own.values()), None)


def _missing(message):
    return RuntimeFailure("E_HANDLER_MISSING", "HandlerMissing", message)


def _names_text(module):
    names = [name for name in vars(module) if not name.startswith("_")]
    return f"the module defines {', '.join(names[:_NAMES_SHOWN_MAX])}" if names else "the module defines nothing"


def _by_shape(name, value):
    code, count = _code_of(value)
    flags = 0 if code is None else code.co_flags
    if code is not None and flags & _COROUTINE and (count >= 3 or (flags & _VARARGS and name in APP_NAMES)):
        return Found("asgi", value)
    if hasattr(value, "wsgi_app") or (code is not None and "start_response" in _parameters(code)):
        return Found("wsgi", value)
    if name in APP_NAMES:
        # An app behind a decorator or written in C shows no parameters: ASGI apps are asynchronous, WSGI apps are not.
        return Found("asgi" if count == 3 or flags & _COROUTINE else "wsgi", value)
    if flags & _COROUTINE:
        return Found("lambda", value, "async")
    if flags & _ASYNC_GENERATOR:
        return Found("lambda", value, "async_generator")
    if flags & _GENERATOR:
        return Found("lambda", value, "generator")
    return Found("lambda", value)


def _code_of(value):
    """The code that a call runs, and how many arguments a caller gives; (None, 0) when it does not show."""
    bound = 0
    for _ in range(8):
        inner = getattr(value, "__wrapped__", None) or getattr(value, "func", None)
        if hasattr(value, "__code__"):
            break
        if hasattr(value, "__func__"):
            value, bound = value.__func__, bound + 1
        elif inner is not None and callable(inner):
            value = inner
        elif hasattr(type(value), "__call__") and not isinstance(value, type):
            call = type(value).__call__
            if not hasattr(call, "__code__"):
                return None, 0
            value, bound = call, bound + 1
        else:
            return None, 0
    code = getattr(value, "__code__", None)
    return (None, 0) if code is None else (code, code.co_argcount - bound)


def _parameters(code):
    return code.co_varnames[: code.co_argcount]
