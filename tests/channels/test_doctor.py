"""What `telematics doctor` says of mail and SMS, with servers that take the login and ones that don't."""

from __future__ import annotations

from pathlib import Path

import pytest

from telematics.commands.doctor import _mail, _sms
from telematics.config import MailSettings, Settings, SmsSettings
from tests.channels import smsc, test_mail


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMATICS_CONFIG", str(tmp_path / "none.toml"))


@pytest.mark.usefixtures("configured")
async def test_nothing_configured_is_a_note() -> None:
    assert [(await look(Settings())).level for look in (_mail, _sms)] == ["note", "note"]


@pytest.mark.usefixtures("configured")
async def test_a_mail_server_is_tried() -> None:
    box = test_mail.Box()
    async with test_mail.serving(box) as port:
        found = await _mail(Settings(mail=MailSettings(host="127.0.0.1", port=port, security="none")))
        assert (found.level, found.what) == ("good", f"e-mail through 127.0.0.1:{port} (none), from telematics@localhost")
        found = await _mail(Settings(mail=MailSettings(host="127.0.0.1", port=port)))
        assert found.level == "bad"
        assert "starttls" in found.what.lower()
    found = await _mail(Settings(mail=MailSettings(host="127.0.0.1", port=port, security="none")))
    assert found.level == "bad"
    assert "can't be reached" in found.what
    assert not box.mails


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("password", "level", "words"), [("secret", "good", "SMS through smpp"), ("wrong", "bad", "Invalid Password")]
)
async def test_an_smpp_gateway_is_tried(password: str, level: str, words: str) -> None:
    async with smsc.serving(smsc.Smsc()) as centre:
        found = await _sms(Settings(sms=SmsSettings(url=f"smpp://fleet:{password}@127.0.0.1:{centre.port}/Fleet/{{phone}}")))
    assert found.level == level
    assert words in found.what
    assert password not in found.what
    assert not centre.received


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("bulksms://user:password@/{phone}", "good"),
        ("seven://abcdefghijklmnop/{phone}", "good"),
        ("clickatell://abcdefghijklmnop/{phone}", "good"),
        ("twilio://AC" + "a" * 32 + ":" + "b" * 32 + "@+15551112222/{phone}", "good"),
        ("bulksms://user:password@/", "bad"),
        ("nosuch://user:password@/{phone}", "bad"),
    ],
)
async def test_a_url_of_apprises_is_read(url: str, level: str) -> None:
    """Those of docs/channels.md among them."""
    found = await _sms(Settings(sms=SmsSettings(url=url)))
    assert found.level == level, found.what
    assert "password" not in found.what
