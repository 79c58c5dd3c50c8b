"""What `telematics doctor` says of the broker."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from telematics.commands.doctor import _mqtt
from telematics.config import MqttSettings, Settings
from tests.mqtt.conftest import Broker


async def test_a_broker_is_tried(tmp_path: Path) -> None:
    async with Broker(tmp_path / "broker") as broker:
        found = await _mqtt(Settings(mqtt=MqttSettings(url=broker.url)))
        assert (found.level, found.what) == ("good", "MQTT: the broker takes us and lets us subscribe")


async def test_a_broker_with_tls_is_believed_by_its_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[ssl.SSLSocket] = []  # paho leaves those that fail to the collector
    wrap = ssl.SSLContext.wrap_socket

    def noted(context: ssl.SSLContext, *given: Any, **more: Any) -> ssl.SSLSocket:
        opened.append(wrap(context, *given, **more))
        return opened[-1]

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", noted)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "broker.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "broker.key")
    files = (f"certfile {tmp_path / 'broker.pem'}", f"keyfile {tmp_path / 'broker.key'}")
    async with Broker(tmp_path / "broker", "allow_anonymous true", *files) as broker:
        url = f"mqtts://localhost:{broker.port}"
        found = await _mqtt(Settings(mqtt=MqttSettings(url=url, ca_file=tmp_path / "authority.pem")))
        assert found.level == "good", found.what
        found = await _mqtt(Settings(mqtt=MqttSettings(url=url)))
        for sock in opened:
            sock.close()
        assert found.level == "bad"
        assert "certificate verify failed" in found.what


async def test_a_broker_that_refuses_us_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "passwords").write_text("")
    async with Broker(tmp_path / "broker", "allow_anonymous false", f"password_file {tmp_path / 'passwords'}") as broker:
        found = await _mqtt(Settings(mqtt=MqttSettings(url=f"mqtt://fleet:secret@127.0.0.1:{broker.port}")))
        assert found.level == "bad"
        assert "refuses us" in found.what
        assert "secret" not in found.what
    found = await _mqtt(Settings(mqtt=MqttSettings(url=f"mqtt://127.0.0.1:{broker.port}")))
    assert found.level == "bad"
    assert "Connection refused" in found.what
    found = await _mqtt(Settings(mqtt=MqttSettings(url=f"mqtts://127.0.0.1:{broker.port}", ca_file=tmp_path / "none.pem")))
    assert found.level == "bad"
    assert "No such file" in found.what
    assert (await _mqtt(Settings())).level == "note"
