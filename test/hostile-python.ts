/** What test/isolation-languages.test.ts runs: a function that attacks, as test/hostile-sandbox.ts has it for Node.js. */

export const PYTHON = `
import os


def read(path):
    with open(path) as file:
        return file.read()


def write(path):
    with open(path, "w") as file:
        file.write("written")


def urllib(url):
    from urllib.request import urlopen

    with urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def aio(url):
    import asyncio
    from urllib.parse import urlsplit

    parts = urlsplit(url)

    async def get():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return (await reader.read()).decode().split("\\r\\n\\r\\n")[1]

    return asyncio.run(get())


def call(arguments):
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(*(ctypes.c_long(each) for each in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def calls(many):
    def outcome(arguments):
        try:
            return call(arguments)
        except OSError as error:
            return -error.errno

    return [outcome(each) for each in many]


def kill(pid):
    os.kill(pid, 0)
    return "there"


def environ(_):
    return [entry for entry in read("/proc/1/environ").split("\\0") if "=" in entry and not entry.startswith("PWD=")]


def processes(_):
    return len([name for name in os.listdir("/proc") if name.isdigit()])


def link(path):
    os.symlink(path, "/tmp/link")
    try:
        return read("/tmp/link")
    finally:
        os.unlink("/tmp/link")


def become(uid):
    os.setuid(uid)
    return "became"


def kill_all(_):
    os.kill(-1, 9)
    return "killed"


def open_files(most):
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except ValueError as error:
        raise PermissionError(str(error))
    return "raised"


def leave(_):
    write("/tmp/secret")
    return "left"


def leave_process(marker):
    """Leaves a process that is no child of anybody it could be found by, in a session of its own."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sh", ["/bin/sh", "-c", "trap : TERM HUP; while :; do read x < /dev/zero; done # " + marker])
        os._exit(0)
    return "left"


def end(_):
    os._exit(7)


def abstract(name):
    import socket

    socket.socket(socket.AF_UNIX).connect("\\0" + name)
    return "connected"


def udp(address):
    import socket

    host, port = address.split(":")
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"secret", (host, int(port)))
    return "sent"


def descriptors(_):
    kept = []
    try:
        while True:
            kept.append(open("/dev/null"))
    finally:
        for file in kept:
            file.close()


def fill(path):
    with open(path, "wb") as file:
        while True:
            file.write(bytes(1 << 20))
            file.flush()


def tasks(_):
    import signal

    while True:
        try:
            if os.fork() == 0:
                signal.pause()
        except OSError:
            signal.pause()


def pass_on(_):
    """Gives open files to whoever reads the channel: a read takes the frame, and must drop them."""
    import array
    import socket
    import struct

    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
    line = struct.pack("<BBd", 0, 2, 0.0) + b"with files"
    frame = struct.pack("<IIBBH", len(line), 0, 0x47, 0, 0) + line
    channel = socket.socket(fileno=os.dup(3))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
    for _ in range(5):
        channel.sendmsg([frame], rights)
    return "sent"


def list_names(path):
    return os.listdir(path)


def flood(_):
    for text in (b"x" * (1 << 20), b"line\\n" * (1 << 18)):
        for _ in range(8):
            os.write(1, text)
    return "flooded"


def abort(_):
    os.abort()


def device(path):
    import stat

    os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    return read(path)


def give(path):
    write(path)
    os.chown(path, 0, 0)
    return "given"


def priority(_):
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    return "raised"


def memfd(_):
    file = os.memfd_create("x")
    while True:
        os.write(file, bytes(1 << 20))


def inodes(_):
    at = 0
    while True:
        open(f"/tmp/f{at}", "w").close()
        at += 1


def breach(bytes_as_hex):
    from time import sleep

    os.write(3, bytes.fromhex(bytes_as_hex))
    sleep(30)


def spin_later(_):
    """Once the answer has left, and the main thread waits for the next call, nobody else gets Python's lock."""
    import re
    import sys
    from threading import Thread, main_thread
    from time import sleep

    def spin(main=main_thread().ident):
        while sys._current_frames()[main].f_code.co_name != "receive":
            sleep(0.001)
        re.match("(a*)*b", "a" * 64)

    Thread(target=spin, daemon=True).start()
    return "replied"


def bomb(_):
    kept = []
    while True:
        kept.append(bytearray(8 << 20))


def handler(event, context):
    try:
        return {"got": globals()[event["attack"]](event["with"])}
    except OSError as error:
        return {"denied": f"{type(error).__name__} {error}"}
`;

/** Answers without end, a piece at a time. */
export const PYTHON_ENDLESS = `
from itertools import repeat


def app(_environ, start_response):
    start_response("200 OK", [])
    return repeat(b"x" * 65_536)
`;
