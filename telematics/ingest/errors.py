"""What keeps the ports from opening. All are mistakes of configuration: one sentence for the operator, and no start.

IngestError
├── CannotListen        the address is not this machine's, or the port is not for this user
├── PortTaken           another program listens there: stop it, or choose another port
├── TlsUnusable         certificate or key are missing, unreadable or don't belong together
└── UnknownListener     settings for a protocol that doesn't exist
"""

from pathlib import Path


class IngestError(Exception):
    """Root of telematics/ingest/: catching it is always enough."""


class PortTaken(IngestError):
    """Somebody else listens there."""

    def __init__(self, protocol: str, port: int) -> None:
        super().__init__(
            f"{protocol}: port {port} is taken by another program; stop that program, or set listeners.{protocol}.port "
            f"(TELEMATICS_LISTENERS__{protocol.upper()}__PORT) to another, or listeners.{protocol}.enabled to false"
        )
        self.protocol, self.port = protocol, port


class CannotListen(IngestError):
    """The system refuses the address or the port for another reason."""

    def __init__(self, protocol: str, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"{protocol}: cannot listen on {host or 'all addresses'}, port {port} ({reason}); "
            f"set listeners.{protocol}.host and listeners.{protocol}.port to what this machine and user may use"
        )
        self.protocol, self.host, self.port, self.reason = protocol, host, port, reason


class TlsUnusable(IngestError):
    """The files for TLS can't be used."""

    def __init__(self, protocol: str, setting: str, file: Path | None, reason: str) -> None:
        super().__init__(f"{protocol}: listeners.{protocol}.{setting}{f' ({file})' if file else ''} can't be used: {reason}")
        self.protocol, self.setting, self.file, self.reason = protocol, setting, file, reason


class UnknownListener(IngestError):
    """The configuration names a protocol that the server doesn't speak."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"protocols, listeners: {name} is no such protocol; known are {', '.join(known)}")
        self.name = name
