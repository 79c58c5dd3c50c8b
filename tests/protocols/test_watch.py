"""Watches: frames built from the layout, with all their values; answers, commands, laws."""

from __future__ import annotations

from typing import cast

import pytest

from protocols import Answer, CannotSend, Command
from protocols.commands import checked
from protocols.watch import CODEC, Link
from tests.protocols import laws

ID = "8800000001"
PLACE = "220526,081530,A,43.220000,N,76.970000,E,3.5,90,812.5,7,60,90,1000,50,00000000"
AT = {"time": "2026-05-22T08:15:30.000Z", "valid": True, "latitude": 43.22, "longitude": 76.97, "altitude_m": 812.5,
      "speed_kmh": 3.5, "course_deg": 90.0, "satellites": 7.0, "gsm": 60.0, "battery_percent": 90.0}  # fmt: skip
STEPS = {"steps": 1000}
NO_FIX = {"time": None, "valid": False, "no_fix": True}


def packet(content: str | bytes, *, maker: str = "3G", number: str = "") -> bytes:
    data = content if isinstance(content, bytes) else content.encode()
    return f"[{maker}*{ID}*{number}{len(data):04X}*".encode() + data + b"]"


def cell(area: int, number: int, signal: int) -> dict[str, int]:
    return {
        "mobileCountryCode": 401,
        "mobileNetworkCode": 2,
        "locationAreaCode": area,
        "cellId": number,
        "signalStrength": signal,
    }


ROWS = [
    pytest.param(
        packet(f"UD,{PLACE},1,1,401,2,21065,10203,131,0"), {**AT, "attributes": STEPS}, id="position; its cell is not kept"
    ),
    pytest.param(
        packet("UD_LTE," + PLACE.replace("N", "S").replace(",E,", ",W,").replace("50,00000000", "50,00000010") + ",0,0"),
        {**AT, "latitude": -43.22, "longitude": -76.97, "motion": True, "attributes": STEPS},
        id="south and west; moving",
    ),
    pytest.param(
        packet(f"UD2,{PLACE},0,0", maker="ZJ", number="0034*"), {**AT, "attributes": {"steps": 1000, "archive": True}},
        id="kept for later, counted",
    ),
    pytest.param(
        packet(f"WT,{PLACE}".replace("A,43.220000,N,76.970000,E", "V,0.0,N, 0.0,")
               + ",2,0,401,2,21065,10203,131,5249,27DB,,2,home,02:00:5e:10:00:2a,-69,,0,,1.2"),
        {**AT, "valid": False, "latitude": 0.0, "longitude": 0.0, "attributes": {"steps": 1000, "network": {
            "cellTowers": [cell(21065, 10203, 131), {"mobileCountryCode": 401, "mobileNetworkCode": 2, "locationAreaCode": 5249,
                                                     "cellId": 0x27DB}],
            "wifiAccessPoints": [{"macAddress": "02:00:5e:10:00:2a", "signalStrength": -69}]}}},
        id="no fix: cells and access points",
    ),
    pytest.param(
        packet(f"AL,{PLACE},0,0".replace("50,00000000", "50,00100008")), {**AT, "alarm": "removing", "attributes": STEPS},
        id="alarm",
    ),
    pytest.param(packet(f"AL,{PLACE},0,0"), {**AT, "alarm": "general", "attributes": STEPS}, id="alarm without a reason"),
    pytest.param(
        packet("LK,120,3,84"), {**NO_FIX, "battery_percent": 84.0, "attributes": {"steps": 120}}, id="heartbeat with numbers"
    ),
    pytest.param(packet("heart,72"), {**NO_FIX, "attributes": {"heartRate": 72}}, id="pulse"),
    pytest.param(
        packet("bphrt,120,79,73,,,,"), {**NO_FIX, "attributes": {"pressureHigh": "120", "pressureLow": "79", "heartRate": 73}},
        id="blood pressure",
    ),
    pytest.param(packet("btemp2,1,36.6"), {**NO_FIX, "attributes": {"temp1": 36.6}}, id="temperature"),
    pytest.param(packet("oxygen,0,97"), {**NO_FIX, "attributes": {"bloodOxygen": 97}}, id="oxygen"),
    pytest.param(packet("VERNO,G36S_V1.0"), {**NO_FIX, "attributes": {"result": "VERNO,G36S_V1.0"}}, id="answer to a command"),
]  # fmt: skip
MESSAGES = [cast(bytes, row.values[0]) for row in ROWS]
VOICE = bytes((0x23, 0x7D, 5, 0x7D, 2, 0x7D, 3, 0x7D, 4, 0x7D, 1))


