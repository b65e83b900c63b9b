"""
Run at build by the interpreter that the function will run on: turns what the app says of its packages into one list of
requirements that pip can install without running anybody's code. Reads its job as JSON from standard input, writes its
answer as JSON.

It reads `requirements.txt`, `pylock.toml` (PEP 751), `uv.lock`, and the dependencies in `pyproject.toml`. Lock files are
read here, not by the tools that wrote them: nobody needs uv to deploy.
"""
import json
import os
import re
import sys

FILE_BYTES_MAX = 16 * 1024 * 1024
FILES_MAX = 32
PACKAGES_MAX = 5_000
# Settings of a requirements file that say where packages come from. Others could make pip run what it downloads.
OPTIONS = re.compile(
    r"(?:-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)[ =]\s*[^\s-]\S*|"
    r"--no-index|--pre|--require-hashes|--prefer-binary"
)
INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)[ =]?\s*(\S+)\s*$")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")
HASH = re.compile(r"[a-z0-9]+:[0-9a-f]+")
# The only setting that a requirement may have on its own line.
HASHES = re.compile(r"(?:\s+--hash[=:]\S+)*\s*\Z")


class Refused(Exception):
    """What the person reads: the file, the line, what is wrong, what to do."""


def read_text(folder, path):
    absolute = os.path.realpath(os.path.join(folder, path))
    if os.path.commonpath([absolute, os.path.realpath(folder)]) != os.path.realpath(folder):
        raise Refused(f"{path} lies outside of the app")
    if not os.path.isfile(absolute):
        raise Refused(f"{path} does not exist")
    if os.path.getsize(absolute) > FILE_BYTES_MAX:
        raise Refused(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    with open(absolute, encoding="utf-8-sig") as file:
        return file.read()


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


class Plan:
    def __init__(self, job):
        self.folder = job["folder"]
        self.allowed = {normal(name) for name in job["allowScripts"]}
        self.lines = []
        self.wheels = []
        self.locked = False
        self.files = set()

    def read(self, source):
        if source.endswith("requirements.txt"):
            self.requirements(source)
            return
        data = parse_toml(read_text(self.folder, source), source)
        if source.endswith("pylock.toml"):
            self.pylock(data, source)
        elif source.endswith("uv.lock"):
            self.uv_lock(data, source)
        else:
            for line in data.get("project", {}).get("dependencies", []):
                self.requirement(line, source, None)

    def requirements(self, source):
        if source in self.files:
            return
        if len(self.files) >= FILES_MAX:
            raise Refused(f"{source}: more than {FILES_MAX} files of requirements")
        self.files.add(source)
        text = read_text(self.folder, source).replace("\\\r\n", " ").replace("\\\n", " ")
        for number, raw in enumerate(text.splitlines(), 1):
            line = re.sub(r"(^|\s+)#.*$", "", raw).strip()
            if not line:
                continue
            include = INCLUDE.match(line)
            if include:
                path = os.path.normpath(os.path.join(os.path.dirname(source), include[1]))
                self.constraint_or_file(line, path)
            elif line.startswith("-"):
                if not OPTIONS.fullmatch(line):
                    raise Refused(f"{source}:{number}: `{line}` is not supported")
                self.lines.append(line)
            else:
                self.requirement(line, source, number)

    def constraint_or_file(self, line, path):
        if not line.startswith(("-c", "--constraint")):
            self.requirements(path)
            return
        for number, raw in enumerate(read_text(self.folder, path).splitlines(), 1):
            text = re.sub(r"(^|\s+)#.*$", "", raw).strip()
            if text and (not NAME.match(text) or "://" in text or " -" in text):
                raise Refused(f"{path}:{number}: `{text}` is no constraint such as `name<2`")
        self.lines.append(f"-c {os.path.realpath(os.path.join(self.folder, path))}")
        self.wheels.append(path)

    def requirement(self, line, source, number):
        place = source if number is None else f"{source}:{number}"
        _, dashes, settings = line.partition(" --")
        if not line.isprintable() or not HASHES.match(" --" + settings if dashes else ""):
            raise Refused(f"{place}: `{line}` is not supported: a requirement may have a version, a marker and hashes")
        name = NAME.match(line)
        target = line.partition(" @ ")[2].strip() or line
        url = re.split(r"[\s#?;]", target, maxsplit=1)[0]
        is_place = " @ " in line or "://" in url or url.startswith((".", "/")) or url.endswith((".whl", ".tar.gz", ".zip"))
        if is_place and not url.endswith(".whl"):
            if " @ " not in line or name is None or normal(name[0]) not in self.allowed:
                raise Refused(
                    f"{place}: `{line}` is no wheel, so that building it would run its author's code; "
                    f"use a released version, or name it in `allowScripts` of the manifest as `name @ {url}`"
                )
        elif is_place and "://" not in url:
            path = os.path.normpath(os.path.join(os.path.dirname(source), url))
            absolute = os.path.realpath(os.path.join(self.folder, path))
            if os.path.commonpath([absolute, os.path.realpath(self.folder)]) != os.path.realpath(self.folder):
                raise Refused(f"{place}: `{url}` lies outside of the app")
            if not os.path.isfile(absolute):
                raise Refused(f"{place}: `{url}` does not exist")
            self.wheels.append(path)
            line = line.replace(url, absolute)
        elif name is None:
            raise Refused(f"{place}: `{line}` is no requirement")
        self.lines.append(line)

    def pylock(self, data, source):
        self.locked = True
        for package in data.get("packages", [])[:PACKAGES_MAX]:
            if "version" not in package:
                raise Refused(f"{source}: `{package.get('name')}` has no version: only released packages are installed")
            if not holds(package.get("marker"), source):
                continue
            hashes = [
                f"{kind}:{value}"
                for file in [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
                for kind, value in file.get("hashes", {}).items()
            ]
            self.pin(package["name"], package["version"], hashes)

    def uv_lock(self, data, source):
        """What the project itself needs, and what that needs: without its groups for development."""
        self.locked = True
        packages = {}
        for package in data.get("package", [])[:PACKAGES_MAX]:
            packages.setdefault(package["name"], []).append(package)
        roots = [
            package
            for found in packages.values()
            for package in found
            if "virtual" in package.get("source", {}) or package.get("source", {}).get("editable") == "."
        ]
        if not roots:
            raise Refused(f"{source}: it holds no project")
        needed = set()
        waiting = [dependency for root in roots for dependency in root.get("dependencies", [])]
        while waiting:
            dependency = waiting.pop()
            if not holds(dependency.get("marker"), source):
                continue
            for package in packages.get(dependency["name"], []):
                if "version" in dependency and package.get("version") != dependency["version"]:
                    continue
                extras = dependency.get("extra", [])
                key = (package["name"], package.get("version"), *sorted(extras))
                if key in needed:
                    continue
                needed.add(key)
                waiting += package.get("dependencies", [])
                waiting += [each for extra in extras for each in package.get("optional-dependencies", {}).get(extra, [])]
        for name, version in sorted({key[:2] for key in needed}):
            package = next(each for each in packages[name] if each.get("version") == version)
            if "registry" not in package.get("source", {}):
                raise Refused(f"{source}: `{name}` does not come from a registry: only released packages are installed")
            files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
            self.pin(name, version, [file["hash"] for file in files if "hash" in file])

    def pin(self, name, version, hashes):
        if not NAME.fullmatch(name) or not VERSION.fullmatch(version) or not all(map(HASH.fullmatch, hashes)):
            raise Refused(f"the lock file names `{name}` {version}, which cannot be read")
        self.lines.append(f"{name}=={version}" + "".join(f" --hash={each}" for each in hashes))


def holds(marker, source):
    """Whether a marker such as `sys_platform == 'win32'` is true of this interpreter."""
    if not marker:
        return True
    see_pip()
    from pip._vendor.packaging.markers import InvalidMarker, Marker

    try:
        return Marker(marker).evaluate({"extra": ""})
    except InvalidMarker as error:
        raise Refused(f"{source}: {error}") from None


def see_pip():
    """pip brings readers of markers and, for Pythons before 3.11, of TOML."""
    if "pip" not in sys.modules:
        import site

        sys.path += site.getsitepackages()


def parse_toml(text, source):
    try:
        import tomllib
    except ImportError:
        see_pip()
        from pip._vendor import tomli as tomllib
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise Refused(f"{source}: {error}") from None


def main():
    job = json.load(sys.stdin)
    source = job["source"]
    plan = Plan(job)
    answer = {}
    try:
        plan.read(source)
    except Refused as refused:
        answer["refused"] = str(refused)
    except UnicodeDecodeError:
        answer["refused"] = f"{source} is not UTF-8 text"
    except (KeyError, TypeError, AttributeError) as error:
        answer["refused"] = f"{source} is damaged: {type(error).__name__} {error}"
    answer.update(lines=plan.lines, files=plan.wheels, locked=plan.locked)
    json.dump(answer, sys.stdout)


main()
