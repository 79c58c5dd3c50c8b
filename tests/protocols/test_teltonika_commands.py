"""Teltonika: what a tracker can be told, and its answers."""

from __future__ import annotations

from typing import Any

import pytest

from protocols import CannotSend
from protocols.commands import Answer, checked
from protocols.teltonika import CODEC
from protocols.teltonika.framing import Stream
from telematics.simulator import teltonika as simulator


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("custom", {"data": "getio"}, "getio"),
        ("engineStop", {}, "setdigout 1"),
        ("engineResume", {}, "setdigout 0"),
        ("outputControl", {"index": 1, "data": "0"}, "setdigout 0"),
        ("outputControl", {"index": 3, "data": "1"}, "setdigout ??1"),
        ("deviceIdentification", {}, "getver"),
        ("factoryReset", {}, "defaultcfg"),
        ("getDeviceStatus", {}, "getinfo"),
        ("getModemStatus", {}, "getstatus"),
        ("getVersion", {}, "getver"),
        ("positionSingle", {}, "getgps"),
        ("positionPeriodic", {"frequency": 30}, "setparam 10050:30;10055:30"),
        ("rebootDevice", {}, "cpureset"),
        ("setConnection", {"server": "gps.example.com", "port": 5027}, "setparam 2004:gps.example.com;2005:5027"),
        ("setSpeedLimit", {"data": 90}, "setparam 11104:90"),
    ],
)
def test_a_command_is_codec_12_and_the_same_words_by_sms(name: str, parameters: dict[str, Any], text: str) -> None:
    command = checked(name, parameters)
    body = f"0C0105{len(text):08x}{text.encode().hex()}01"
    assert Stream().command(command, 7, "") == simulator.framed(bytes.fromhex(body))
    assert CODEC.sms is not None
    assert CODEC.sms(command, "") == f"  {text}"
    assert CODEC.sms(command, "1234") == f" 1234 {text}"
    assert CODEC.sms(command, "fleet 1234") == f"fleet 1234 {text}"
    assert name in CODEC.commands


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        pytest.param("getinfo", "000000000000000F0C010500000007676574696E666F0100004312", id="the maker's example of Codec 12"),
        pytest.param("676574696e666f", "000000000000000F0C010500000007676574696E666F0100004312", id="the same in hexadecimal"),
        pytest.param(
            "352093081452251 getver", "00000000000000160E01050000000E0352093081452251676574766572010000D2C1",
            id="the maker's example of Codec 14: with the IMEI in front",
        ),
    ],
)  # fmt: skip
def test_the_makers_commands(data: str, wire: str) -> None:
    assert Stream().command(checked("custom", {"data": data}), 1, "").hex().upper() == wire


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("custom", {"data": "привет"}, "a command is ASCII"),
        ("outputControl", {"index": 5, "data": "1"}, "outputs are 1 to 4"),
        ("outputControl", {"index": 1, "data": "on"}, "state is 0 or 1"),
        ("requestPhoto", {}, "teltonika has no requestPhoto; it has custom"),
    ],
)
def test_a_command_without_words_says_so(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(CannotSend, match=says):
        Stream().command(checked(name, parameters), 1, "")


@pytest.mark.parametrize(
    ("body", "answers"),
    [
        pytest.param("0C 01 06 00000010 444F55543120536574203A313030303A 01", [Answer("DOUT1 Set :1000:")], id="of Codec 12"),
        pytest.param("0E 01 06 0000000A 0352093081452251 4F4B 01", [Answer("OK")], id="of Codec 14"),
        pytest.param(
            "0E 01 11 00000008 0352093081452251 01", [Answer("that IMEI is not mine", ok=False)], id="of another tracker"
        ),
        pytest.param("0C 01 0B 00000002 4142 01", [], id="what the serial port says is no answer"),
        pytest.param("0C 01 06 000000FF 4142 01", [], id="cut short"),
        pytest.param("0C 02 06 00000001 41 02", [], id="fewer than it says"),
    ],
)
def test_an_answer_is_told_and_stored(body: str, answers: list[Answer]) -> None:
    wire = simulator.framed(bytes.fromhex(body))
    whole, cut = Stream(), Stream()
    assert whole.receive(wire).answers == answers
    assert cut.receive(wire[:9]).answers + cut.receive(wire[9:]).answers == answers
