"""Errors of the author's code: as what FAILED and BOOT_FAILED say, and as text for the log."""

STACK_LINES_MAX = 50
MESSAGE_CHARS_MAX = 16 * 1024
LOG_CHARS_MAX = 48 * 1024

_RUNTIME_DIR = __file__.rpartition("/")[0] + "/"
# Frames of the import machinery stand between the author's `import` and the module that failed.
_MACHINERY = "<frozen importlib"
_code_dir = ""
_packages_dir = ""
# The package `lambent` lies with the code.
_sdk_dir = ""


def set_folders(code_dir, packages_dir):
    """Tells where the author's code and the installed packages lie: stacks name files relative to them."""
    global _code_dir, _packages_dir, _sdk_dir
    _code_dir = code_dir.rstrip("/") + "/"
    _sdk_dir = _code_dir + "lambent/"
    _packages_dir = packages_dir.rstrip("/") + "/" if packages_dir else ""


class RuntimeFailure(Exception):
    """An error in the terms of the platform: it carries its own code."""

    def __init__(self, code, error_type, message):
        super().__init__(message)
        self.code = code
        self.error_type = error_type


def invalid(message):
    return RuntimeFailure("E_FUNCTION_RESPONSE_INVALID", "InvalidResponse", message)


def describe_failure(thrown, code):
    """The JSON of a FailureMessage, as bytes."""
    from json import dumps

    record = failure_record(thrown, code)
    if not is_retryable(thrown):
        record["retryable"] = False
    return dumps(record).encode()


def failure_record(thrown, code):
    """What a FailureMessage says of an error."""
    if isinstance(thrown, RuntimeFailure):
        kind, message, stack, code = thrown.error_type, str(thrown), [], thrown.code
    else:
        kind, message, stack = type(thrown).__name__, _message_of(thrown), stack_lines(thrown)
    return {
        "code": code,
        "errorType": kind,
        "errorMessage": _shorten(message)[:MESSAGE_CHARS_MAX],
        "stackTrace": stack,
    }


def is_retryable(thrown):
    """Whether another attempt makes sense: unless the error says that it does not, as `FatalError` does."""
    try:
        return getattr(thrown, "retryable", True) is not False
    except Exception:
        return True


def _message_of(thrown):
    try:
        if isinstance(thrown, SystemExit):
            return f"the function called sys.exit({'' if thrown.code is None else repr(thrown.code)})"
        if isinstance(thrown, SyntaxError) and thrown.filename:
            return f"{thrown.msg} ({thrown.filename}, line {thrown.lineno})"
        return str(thrown)
    except Exception:
        return "the error has a message that cannot be read"


def _frames_of(thrown):
    """(file, line, function) of each frame that is not the runtime's, the innermost first."""
    found = []
    traceback = getattr(thrown, "__traceback__", None)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        file = code.co_filename
        if not file.startswith(_RUNTIME_DIR) and not file.startswith(_MACHINERY):
            found.append((file, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    found.reverse()
    return found


def stack_lines(thrown):
    """`functions/a.py:3 in handler: total = 1 / 0`; the author's own lines first, each innermost first."""
    own, others = [], []
    if isinstance(thrown, SyntaxError) and thrown.filename:
        text = (thrown.text or "").strip()
        own.append(_line(thrown.filename, thrown.lineno, "<module>", text))
    for file, line, function in _frames_of(thrown):
        (own if _is_own(file) else others).append(_line(file, line, function, _source_line(file, line)))
    return (own + others)[:STACK_LINES_MAX]


def _line(file, line, function, text):
    place = f"{_shorten(file)}:{line} in {function}"
    return f"{place}: {text}" if text else place


def _is_own(file):
    return file.startswith(_code_dir) and not file.startswith(_sdk_dir)


def own_place(file, line):
    """`functions/a.py:3` for a line of the author's; None for any other."""
    return f"{file[len(_code_dir):]}:{line}" if _is_own(file) else None


def _source_line(file, line):
    from linecache import getline

    return getline(file, line).strip()


def _shorten(text):
    if _packages_dir:
        text = text.replace(_packages_dir, "packages/")
    return text.replace(_code_dir, "") if len(_code_dir) > 1 else text


def failure_text(thrown):
    """The text of an error for the log: the traceback as Python prints it, without frames of the runtime."""
    if isinstance(thrown, RuntimeFailure):
        return f"{thrown.error_type}: {thrown}"
    from traceback import TracebackException

    try:
        told = TracebackException(type(thrown), thrown, thrown.__traceback__, limit=-100)
        _drop_runtime_frames(told)
        text = "".join(told.format()).rstrip()
    except Exception:
        text = f"{type(thrown).__name__}: {_message_of(thrown)}"
    return _shorten(text)[:LOG_CHARS_MAX]


def _drop_runtime_frames(told):
    seen = set()
    waiting = [told]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if each.stack is not None:
            each.stack[:] = [
                frame
                for frame in each.stack
                if not frame.filename.startswith(_RUNTIME_DIR) and not frame.filename.startswith(_MACHINERY)
            ]
        waiting += [each.__cause__, each.__context__, *(getattr(each, "exceptions", None) or [])]