@pytest.mark.parametrize(("data", "expected"), ROWS)
def test_a_report_is_read_whole(data: bytes, expected: dict[str, object]) -> None:
    assert laws.rows(CODEC, data) == [expected]


@pytest.mark.parametrize(
    ("data", "reply", "acks"),
    [
        pytest.param(packet("LK"), f"[3G*{ID}*0002*LK]", [], id="heartbeat"),
        pytest.param(packet("LK,1,2,3", maker="SG"), "", [f"[SG*{ID}*0002*LK]"], id="heartbeat that holds a report"),
        pytest.param(packet("LK", maker="ZJ", number="0075*"), f"[ZJ*{ID}*0075*0002*LK]", [], id="counted"),
        pytest.param(packet("INIT,1,2"), f"[3G*{ID}*0006*INIT,1]", [], id="first words"),
        pytest.param(packet("TKQ2"), f"[3G*{ID}*0004*TKQ2]", [], id="asks for voice"),
        pytest.param(packet(f"AL,{PLACE},0,0"), "", [f"[3G*{ID}*0002*AL]"], id="alarm"),
        pytest.param(packet(f"UD,{PLACE},0,0"), "", [""], id="a position wants nothing"),
        pytest.param(packet(b"JXTK,0,a,1,6," + VOICE), "", [f"[3G*{ID}*0007*JXTKR,1]"], id="voice, in parts"),
    ],
)
def test_answers(data: bytes, reply: str, acks: list[str]) -> None:
    assert Link().receive(data).login == ID
    received = laws.hear(Link(), data)
    assert received.reply == reply.encode()
    assert [frame.ack for frame in received.frames] == [ack.encode() for ack in acks]
    stranger = laws.hear(Link(), data, known=False)
    assert (stranger.reply, stranger.frames) == (b"", [])


def test_voice_and_photos_are_not_kept() -> None:
    for content in (b"TK," + VOICE, b"img,0,260522081530," + VOICE):
        assert [reject.reason for reject in laws.hear(Link(), packet(content)).rejects] == ["voice and photos are not kept"]


@pytest.mark.parametrize("name", ["[home]", "home[", "ho[m]e]"])
def test_a_network_may_have_brackets_in_its_name(name: str) -> None:
    data = packet(f"UD,{PLACE},0,0,1,{name},02:00:5e:10:00:2a,-69")
    assert [row["latitude"] for row in laws.rows(CODEC, data + packet("LK,1,2,3"))[:1]] == [43.22]
    assert [frame.kind for frame in laws.hear(Link(), data + packet("LK,1,2,3")).frames] == ["place", "heartbeat"]


def test_a_wrong_length_is_borne() -> None:
    received = laws.hear(Link(), packet("LK,1,2,3").replace(b"*0008*", b"*0080*") + packet("LK"))
    assert ([frame.payload for frame in received.frames], received.reply) == ([b"LK,1,2,3"], f"[3G*{ID}*0002*LK]".encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(packet("UD,220526"), "a place has 16 fields, not 1", id="cut short"),
        pytest.param(packet(f"UD,{PLACE}".replace("220526", "320526")), "no such day", id="no such day"),
        pytest.param(packet("heart,x"), "a field can't be read", id="no number"),
        pytest.param(packet(b"JXTK,0,a,1,6," + VOICE * 20), "voice and photos are not kept", id="a part of a recording"),
    ],
)
def test_what_cannot_be_read_is_said(data: bytes, reason: str) -> None:
    decoded = CODEC.decode(laws.hear(Link(), data).frames)
    assert len(decoded.columns) == 0
    assert [reason in bad.reason for bad in decoded.unreadable] == [True]


