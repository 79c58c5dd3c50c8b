"""The loop around the stages, in a whole server: what crashes, outages and failing parts leave behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pytest

from protocols import Codec, Decoded, Frame, codec
from telematics.config import MotionSettings, Settings
from telematics.devices import Device
from telematics.pipeline import worker
from telematics.pipeline.saving import Saver
from telematics.pipeline.stages import Outcome, Reports
from telematics.pipeline.state import State
from telematics.server import Server
from telematics.simulator.fix import Fix
from telematics.store.errors import StoreBusy
from telematics.store.records import Batch, Committed
from tests.test_server import IDS, TODAY, add_devices, rows, running, send, track, until

WIALON = codec("wialon")


def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no state is saved: what the next start finds is what a `kill -9` would have left."""

    async def finish(_: Saver, watermark: int) -> None:
        """Nothing is saved."""

    monkeypatch.setattr(Saver, "finish", finish)


async def say(server: Server, *lines: str) -> None:
    """Wialon's text, line by line, each answered as stored."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.listeners.ports["wialon"])
    async with asyncio.timeout(10):
        for line in (f"#L#{IDS['wialon']};NA", *lines):
            writer.write(f"{line}\r\n".encode())
            assert (await reader.readline()) in (b"#AL#1\r\n", b"#ASD#1\r\n", b"#AP#\r\n"), line
    writer.close()
    await writer.wait_closed()


def row(at: datetime, fix: Fix | None = None) -> str:
    """The fields of Wialon's short packet."""
    place = "NA;NA;NA;NA;NA;NA" if fix is None else f"{_degrees(fix.latitude)};N;{_degrees(fix.longitude)};E;36;0"
    return f"{at:%d%m%y;%H%M%S};{place};NA;{'NA' if fix is None else 9}"


def _degrees(value: float) -> str:
    return f"{int(value):03d}{value % 1 * 60:07.4f}"


@dataclass(eq=False)
class ByHand:
    """A source of frames without a socket."""

    device: Device | None
    codec: Codec = WIALON
    address: str = "192.0.2.1:7"
    broken: bool = False
    acknowledged: list[bytes] = field(default_factory=list)

    def acknowledge(self, ack: bytes, last: bool) -> None:
        if self.broken:
            raise RuntimeError("this connection is no more")
        self.acknowledged.append(ack)


def frame(second: int) -> Frame:
    at = TODAY + timedelta(seconds=second)
    return Frame(kind="SD", payload=row(at, track(at, 1)[0]).encode(), ack=b"%d" % second)


@pytest.mark.parametrize("ending", ["stop", "crash"])
async def test_memory_from_before_telemetry_is_measured_as_if_it_had_come_in_order(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    fixes = track(TODAY, 10)
    blind = fixes[8].time + timedelta(seconds=5)
    in_order = [f"#SD#{row(fix.time, fix)}" for fix in fixes]

    async def in_positions(server: Server) -> float:
        return float((await rows(server, "SELECT sum(distance_m) FROM positions"))[0][0])

    async with running(settings, snapshot_s=0.01 if ending == "stop" else 1000) as server:
        device_id = (await add_devices(server, [IDS["wialon"]]))[IDS["wialon"]]
        await say(server, in_order[0], f"#SD#{row(blind)}", *in_order[1:9])
        assert server.latest([device_id])[0].fix_time == fixes[8].time
        await say(server, in_order[9], in_order[4])
        (known,) = server.latest([device_id])
        assert known.total_m == pytest.approx(900, rel=0.01)
        assert await in_positions(server) == pytest.approx(known.total_m)
        if ending == "crash":
            crash(monkeypatch)
    async with running(settings) as server:
        monkeypatch.undo()
        (again,) = server.latest([device_id])
        assert again.total_m == pytest.approx(known.total_m)
        assert (again.fix_time, again.time, again.moving) == (known.fix_time, known.time, known.moving)
    async with running(settings) as server:
        days = await rows(server, "SELECT sum(distance_m), sum(fixes) FROM device_days")
        assert days == [(pytest.approx(known.total_m), 10)]
        assert await rows(server, "SELECT type, time FROM events WHERE type <> 'deviceOnline'") == [("deviceMoving", TODAY)]


async def test_after_a_crash_who_only_said_hello_is_not_told_of_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings) as server:
        device_id = (await add_devices(server, [IDS["wialon"]]))[IDS["wialon"]]
        await say(server, "#P#")
        await until(lambda: server.status(device_id).status == "online")
        crash(monkeypatch)
    async with running(settings) as server:
        assert server.status(device_id).status == "online"
        await say(server, "#P#")
        await asyncio.sleep(0.3)
        assert await rows(server, "SELECT type FROM events") == [("deviceOnline",)]


async def test_a_start_does_not_say_that_anybody_was_heard(settings: Settings) -> None:
    async with running(settings) as server:
        ids = await add_devices(server)
        await send(server, "gt06", track(TODAY, 1))
        heard = server.status(ids[IDS["gt06"]]).heard
    async with running(settings) as server:
        assert server.status(ids[IDS["gt06"]]).heard == heard


