"""Simulated trackers hear the server's commands, do what they say, and answer so that the server understands it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import protocols
from protocols import Answer, Commanded, Session
from protocols.commands import checked
from telematics.simulator.client import Client, Totals
from telematics.simulator.fix import Fix
from telematics.simulator.fleet import Fleet, identity
from telematics.simulator.orders import MOST_WAITING, Heard, Obedient, Order
from telematics.simulator.wires import WIRES
from tests.simulator.test_client import running, serving

NOW = datetime(2026, 11, 20, 5, 0, tzinfo=UTC)
FIX = Fix(NOW, 43.2, 76.9, speed_kmh=36.0, course_deg=90.0)
PERIOD = {"frequency": 30}


def connected(protocol: str) -> tuple[Session, Obedient]:
    """A session of the server's, and the tracker that has logged in on it and reported once."""
    session, tracker = protocols.codec(protocol).session(), WIRES[protocol](identity(protocol, seed=1, number=7))
    assert isinstance(tracker, Obedient)
    for data in (tracker.hello(), tracker.report([FIX])):
        received = session.receive(data) if data else protocols.Received()
        while received.login is not None:
            received = session.admit(known=True)
            tracker.receive(received.reply)
    return session, tracker


ANSWERS = [  # protocol, command, its parameters, how the tracker understands it, what it says, whether that is good
    ("gt06", "engineStop", {}, "engineStop", "Cut off the fuel supply: Success!Speed:36 Km/h", True),
    ("gt06", "engineResume", {}, "engineResume", "Restore fuel supply: Success!", True),
    ("gt06", "positionSingle", {}, "positionSingle",
     "Lat:N43.200000,Lon:E76.900000,Course:90.00,Speed:36.00km/h,DateTime:2026-11-20 05:00:00", None),
    ("gt06", "positionPeriodic", PERIOD, "positionPeriodic", "OK!", True),
    ("gt06", "custom", {"data": "DANCE#"}, "custom", "Invalid command!", False),
    ("gt06", "rebootDevice", {}, "rebootDevice", "The terminal will restart after 60s!", None),
    ("teltonika", "engineStop", {}, "engineStop", "DOUT1:1 Timeout:INFINITY", None),
    ("teltonika", "engineResume", {}, "engineResume", "DOUT1:0 Timeout:INFINITY", None),
    ("teltonika", "outputControl", {"index": 2, "data": "1"}, "outputControl", "DOUT1:IGNORED DOUT2:1 Timeout:INFINITY", None),
    ("teltonika", "positionPeriodic", PERIOD, "positionPeriodic", "New value 10050:30;10055:30", None),
    ("teltonika", "positionSingle", {}, "positionSingle",
     "GPS:1 Sat:12 Lat:43.200000 Long:76.900000 Alt:0 Speed:36 Dir:90 Date: 2026/11/20 Time: 05:00:00", None),
    ("teltonika", "custom", {"data": "dance"}, "custom", "Unknown command or invalid format", None),
    ("teltonika", "custom", {"data": "111111111111111 setdigout 1"}, "custom", "that IMEI is not mine", False),
    ("h02", "engineStop", {}, "engineStop", "S20,DONE,000809", True),
    ("h02", "engineResume", {}, "engineResume", "S20,DONE,000809", True),
    ("h02", "positionPeriodic", PERIOD, "positionPeriodic", "S71,DONE,000809", True),
    ("h02", "custom", {"data": "DANCE"}, "custom", "DANCE,ERROR,000809", False),
    ("h02", "getDeviceStatus", {}, "getDeviceStatus", "INFO,DONE", True),
    ("wialon", "outputControl", {"index": 1, "data": "1"}, "engineStop", "L1=1: OK", None),
    ("wialon", "outputControl", {"index": 1, "data": "0"}, "engineResume", "L1=0: OK", None),
    ("wialon", "deviceIdentification", {}, "deviceIdentification", "VER=1.0 ID=864703030079267", None),
    ("wialon", "message", {"message": "Come home"}, "message", "1", True),
    ("wialon", "custom", {"data": "dance"}, "custom", "dance: unknown", None),
    ("jt808", "engineStop", {}, "engineStop", "8105: done", True),
    ("jt808", "engineResume", {}, "engineResume", "8105: done", True),
    ("jt808", "positionSingle", {}, "positionSingle", "the position", True),
    ("jt808", "positionPeriodic", PERIOD, "positionPeriodic", "8103: done", True),
    ("jt808", "getDeviceStatus", {}, "getDeviceStatus", "1 parameters", True),
    ("jt808", "getVersion", {}, "getVersion", "its attributes", True),
    ("jt808", "custom", {"data": "8999:00"}, "custom", "8999: not supported", False),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "kind", "parameters", "heard", "says", "ok"), ANSWERS)
