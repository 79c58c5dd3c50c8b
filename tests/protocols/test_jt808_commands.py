"""JT/T 808: commands as bytes, and what trackers say to them."""

from __future__ import annotations

from typing import Any

import pytest

from protocols import CannotSend
from protocols.commands import checked
from protocols.jt808 import CODEC, Link
from tests.protocols import laws
from tests.protocols.test_jt808 import PHONE, answers, message, place, session, spoken

COMMANDS = [
    ("custom", {"data": "8105:04"}, f"81050001{PHONE}0102" + "04"),
    ("custom", {"data": "hi 京"}, f"83000006{PHONE}0102" + "01" + "686920bea9"),
    ("alarmArm", {}, f"03100008{PHONE}0102" + "01240501" + "75736572"),
    ("alarmDisarm", {}, f"03100008{PHONE}0102" + "01240500" + "75736572"),
    ("alarmDismiss", {}, f"82030006{PHONE}0102" + "000018700009"),
    ("alarmSpeed", {"data": 90}, f"8103000a{PHONE}0102" + "0100000055040000005a"),
    ("deviceIdentification", {}, f"81070000{PHONE}0102"),
    ("engineResume", {}, f"81050001{PHONE}0102" + "f1"),
    ("engineStop", {}, f"81050001{PHONE}0102" + "f0"),
    ("factoryReset", {}, f"81050001{PHONE}0102" + "05"),
    ("getDeviceStatus", {}, f"81040000{PHONE}0102"),
    ("getVersion", {}, f"81070000{PHONE}0102"),
    ("message", {"message": "ok"}, f"83000003{PHONE}0102" + "0c6f6b"),
    ("positionPeriodic", {"frequency": 30}, f"8103000a{PHONE}0102" + "0100000029040000001e"),
    ("positionSingle", {}, f"82010000{PHONE}0102"),
    ("powerOff", {}, f"81050001{PHONE}0102" + "03"),
    ("rebootDevice", {}, f"81050001{PHONE}0102" + "04"),
    ("requestPhoto", {"index": 2}, f"8801000c{PHONE}0102" + "020001000000010580404080"),
    (
        "setConnection",
        {"server": "a.kz", "port": 5015},
        f"81030013{PHONE}0102" + "02" + "0000001304612e6b7a" + "00000018040000" + "1397",
    ),
    ("setOdometer", {"data": 12_345_600}, f"8103000a{PHONE}0102" + "0100000080040001e240"),
    ("setSpeedLimit", {"data": 90}, f"8103000a{PHONE}0102" + "0100000055040000005a"),
    ("voiceMonitoring", {"phone": "123"}, f"84000004{PHONE}0102" + "01313233"),
]


@pytest.mark.parametrize(("type_name", "parameters", "wire"), COMMANDS)
def test_a_command_holds_our_serial(type_name: str, parameters: dict[str, Any], wire: str) -> None:
    assert answers(spoken().command(checked(type_name, parameters), 0x0102, "")) == [wire]


def test_every_command_has_a_row() -> None:
    assert sorted({row[0] for row in COMMANDS}) == sorted(CODEC.commands)
    assert CODEC.commands == ("custom", *sorted(CODEC.commands[1:]))


def test_hex_with_marks_is_sent_as_it_is() -> None:
    assert session().command(checked("custom", {"data": "7e8104007E"}), 1, "") == bytes.fromhex("7e8104007e")


@pytest.mark.parametrize(
    ("link", "type_name", "parameters"),
    [
        pytest.param(session(), "engineStop", {}, id="before the tracker spoke"),
        pytest.param(spoken(), "sendUssd", {"phone": "1"}, id="no such word"),
        pytest.param(spoken(), "message", {"message": "\U0001f600"}, id="no such letter"),
        pytest.param(spoken(), "setConnection", {"server": "a" * 256, "port": 1}, id="too long"),
    ],
)
def test_what_can_not_be_sent_is_said(link: Link, type_name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(CannotSend):
        link.command(checked(type_name, parameters), 1, "")


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        (0x0001, "0102810500", ("8105: done", 0x0102, True)),
        (0x0001, "0102810503", ("8105: not supported", 0x0102, False)),
        (0x0104, "010202", ("2 parameters", 0x0102, True)),
        (0x0107, "00" * 50, ("its attributes", None, True)),
        (0x0201, f"0102{place()}", ("the position", 0x0102, True)),
        (0x0500, f"0102{place()}", ("the position", 0x0102, True)),
        (0x0805, "010202", ("this channel is not supported", 0x0102, False)),
        (0x1300, "0102004f004b", ("OK", 0x0102, None)),
        (0x6006, "014f4b", ("OK", None, None)),
        (0x0701, "000000024f4b", ("OK", None, None)),
    ],
)
def test_answers_to_commands_are_heard(kind: int, body: str, answer: tuple[str, int | None, bool | None]) -> None:
    received = laws.hear(spoken(), message(kind, body))
    assert [(said.text, said.serial, said.ok) for said in received.answers] == [answer]
    assert len(received.frames) == 1, "it is stored as a report, too"
