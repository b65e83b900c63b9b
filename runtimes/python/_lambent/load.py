"""From BOOT to a handler and the engine that runs it."""
import sys
from importlib import import_module
from os import chdir, environ, listdir, path

from . import failure
from .failure import RuntimeFailure


# Entries that have a folder of their own.
FOLDER_ENTRIES = ("index.py", "main.py", "app.py")


def load_module(boot):
    """Imports the author's code, with the app's folder, its packages and the folder of the entry on the path."""
    code_dir = path.realpath(boot["codeDir"])
    packages_dir = boot.get("packagesDir") or ""
    failure.set_folders(code_dir, packages_dir)
    environ.update(boot["env"])
    if "TZ" in boot["env"]:
        from time import tzset

        tzset()
    chdir(code_dir)
    entry = boot["entry"]
    folder, _, name = entry.rpartition("/")
    roots = [code_dir]
    if packages_dir:
        roots.append(packages_dir)
    if folder and name in FOLDER_ENTRIES:
        roots.insert(0, path.join(code_dir, folder))
        sys.path[:0] = roots
    else:
        # Functions beside each other may be called as the standard library's modules are: these win.
        sys.path[:0] = roots
        sys.path.append(path.join(code_dir, folder))
    # Programs that the code starts with `sys.executable` find the same modules.
    environ.setdefault("PYTHONPATH", ":".join(roots))
    sys.argv = [path.join(code_dir, entry)]
    if packages_dir:
        _follow_path_files(packages_dir)
    module_name = entry[: -len(".py")].replace("/", ".")
    try:
        return import_module(module_name)
    except SystemExit as thrown:
        raise RuntimeFailure(
            "E_BOOT_FAILED", "SystemExit", f"the module called sys.exit({thrown.code!r}) while it was loaded"
        ) from None


def _follow_path_files(packages_dir):
    """Some packages put folders or hooks on the path by `.pth` files, as `site` does for installed ones."""
    if any(name.endswith(".pth") for name in listdir(packages_dir)):
        from site import addsitedir

        addsitedir(packages_dir)


def create_engine(runtime, found, boot):
    """The handler in the one shape in which it is called, and what calls it."""
    if found.kind == "workflow":
        from .async_engine import AsyncEngine
        from .workflow.workflow_handler import WorkflowHandler

        return WorkflowHandler(found, runtime), AsyncEngine(runtime)
    if found.kind == "asgi" or found.style in ("async", "async_generator"):
        from .async_engine import AsyncEngine

        engine = AsyncEngine(runtime)
        if found.kind == "asgi":
            from .asgi import AsgiHandler

            handler = AsgiHandler(found.target, engine.loop)
            engine.run(handler.start())
            return handler, engine
    elif boot.get("concurrency", 1) > 1:
        from .thread_engine import ThreadEngine

        engine = ThreadEngine(runtime)
    else:
        from .sync_engine import InlineEngine

        engine = InlineEngine(runtime)
    if found.kind == "wsgi":
        from .wsgi import WsgiHandler

        return WsgiHandler(found.target, boot), engine
    from .lambda_handler import LambdaHandler

    return LambdaHandler(found, boot), engine
