"""
Run at build by the interpreter that the function will run on: finds the files of the app that a function needs, reports
what is wrong with them, and compiles them. Reads its job as JSON from standard input, writes its findings as JSON.

A file belongs to the function when an import leads to it, when a text in the code names it as a dotted module (as
Django's settings do), when it is in the same package, or, for an entry with a folder of its own, in that folder. Data
files come along where they are in such a package or folder; all others are for `include` in the manifest.
"""
import ast
import json
import os
import py_compile
import re
import sys
import warnings
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

SKIPPED = {"node_modules", "__pycache__", "venv"}
# Beside an entry in the app's own folder, what Flask and Django look for there.
DATA_FOLDERS = ("templates", "static")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\Z")
FILES_MAX = 20_000


class Collector:
    def __init__(self, job):
        self.folder = job["folder"]
        self.entry = job["entry"]
        entry_dir = os.path.dirname(self.entry)
        # Where modules are looked for, relative to the app: as on the instance's path.
        self.roots = [entry_dir, ""] if entry_dir else [""]
        self.files = {}
        self.waiting = []
        self.faults = []
        self.imports = {}

    def run(self):
        self.need(self.entry)
        entry_dir = os.path.dirname(self.entry)
        if os.path.basename(self.entry) in ("index.py", "main.py", "app.py") and entry_dir:
            self.add_tree(entry_dir)
        elif not entry_dir:
            for name in DATA_FOLDERS:
                self.add_tree(name)
        while self.waiting:
            path = self.waiting.pop()
            self.read(path)

    def absolute(self, path):
        return os.path.join(self.folder, path)

    def need(self, path):
        """A module that must parse."""
        if self.files.get(path) != "needed":
            self.files[path] = "needed"
            self.waiting.append(path)
            self.add_package(os.path.dirname(path))

    def add_package(self, folder):
        """All of the package that a module is in, from its top on."""
        top = None
        while folder and os.path.isfile(self.absolute(os.path.join(folder, "__init__.py"))):
            top = folder
            folder = os.path.dirname(folder)
        if top is not None:
            self.add_tree(top)

    def add_tree(self, folder):
        root = self.absolute(folder)
        for path, folders, names in os.walk(root):
            folders[:] = sorted(
                name
                for name in folders
                if name not in SKIPPED
                and not name.startswith(".")
                and not os.path.exists(os.path.join(path, name, "pyvenv.cfg"))
            )
            for name in sorted(names):
                relative = os.path.relpath(os.path.join(path, name), self.folder)
                if name.startswith(".") or name.endswith((".pyc", ".pyo")) or relative in self.files:
                    continue
                if len(self.files) >= FILES_MAX:
                    return
                self.files[relative] = "part"
                if name.endswith(".py"):
                    self.waiting.append(relative)

    def read(self, path):
        is_needed = self.files[path] == "needed"
        try:
            with open(self.absolute(path), "rb") as file:
                source = file.read()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(source, path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if is_needed:
                self.faults.append(fault_of(path, error))
            return
        top_level = set(tree.body)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.on_import(path, node, alias.name, node in top_level)
            elif isinstance(node, ast.ImportFrom):
                self.on_import_from(path, node, node in top_level)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if len(text) < 200 and DOTTED.match(text):
                    self.follow(text, self.roots, only_packages="." not in text)

    def on_import(self, path, node, name, must_exist):
        if not self.follow(name, self.roots) and must_exist:
            self.imports.setdefault(name.partition(".")[0], (path, node.lineno, node.col_offset))

    def on_import_from(self, path, node, must_exist):
        module = node.module or ""
        if node.level > 0:
            base = os.path.dirname(path)
            for _ in range(node.level - 1):
                base = os.path.dirname(base)
            self.follow_names(module, node.names, [base])
        elif not self.follow_names(module, node.names, self.roots) and must_exist:
            self.imports.setdefault(module.partition(".")[0], (path, node.lineno, node.col_offset))

    def follow_names(self, module, names, roots):
        found = self.follow(module, roots) if module else True
        if found:
            for alias in names:
                if alias.name != "*":
                    self.follow(f"{module}.{alias.name}" if module else alias.name, roots)
        return found

    def follow(self, name, roots, only_packages=False):
        """Takes in the module of a dotted name, as far as it is the app's own. False: it is not."""
        parts = name.split(".")
        for root in roots:
            base = os.path.join(root, parts[0])
            is_package = os.path.isfile(self.absolute(os.path.join(base, "__init__.py")))
            is_module = os.path.isfile(self.absolute(base + ".py"))
            if only_packages and not is_package:
                continue
            if not is_package and not is_module and not os.path.isdir(self.absolute(base)):
                continue
            if self.follow_parts(root, parts):
                return True
        return False

    def follow_parts(self, root, parts):
        base = root
        found = False
        for part in parts:
            base = os.path.join(base, part)
            package = os.path.join(base, "__init__.py")
            if os.path.isfile(self.absolute(package)):
                self.need(package)
                found = True
            elif os.path.isfile(self.absolute(base + ".py")):
                self.need(base + ".py")
                return True
            elif not os.path.isdir(self.absolute(base)):
                return found
        # A folder without `__init__.py` is a package too, of which only what is named is taken.
        return True

    def check_imports(self, packages_dir, provided):
        """Imports at the top of modules that lead nowhere."""
        path = [*([packages_dir] if packages_dir else []), *sys.path]
        for name, (file, line, column) in sorted(self.imports.items()):
            if name in provided or name == "" or name == "__future__":
                continue
            try:
                found = (
                    BuiltinImporter.find_spec(name) or FrozenImporter.find_spec(name) or PathFinder.find_spec(name, path)
                )
            except (ImportError, ValueError):
                found = None
            if found is None:
                self.faults.append({"kind": "module", "file": file, "line": line, "column": column + 1, "name": name})


def fault_of(path, error):
    line = getattr(error, "lineno", None) or 1
    column = getattr(error, "offset", None) or 1
    text = getattr(error, "text", None)
    message = getattr(error, "msg", None) or str(error)
    return {"kind": "syntax", "file": path, "line": line, "column": column, "text": text, "message": message}


def compile_all(job, paths):
    for path in paths:
        if not path.endswith(".py"):
            continue
        target = os.path.join(job["outDir"], path)
        folder, name = os.path.split(target)
        cache = os.path.join(folder, "__pycache__", f"{name[:-3]}.{sys.implementation.cache_tag}.pyc")
        try:
            py_compile.compile(
                os.path.join(job["folder"], path),
                cfile=cache,
                dfile=path,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, OSError, ValueError, RecursionError):
            # Only what nothing imports gets here: it fails when somebody does.
            continue


def main():
    job = json.load(sys.stdin)
    collector = Collector(job)
    collector.run()
    collector.check_imports(job["packagesDir"], set(job["provided"]))
    files = sorted(collector.files)
    if not collector.faults:
        compile_all(job, files)
    uses = sorted(name for name in collector.imports if name in job["provided"])
    json.dump({"files": files, "faults": collector.faults, "uses": uses}, sys.stdout)


main()