def test_what_the_watch_answers() -> None:
    assert laws.hear(Link(), packet("CR")).answers == [Answer("CR")]
    link = Link()
    assert laws.hear(link, packet("CR", maker="ZJ", number="003E*")).answers == [Answer("CR")]
    link.command(Command("positionSingle"), 62, "")
    assert laws.hear(link, packet("CR", maker="ZJ", number="003E*")).answers == [Answer("CR", 62)]
    assert laws.hear(Link(), packet("LK") + packet(f"UD,{PLACE},0,0")).answers == []


@pytest.mark.parametrize(
    ("kind", "parameters", "words", "text"),
    [
        ("positionSingle", {}, "CR", "cr"),
        ("positionPeriodic", {"frequency": 600}, "UPLOAD,600", "upload,600"),
        ("rebootDevice", {}, "RESET", "reset"),
        ("powerOff", {}, "POWEROFF", "poweroff"),
        ("factoryReset", {}, "FACTORY", "factory"),
        ("getVersion", {}, "VERNO", "verno"),
        ("getDeviceStatus", {}, "TS", "ts"),
        ("sosNumber", {"index": 2, "phone": "+77010000000"}, "SOS2,+77010000000", "sos2,+77010000000"),
        ("alarmSos", {"enable": True}, "SOSSMS,1", "sossms,1"),
        ("alarmBattery", {"enable": False}, "LOWBAT,0", "lowbat,0"),
        ("alarmRemove", {"enable": True}, "REMOVE,1", "remove,1"),
        ("setIndicator", {"enable": True}, "FLOWER,1", "flower,1"),
        ("setTimezone", {"timezone": "+05:00"}, "LZ,0,+5", "lz,0,+5"),
        ("setConnection", {"server": "gps.example.org", "port": 5093}, "IP,gps.example.org,5093", "ip,gps.example.org,5093"),
        ("silenceTime", {"data": "21:10-7:30"}, "SILENCETIME,21:10-7:30", None),
        ("alarmClock", {"data": "08:10-1-1"}, "REMIND,08:10-1-1", None),
        ("setPhonebook", {"data": "7701,6D4B"}, "PHB,7701,6D4B", None),
        ("message", {"message": "Hi"}, "MESSAGE,00480069", None),
        ("custom", {"data": "FIND"}, "FIND", "FIND"),
    ],
)
def test_commands(kind: str, parameters: dict[str, object], words: str, text: str | None) -> None:
    command = checked(kind, parameters)
    assert kind in CODEC.commands
    link = Link()
    laws.hear(link, packet("LK", maker="SG"))
    assert link.command(command, 62, "") == f"[SG*{ID}*{len(words):04X}*{words}]".encode()
    laws.hear(link, packet("LK", maker="ZJ", number="0001*"))
    assert link.command(command, 62, "") == f"[ZJ*{ID}*003E*{len(words):04X}*{words}]".encode()
    assert CODEC.sms is not None
    if text is None:
        with pytest.raises(CannotSend):
            CODEC.sms(command, "")
    else:
        assert CODEC.sms(command, "") == f"pw,123456,{text}#"


def test_a_command_without_words_is_refused_with_what_there_is() -> None:
    with pytest.raises(CannotSend, match="positionSingle"):
        Link().command(Command("engineStop"), 1, "")


def test_laws() -> None:
    laws.hold(CODEC, [*MESSAGES, packet("LK"), packet(b"JXTK,0,a,1,6," + VOICE), packet(f"UD,{PLACE},0,0,1,[x],0,-9") + b"\r\n"])