def test_a_command_is_understood_and_its_answer_too(
    protocol: str, kind: str, parameters: dict[str, Any], heard: str, says: str, ok: bool | None
) -> None:
    session, tracker = connected(protocol)
    assert isinstance(session, Commanded)
    data = session.command(checked(kind, parameters), serial=489, password="")
    assert tracker.receive(data[:5]) == tracker.receive(data[5:]) == 0, "a command acknowledges nothing"
    (order,) = tracker.orders()
    assert (order.type, order.interval_s) == (heard, 30 if heard == "positionPeriodic" else 0)
    assert tracker.orders() == []
    received = session.receive(tracker.answer(order, FIX))
    assert received.rejects == []
    by_serial = protocol in ("gt06", "jt808") and kind != "getVersion"
    by_clock = protocol == "h02" and kind != "getDeviceStatus"
    assert received.answers == [Answer(says, 489 if by_serial or by_clock else None, ok)]
    assert list(protocols.codec(protocol).decode(received.frames).unreadable) == []


def test_h02_is_silent_where_its_maker_says_so() -> None:
    session, tracker = connected("h02")
    assert isinstance(session, Commanded)
    for kind in ("positionSingle", "rebootDevice", "alarmDismiss"):
        tracker.receive(session.command(checked(kind, {}), serial=5, password=""))
    orders = tracker.orders()
    assert [order.type for order in orders] == ["positionSingle", "rebootDevice", "alarmDismiss"]
    assert [tracker.answer(order, FIX) for order in orders] == [b"", b"", b""]


def test_gt06_takes_the_words_with_a_password() -> None:
    session, tracker = connected("gt06")
    assert isinstance(session, Commanded)
    for kind in ("engineStop", "engineResume"):
        tracker.receive(session.command(checked(kind, {}), serial=5, password="666666"))
    assert [order.type for order in tracker.orders()] == ["engineStop", "engineResume"]


@pytest.mark.parametrize("protocol", [name for name in WIRES if isinstance(WIRES[name]("356307042441013"), Obedient)])
def test_whatever_the_server_says_a_tracker_stays_in_bounds(protocol: str) -> None:
    tracker = WIRES[protocol]("356307042441013")
    assert isinstance(tracker, Obedient)
    for data in (
        b"\x7e\x81\x05\x7e",
        b"xx\x0c\x80\x04abc",
        b"#M#\r\n#\r\nL9\r\n\xff\r\n",
        b"\1" + bytes(40),
        b"*HQ,356307042441013,#",
    ):
        for _ in range(MOST_WAITING + 1):
            tracker.receive(data)
    assert len(orders := tracker.orders()) <= MOST_WAITING
    assert all(isinstance(tracker.answer(order, FIX), bytes) for order in orders)


def test_heard_forgets_what_is_too_much() -> None:
    heard = Heard()
    for _ in range(MOST_WAITING + 5):
        heard.hear(Order("custom", "again"))
    assert len(heard.orders()) == MOST_WAITING