async def test_nobody_is_called_silent_while_the_database_was_down(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "DEAF_S", 1.5)
    async with running(settings, motion=MotionSettings(offline_s=2)) as server:
        ids = await add_devices(server, [IDS["wialon"], IDS["gt06"]])
        await asyncio.gather(send(server, "gt06", track(TODAY, 1)), say(server, "#P#"))
        writer, down_until = server.worker._writer, time.monotonic() + 4
        commit = writer.commit

        async def busy(batch: Batch) -> Committed:
            if time.monotonic() < down_until:
                raise StoreBusy("down for a test")
            return await commit(batch)

        monkeypatch.setattr(writer, "commit", busy)
        await send(server, "gt06", track(TODAY + timedelta(minutes=1), 1))
        assert time.monotonic() > down_until
        await asyncio.sleep(1)
        assert {server.status(device_id).status for device_id in ids.values()} == {"online"}
        await until(lambda: {server.status(device_id).status for device_id in ids.values()} == {"offline"})


async def test_a_broken_connection_takes_no_other_with_it(settings: Settings) -> None:
    async with running(settings) as server:
        await add_devices(server)
        device = server.devices.named(IDS["wialon"])
        broken, whole = ByHand(device, broken=True), ByHand(device)
        server.intake.add(broken, [frame(0)])
        server.intake.add(whole, [frame(1)])
        await until(lambda: whole.acknowledged == [b"1"])
        assert not server.failed.is_set()


async def test_what_waited_for_a_device_that_is_removed_is_nobodys(settings: Settings) -> None:
    async with running(settings) as server:
        await add_devices(server)
        source = ByHand(server.devices.named(IDS["wialon"]))
        assert source.device is not None
        await rows(server, "WITH gone AS (DELETE FROM devices RETURNING id) SELECT count(*) FROM gone")
        server.intake.add(source, [frame(0)])
        server._remove(source.device.id)
        await until(lambda: bool(source.acknowledged))
        assert await rows(server, "SELECT count(*) FROM positions") == [(0,)]
        assert await rows(server, "SELECT count(*) FROM events") == [(0,)]


async def test_what_a_decoder_or_stage_fails_on_is_set_aside_and_the_next_goes_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(settings) as server:
        await add_devices(server)
        device = server.devices.named(IDS["wialon"])

        def decode(frames: Sequence[Frame]) -> Decoded:
            if any(frame.ack == b"1" for frame in frames):
                raise ZeroDivisionError("a mistake in the decoder")
            return WIALON.decode(frames)

        clumsy = ByHand(device, codec=Codec(**{name: getattr(WIALON, name) for name in WIALON.__slots__} | {"decode": decode}))
        server.intake.add(clumsy, [frame(second) for second in range(3)])
        await until(lambda: clumsy.acknowledged == [b"012"])
        run, source = server.worker.stages.run, ByHand(device)

        def fail(reports: Reports, state: State, first_id: int) -> Outcome:
            monkeypatch.setattr(server.worker.stages, "run", run)
            raise ZeroDivisionError("a mistake in a stage")

        monkeypatch.setattr(server.worker.stages, "run", fail)
        for second in (3, 4):
            server.intake.add(source, [frame(second)])
            await until(lambda count=second - 2: len(source.acknowledged) == count)  # type: ignore[misc]
        letters = await rows(server, "SELECT reason, frame FROM dead_letters ORDER BY id")
        assert letters == [
            ("the decoder failed: ZeroDivisionError('a mistake in the decoder')", frame(1).payload),
            ("the stages failed: ZeroDivisionError('a mistake in a stage')", frame(3).payload),
        ]
        assert await rows(server, "SELECT count(*) FROM positions") == [(3,)]


async def test_impossible_values_are_stored_or_set_aside_and_harm_nobody(settings: Settings) -> None:
    """Whatever a decoder could make of hostile bytes; numpy's warnings are errors here."""
    times = np.array(
        ["NaT", "9999-12-31", "0001-01-01", "292277-01-01", "-290000-01-01", str(TODAY.replace(tzinfo=None))], "M8[ms]"
    )
    values = [np.inf, -np.inf, np.nan, 1e308, -1e308, 1e-320]
    async with running(settings) as server:
        await add_devices(server)
        device = server.devices.named(IDS["wialon"])
        places = [(place, at) for place in range(len(values)) for at in range(len(times))]

        def decode(frames: Sequence[Frame]) -> Decoded:
            columns = WIALON.decode([frame(0)] * len(places)).columns
            columns.frame[:] = 0
            columns.time = times[[at for _, at in places]]
            for name in ("latitude", "longitude", "speed_kmh", "altitude_m", "odometer_m", "course_deg", "fuel_l", "ignition"):
                kind = getattr(columns, name).dtype
                with np.errstate(over="ignore", under="ignore"):
                    setattr(columns, name, np.array([values[place] for place, _ in places]).astype(kind))
            return Decoded(columns)

        source = ByHand(device, codec=Codec(**{name: getattr(WIALON, name) for name in WIALON.__slots__} | {"decode": decode}))
        server.intake.add(source, [frame(0)])
        server.intake.add(source, [frame(1)])
        await until(lambda: len(source.acknowledged) == 2)
        assert not server.failed.is_set()
        letters = await rows(server, "SELECT DISTINCT split_part(reason, ' ', 1) FROM dead_letters")
        assert letters == [("time",)]
        stored = await rows(server, "SELECT count(*) FROM positions WHERE odometer_m = 'infinity' OR speed_kmh = 'infinity'")
        assert stored == [(0,)]
