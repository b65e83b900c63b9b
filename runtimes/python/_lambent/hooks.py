"""
What the runtime adds to modules of the standard library, at the moment when the author's code first imports them: so
that code which does not use them does not pay for them.
"""
import sys
from posix import environ
from _frozen_importlib_external import PathFinder

from .output import OutputStream, severity_of


class ImportHooks:
    """A finder that comes first, finds nothing by itself, and runs a function after a module was loaded."""

    def __init__(self, hooks):
        self._hooks = hooks

    def install(self):
        for name in list(self._hooks):
            if name in sys.modules:
                self._hooks.pop(name)(sys.modules[name])
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None):
        hook = self._hooks.pop(name, None)
        if hook is None:
            return None
        if not self._hooks:
            sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            hook(module)

        spec.loader.exec_module = exec_module
        return spec


def create_hooks(output):
    return ImportHooks(
        {
            "logging": lambda module: _hook_logging(module, output),
            "threading": _hook_threading,
            "concurrent.futures.thread": _hook_executor,
            **_network_hooks(),
        }
    )


def _network_hooks():
    """Where the platform has left a way out of the sandbox, connections take it."""
    path = environ.pop(b"LAMBENT_EGRESS", None)
    loopback = environ.pop(b"LAMBENT_EGRESS_LOOPBACK", None)
    if path is None:
        return {}

    def hook_socket(module):
        from .egress import install

        install(module, path.decode(), loopback == b"1")

    return {"socket": hook_socket}


def _hook_logging(logging, output):
    """
    Records keep their level, whichever handler writes them to the process's output. As at AWS the root logger has a
    handler from the start; `basicConfig` all the same does what it says.
    """
    emit = logging.StreamHandler.emit

    def emit_record(self, record):
        stream = self.stream
        if not isinstance(stream, OutputStream):
            emit(self, record)
            return
        try:
            output.line(self.format(record), stream.to_stderr, severity_of(record.levelno))
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    logging.StreamHandler.emit = emit_record
    root = logging.getLogger()
    first = logging.StreamHandler(sys.stderr)
    root.addHandler(first)
    basic_config = logging.basicConfig

    def configure(**settings):
        if root.handlers == [first]:
            root.removeHandler(first)
        basic_config(**settings)

    logging.basicConfig = configure


def _hook_threading(threading):
    """Threads work for the invocation that started them."""
    from _contextvars import copy_context

    start = threading.Thread.start

    def start_in_context(self):
        context, run = copy_context(), self.run
        self.run = lambda: context.run(run)
        start(self)

    threading.Thread.start = start_in_context


def _hook_executor(module):
    """A pool's threads outlive the invocation that started them: each piece of work brings its own context."""
    from _contextvars import copy_context

    submit = module.ThreadPoolExecutor.submit

    def submit_in_context(self, fn, /, *args, **kwargs):
        return submit(self, copy_context().run, fn, *args, **kwargs)

    module.ThreadPoolExecutor.submit = submit_in_context