def test_a_vehicle_stands_while_its_engine_is_cut_off_and_goes_on_from_there() -> None:
    vehicle = max(Fleet(count=30, interval_s=4).vehicles, key=lambda one: one.state(NOW.timestamp()).speed_kmh)
    assert vehicle.state(NOW.timestamp()).speed_kmh > 20

    def at(seconds: float) -> Fix:
        fix = None
        while fix is None:
            fix = vehicle.advance(NOW + timedelta(seconds=seconds))
            seconds += 1
        return fix

    driving = at(0)
    vehicle.obey(Order("engineStop", ""))
    stopped, later = at(2), at(900)
    assert (driving.blocked, stopped.blocked, stopped.ignition, stopped.speed_kmh) == (False, True, False, 0.0)
    assert (later.blocked, later.ignition, later.odometer_m) == (True, False, stopped.odometer_m)
    assert later.latitude == pytest.approx(stopped.latitude, abs=1e-4)
    vehicle.obey(Order("engineResume", ""))
    again = at(1800)
    assert (again.blocked, again.ignition) == (False, True)
    assert again.latitude == pytest.approx(stopped.latitude, abs=1e-4), "from where it stood, not from where its plan is"
    assert at(1860).odometer_m > stopped.odometer_m


def test_a_vehicle_reports_when_it_is_asked_and_as_often() -> None:
    vehicle = Fleet(count=1, interval_s=60, parked_s=600).vehicles[0]
    second = NOW.timestamp()
    while vehicle.advance(datetime.fromtimestamp(second, UTC)) is None:
        second += 1
    vehicle.obey(Order("positionSingle", ""))
    assert vehicle.advance(datetime.fromtimestamp(second + 1, UTC)) is not None
    assert vehicle.advance(datetime.fromtimestamp(second + 2, UTC)) is None
    vehicle.obey(Order("positionPeriodic", "", interval_s=5))
    assert vehicle.interval_s == 5


@pytest.mark.parametrize("protocol", ["gt06", "teltonika", "h02", "wialon", "jt808"])
async def test_over_a_socket_it_obeys_answers_and_shows_it(protocol: str) -> None:
    """The codec as a server that gives a command once it has heard a fix; what the tracker said to it, and reports after it."""
    codec, obeyed = protocols.codec(protocol), list[Order]()
    answers: asyncio.Queue[Answer] = asyncio.Queue()
    command = checked("outputControl", {"index": 1, "data": "1"}) if protocol == "wialon" else checked("engineStop", {})

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, told = codec.session(), False
        while data := await reader.read(500):
            received = session.receive(data)
            while True:
                writer.write(received.reply)
                for frame in received.frames:
                    writer.write(frame.ack)
                if received.frames and not told and isinstance(session, Commanded):
                    told = True
                    writer.write(session.command(command, serial=7, password=""))
                for answer in received.answers:
                    answers.put_nowait(answer)
                if received.login is None:
                    break
                received = session.admit(known=True)

    async with serving(serve) as address:
        client = Client(identity(protocol, 1, 7), WIRES[protocol], address, Totals(), obey=obeyed.append)
        async with running(client), asyncio.timeout(5):
            client.offer(FIX)
            answer = await answers.get()
    assert answer.ok is not False
    assert [order.type for order in obeyed] == ["engineStop"]


@pytest.mark.parametrize(("protocol", "name", "value"), [
    ("teltonika", "out1", True), ("h02", "status", 0xF7FFFBFF), ("wialon", "output", 1), ("jt808", "blocked", True),
])  # fmt: skip
def test_reports_show_the_relay(protocol: str, name: str, value: object) -> None:
    codec, tracker = protocols.codec(protocol), WIRES[protocol](identity(protocol, 1, 7))
    session = codec.session()
    if hello := tracker.hello():
        session.receive(hello)
        session.admit(known=True)
    received = session.receive(tracker.report([Fix(NOW, 43.2, 76.9, ignition=False, blocked=True)]))
    frames = received.frames or session.admit(known=True).frames
    (row,) = codec.decode(frames).columns.rows()
    assert (row["attributes"].get(name), row["ignition"]) == (value, False)
