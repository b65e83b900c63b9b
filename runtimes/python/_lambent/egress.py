"""
The way out of the sandbox for code that connects as it always did. There is no network here but a loopback of the
instance's own; behind the Unix socket `LAMBENT_EGRESS` the platform connects to what the manifest allows. So a TCP
socket that connects to another host gets a tunnel from there in place of its own connection, under the same descriptor:
TLS, `asyncio` and every client in Python notice nothing.

Names are resolved by the platform. A name that code resolves by itself becomes a stand-in address, which `connect`
knows again.

It is a convenience, not a wall: code that goes around it (a client in C, a child process) has no network at all.
Deliberately absent: UDP, and waiting for a connection without blocking: an event loop stands still until it is there.
"""
import errno
import os

HEAD_BYTES_MAX = 16 * 1024
# Longer than the platform waits for the other side.
CONNECT_S_MAX = 20.0
# Stand-in addresses: the network that is set aside for tests between networks (RFC 2544).
STAND_INS_MAX = 65_536
SERVICES = {"http": 80, "https": 443}


def install(socket, path, asks_for_loopback):
    egress = Egress(socket, path, asks_for_loopback)
    real = socket.socket
    inner = real.__mro__[1]

    def connect(self, address):
        if not egress.leads_out(self, address):
            return inner.connect(self, address)
        return egress.connect(self, address, inner)

    def connect_ex(self, address):
        if not egress.leads_out(self, address):
            return inner.connect_ex(self, address)
        try:
            egress.connect(self, address, inner)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def is_tunnel(self):
        return self.family != socket.AF_UNIX and isinstance(inner.getsockname(self), (str, bytes))

    def setsockopt(self, level, *rest):
        # Options of TCP mean nothing to a tunnel; clients set them all the same.
        if level != socket.SOL_SOCKET and is_tunnel(self):
            return None
        return inner.setsockopt(self, level, *rest)

    def stand_in_name(name):
        def get(self):
            found = getattr(inner, name)(self)
            if self.family == socket.AF_UNIX or not isinstance(found, (str, bytes)):
                return found
            return ("127.0.0.1", 0) if self.family == socket.AF_INET else ("::1", 0, 0, 0)

        return get

    real.connect, real.connect_ex, real.setsockopt = connect, connect_ex, setsockopt
    real.getpeername, real.getsockname = stand_in_name("getpeername"), stand_in_name("getsockname")
    socket.getaddrinfo = egress.wrap_getaddrinfo(socket.getaddrinfo)
    socket.gethostbyname = egress.wrap_gethostbyname(socket.gethostbyname)


class Egress:
    def __init__(self, socket, path, asks_for_loopback):
        self._socket = socket
        self._path = path
        # Something on the machine's own loopback is allowed: then even `localhost` may be meant to lead out.
        self._asks_for_loopback = asks_for_loopback
        self._addresses = {}
        self._names = {}

    def leads_out(self, sock, address):
        socket = self._socket
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
            return False
        return not is_loopback(address[0]) or self._asks_for_loopback

    def connect(self, sock, address, inner):
        host, port = self._names.get(address[0], address[0]), address[1]
        timeout = sock.gettimeout()
        try:
            tunnel = self._open(host, port, timeout or CONNECT_S_MAX)
        except PermissionError:
            if is_loopback(host):
                # Nothing of the machine's loopback is allowed there: the function's own was meant.
                return inner.connect(sock, address)
            raise
        os.dup2(tunnel.fileno(), sock.fileno(), False)
        tunnel.close()
        # Whether a socket blocks belongs to the connection, not to the descriptor.
        sock.settimeout(timeout)
        return None

    def _open(self, host, port, timeout):
        socket = self._socket
        tunnel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            tunnel.settimeout(timeout)
            tunnel.connect(self._path)
            shown = f"[{host}]" if ":" in host else host
            tunnel.sendall(f"CONNECT {shown}:{port} HTTP/1.1\r\n\r\n".encode("ascii", "replace"))
            head = read_head(tunnel, socket.MSG_PEEK)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise self._refusal(head.decode("latin1"))
            return tunnel
        except BaseException:
            tunnel.close()
            raise

    def _refusal(self, head):
        reason = "the way out of the sandbox is closed"
        for line in head.split("\r\n"):
            if line.lower().startswith("x-lambent-egress: "):
                reason = line[18:]
        if head.startswith("HTTP/1.1 403"):
            return PermissionError(errno.EACCES, f"E_NETWORK_DENIED: {reason}")
        if head.startswith("HTTP/1.1 429"):
            return OSError(errno.EMFILE, reason)
        number = getattr(errno, reason, None)
        if number is not None:
            return OSError(number, os.strerror(number))
        socket = self._socket
        return socket.gaierror(socket.EAI_NONAME, reason)

    def _stand_in(self, host):
        host = host.lower()
        known = self._addresses.get(host)
        if known is not None:
            return known
        number = len(self._names) % STAND_INS_MAX
        address = f"198.18.{number >> 8}.{number & 255}"
        self._addresses.pop(self._names.get(address), None)
        self._names[address] = host
        self._addresses[host] = address
        return address

    def _is_name(self, host):
        socket = self._socket
        if not isinstance(host, str) or host == "" or host == "localhost":
            return False
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, host.split("%")[0])
                return False
            except OSError:
                pass
        return True

    def wrap_getaddrinfo(self, real):
        socket = self._socket

        def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002 - as in the original
            if isinstance(host, bytes):
                host = host.decode("idna")
            if not self._is_name(host):
                return real(host, port, family, type, proto, flags)
            number = SERVICES.get(port, port) if port is not None else 0
            if family not in (0, socket.AF_INET) or type not in (0, socket.SOCK_STREAM):
                raise socket.gaierror(socket.EAI_NONAME, "Only TCP over IPv4 leads out of the sandbox")
            address = (self._stand_in(host), int(number))
            return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]

        return getaddrinfo

    def wrap_gethostbyname(self, real):
        return lambda host: self._stand_in(host) if self._is_name(host) else real(host)


def is_loopback(host):
    return host in ("localhost", "::1") or str(host).startswith("127.")


def read_head(tunnel, peek):
    """Up to the empty line and not a byte more: what follows belongs to the one who asked."""
    head = b""
    while len(head) < HEAD_BYTES_MAX:
        seen = tunnel.recv(4096, peek)
        if not seen:
            break
        end = (head + seen).find(b"\r\n\r\n")
        head += tunnel.recv(len(seen) if end < 0 else end + 4 - len(head))
        if end >= 0:
            break
    return head
