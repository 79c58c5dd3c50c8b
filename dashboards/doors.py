"""Where trackers report to: the protocols this server listens to, found by maker or model.

Made from the codecs and the ports that are open, so that it promises nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protocols import CODECS

if TYPE_CHECKING:
    from telematics.server import Server


@dataclass(frozen=True, slots=True)
class Door:
    protocol: str
    port: int
    transport: str  # as people set it in a tracker
    makers: str
    models: str
    commands: bool  # whether it takes any

    @property
    def data(self) -> dict[str, Any]:
        """For the scripts of pages."""
        return {
            "protocol": self.protocol,
            "port": self.port,
            "transport": self.transport,
            "makers": self.makers,
            "models": self.models,
        }


def doors(server: Server) -> list[Door]:
    """Those that are open, by makers."""
    ports = server.listeners.ports
    secure = {name for name, settings in server.settings.listeners.items() if settings.tls_certificate is not None}
    found = [
        Door(
            protocol=codec.name,
            port=ports[codec.name],
            transport=_transport(codec.transports, codec.http, codec.name in secure),
            makers=codec.makers,
            models=codec.models,
            commands=bool(codec.commands),
        )
        for codec in CODECS
        if codec.name in ports
    ]
    return sorted(found, key=lambda door: door.makers.casefold())


def _transport(transports: tuple[str, ...], http: bool, secure: bool) -> str:
    """A port with TLS has no UDP beside it."""
    if http:
        return "HTTPS" if secure else "HTTP"
    return "TCP + TLS" if secure else ", ".join(transports).upper()
