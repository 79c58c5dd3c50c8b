"""Where trackers report to: the protocols that this server listens to, with the ports that are open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from dashboards.doors import doors
from telematics.config import ListenerSettings
from telematics.server import Server


def server(ports: dict[str, int], **listeners: ListenerSettings) -> Server:
    return cast("Server", SimpleNamespace(listeners=SimpleNamespace(ports=ports), settings=SimpleNamespace(listeners=listeners)))


def test_only_what_is_open_is_offered_with_its_own_port(tmp_path: Any) -> None:
    secure = ListenerSettings.model_construct(tls_certificate=tmp_path / "x.pem")
    found = doors(server({"wialon": 7, "osmand": 8, "calamp": 9, "teltonika": 10}, teltonika=secure, gt06=secure))
    assert [(door.protocol, door.port, door.transport) for door in found] == [
        ("calamp", 9, "UDP"),
        ("wialon", 7, "TCP, UDP"),
        ("osmand", 8, "HTTP"),
        ("teltonika", 10, "TCP + TLS"),
    ]
    assert "FMB9xx" in found[-1].models
    assert (found[0].commands, found[-1].commands) == (False, True)
    assert found[0].data == {
        "protocol": "calamp", "port": 9, "transport": "UDP", "makers": "CalAmp", "models": found[0].models,
    }  # fmt: skip
