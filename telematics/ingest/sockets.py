"""Sockets and certificates for the ports. What the system refuses becomes one sentence for the operator."""

from __future__ import annotations

import contextlib
import errno
import resource
import socket
import ssl
from pathlib import Path

from telematics.config import ListenerSettings
from telematics.ingest.errors import CannotListen, PortTaken, TlsUnusable

BACKLOG = 4096  # connections the kernel keeps for us: all trackers of a town come back at once when a mobile network does
UDP_BUFFER_BYTES = 4 * 2**20  # datagrams the kernel keeps while the loop is busy; as much of it as it allows
TRIES = 16  # to find a port that is free for TCP and UDP at once, when any will do


class Ports:
    """The bound sockets of one protocol, all on one port number."""

    def __init__(self, tcp: list[socket.socket], udp: list[socket.socket]) -> None:
        self.tcp, self.udp = tcp, udp

    @property
    def number(self) -> int:
        bound = (self.tcp + self.udp)[0]
        return int(bound.getsockname()[1])

    def close(self) -> None:
        for bound in self.tcp + self.udp:
            bound.close()


def open_ports(protocol: str, host: str, port: int, tcp: bool, udp: bool) -> Ports:
    """Port 0 is any free one. Raises PortTaken and CannotListen."""
    for attempt in range(TRIES if port == 0 else 1):
        ports = Ports([], [])
        try:
            for address in addresses(protocol, host, port):
                if tcp:
                    ports.tcp.append(_bind(address, ports.number if ports.tcp else port, socket.SOCK_STREAM))
                if udp:
                    ports.udp.append(_bind(address, ports.number if ports.tcp or ports.udp else port, socket.SOCK_DGRAM))
            return ports
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            number = ports.number if ports.tcp or ports.udp else port
            ports.close()
            if taken and port == 0 and attempt < TRIES - 1:
                continue
            if taken:
                raise PortTaken(protocol, number) from error
            raise CannotListen(protocol, host, port, error.strerror or str(error)) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def addresses(protocol: str, host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """What to bind to; an empty host is every address, by one IPv6 socket that takes IPv4 too where the machine has that."""
    if not host:
        return [(socket.AF_INET6, "::")] if _dual_stack() else [(socket.AF_INET, "0.0.0.0")]  # noqa: S104 - what an empty host asks for
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CannotListen(protocol, host, port, error.strerror or str(error)) from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _dual_stack() -> bool:
    """Whether IPv6 is there and switched on."""
    if not socket.has_dualstack_ipv6():
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind(("::", 0))
    except OSError:
        return False
    return True


def _bind(address: tuple[socket.AddressFamily, str], port: int, kind: socket.SocketKind) -> socket.socket:
    family, host = address
    bound = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # start again at once after a stop
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER_BYTES)
        bound.bind((host, port))
        if kind == socket.SOCK_STREAM:
            bound.listen(BACKLOG)  # here already, as a port can still turn out to be taken
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def tls_context(protocol: str, settings: ListenerSettings) -> ssl.SSLContext | None:
    """None: TLS is off. Raises TlsUnusable."""
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise TlsUnusable(protocol, "tls_key", settings.tls_key, "there is no tls_certificate beside it; set both or neither")
        return None
    _readable(protocol, "tls_certificate", settings.tls_certificate)
    if settings.tls_key is not None:
        _readable(protocol, "tls_key", settings.tls_key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")  # without one OpenSSL asks the terminal
    except ssl.SSLError as error:
        reason, setting, file = _why(error), "tls_certificate", settings.tls_certificate
        raise TlsUnusable(protocol, setting, file, reason) from error
    return context


def _readable(protocol: str, setting: str, file: Path) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise TlsUnusable(protocol, setting, file, error.strerror or str(error)) from error


def _why(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the private key in tls_key belongs to another certificate"
    if error.reason == "BAD_DECRYPT" or "DECRYPT" in (error.reason or ""):
        return "the private key in tls_key is encrypted; store it without a passphrase"
    return f"it, or tls_key, holds no PEM certificate with its private key ({error.reason or error})"


def allow_files(wanted: int) -> int:
    """Raise this process's limit of open files as far as is needed and allowed. How many may be open then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):  # a container's own rules; what we have is then what there is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if soft == resource.RLIM_INFINITY else soft
