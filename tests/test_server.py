"""The whole way of a packet, without pages: real sockets, a real database, trackers by the simulator's wires."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from telematics.config import LimitSettings, ListenerSettings, MotionSettings, Settings
from telematics.server import UNKNOWN_SAVED_S, Server
from telematics.simulator.client import Address, Client, Totals
from telematics.simulator.fix import Fix
from telematics.simulator.fleet import identity
from telematics.simulator.wires import UDP_WIRES, WIRES
from tests.pipeline.reference import metres

NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW - timedelta(hours=2)
IDS = {"gt06": "862205059210023", "teltonika": "356307042441013", "wialon": "wialon-1", "osmand": "phone-1"}
STORED = "SELECT time, distance_m FROM positions WHERE device_id = %s AND latitude IS NOT NULL ORDER BY time"
PORTS = {name: ListenerSettings(host="127.0.0.1", port=0) for name in IDS}


@asynccontextmanager
async def running(settings: Settings, **more: Any) -> AsyncIterator[Server]:
    async with Server(settings.model_copy(update={"protocols": tuple(PORTS), "listeners": PORTS} | more)) as server:
        yield server


async def add_devices(server: Server, unique_ids: Sequence[str] = tuple(IDS.values())) -> dict[str, int]:
    """Ids by unique id; the server has heard of them when this returns."""
    async with server.database.pool.connection() as connection:
        account = await (await connection.execute("INSERT INTO accounts (name) VALUES ('A') RETURNING id")).fetchone()
        assert account is not None
        for unique_id in unique_ids:
            await connection.execute(
                "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s)", (account[0], unique_id, unique_id)
            )
    await until(lambda: all(server.devices.named(unique_id) for unique_id in unique_ids))
    return {device.unique_id: device.id for device in server.devices}


async def until(holds: Callable[[], bool]) -> None:
    """What another task or process does is awaited by looking."""
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def tracker(server: Server, protocol: str, *, udp: bool = False, unique_id: str = "") -> AsyncIterator[Client]:
    wire = (UDP_WIRES if udp else WIRES)[protocol]
    client = Client(
        unique_id or IDS[protocol], wire, Address("127.0.0.1", server.listeners.ports[protocol], udp=udp), Totals(), batch=5
    )
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def send(server: Server, protocol: str, fixes: Sequence[Fix], *, udp: bool = False, unique_id: str = "") -> None:
    """All of them, acknowledged."""
    async with tracker(server, protocol, udp=udp, unique_id=unique_id) as client, asyncio.timeout(20):
        client.offer(*fixes)
        await client.drained()


def track(start: datetime, count: int, *, latitude: float = 43.2, speed_kmh: float = 36.0) -> list[Fix]:
    """Ten seconds apart, going north."""
    step = speed_kmh / 3.6 * 10 / 111_195
    return [
        Fix(
            time=start + timedelta(seconds=10 * place),
            latitude=round(latitude + step * place, 6),
            longitude=76.9,
            speed_kmh=speed_kmh,
        )
        for place in range(count)
    ]


async def rows(server: Server, query: str, *values: object) -> list[tuple[Any, ...]]:
    async with server.database.pool.connection() as connection:
        return await (await connection.execute(query.encode(), values)).fetchall()


@pytest.mark.parametrize(("protocol", "udp"), [*((name, False) for name in IDS), ("teltonika", True)])
async def test_what_is_acknowledged_is_stored_and_known(settings: Settings, protocol: str, udp: bool) -> None:
    async with running(settings) as server:
        ids = await add_devices(server)
        fixes = track(TODAY, 12)
        await send(server, protocol, fixes, udp=udp)
        stored = await rows(server, "SELECT time, latitude, speed_kmh FROM positions WHERE latitude IS NOT NULL ORDER BY time")
        assert [row[0] for row in stored] == [fix.time for fix in fixes]
        assert [row[1] for row in stored] == pytest.approx([fix.latitude for fix in fixes], abs=2e-6)
        assert [row[2] for row in stored] == pytest.approx([fix.speed_kmh for fix in fixes], abs=0.1)
        (latest,) = server.latest([ids[IDS[protocol]]])
        assert latest.fix_time == fixes[-1].time
        assert latest.protocol == protocol
        assert latest.moving
        assert server.status(latest.device_id).status == "online"
        events = await rows(server, "SELECT type FROM events ORDER BY type")
        assert events == [("deviceMoving",), ("deviceOnline",)]


UNANSWERED = (
    "suntech",
    "meitrack",
)  # over TCP a tracker isn't told what is stored, or not of every message: what was sent counts


async def test_trackers_of_all_protocols_are_stored_side_by_side(settings: Settings) -> None:
    trackers = {(name, False): identity(name, seed=1, number=place) for place, name in enumerate(WIRES)}
    trackers |= {(name, True): identity(name, seed=2, number=place) for place, name in enumerate(UDP_WIRES)}
    ports = {name: ListenerSettings(host="127.0.0.1", port=0) for name in WIRES}
    fixes = track(TODAY, 12)
    async with running(settings, protocols=tuple(ports), listeners=ports) as server:
        ids = await add_devices(server, list(trackers.values()))
        sending = (send(server, name, fixes, udp=udp, unique_id=unique_id) for (name, udp), unique_id in trackers.items())
        await asyncio.gather(*sending)
        for (name, udp), unique_id in trackers.items():
            query, device_id = "SELECT time FROM positions WHERE device_id = %s AND latitude IS NOT NULL", ids[unique_id]
            stored = {row[0] for row in await rows(server, query, device_id)}
            while name in UNANSWERED and not udp and len(stored) < len(fixes):
                await asyncio.sleep(0.02)
                stored = {row[0] for row in await rows(server, query, device_id)}
            assert stored == {fix.time for fix in fixes}, (name, udp)
            assert [latest.protocol for latest in server.latest([device_id])] == [name]
        assert await rows(server, "SELECT protocol, reason FROM dead_letters") == []


async def test_late_repeated_and_shuffled_gives_the_same_sums_as_in_order(settings: Settings) -> None:
    fixes = track(NOW - timedelta(days=1, hours=1), 120) + track(TODAY, 60, latitude=43.5)
    shuffled = fixes + fixes[:40]
    random.Random(7).shuffle(shuffled)
    found = {}
    async with running(settings) as server:
        ids = await add_devices(server)
        await send(server, "gt06", fixes)
        await send(server, "teltonika", shuffled)
        await send(server, "wialon", fixes[120:])
        await send(server, "wialon", fixes[:120])
        for protocol in ("gt06", "teltonika", "wialon"):
            device_id = ids[IDS[protocol]]
            stored = await rows(server, STORED, device_id)
            assert [row[0] for row in stored] == [fix.time for fix in fixes], protocol
            found[protocol] = [row[1] for row in stored]
            assert server.latest([device_id])[0].total_m == pytest.approx(sum(found[protocol]))
            assert server.latest([device_id])[0].fix_time == fixes[-1].time
    chain = [0.0] + [metres((a.latitude, a.longitude), (b.latitude, b.longitude)) for a, b in pairwise(fixes)]
    for protocol, distances in found.items():
        assert distances == pytest.approx(chain, rel=0.006, abs=0.5), protocol
    async with running(settings) as server:  # a clean stop has put everything into days, and the next start reads it
        for protocol in ("gt06", "teltonika", "wialon"):
            device_id = ids[IDS[protocol]]
            days = await rows(server, "SELECT sum(distance_m), sum(fixes) FROM device_days WHERE device_id = %s", device_id)
            assert days == [(pytest.approx(sum(found[protocol])), 180)]
            assert server.latest([device_id])[0].total_m == pytest.approx(sum(found[protocol]))
        # Yesterday's memory, sent after today, is history: it moved nothing and stopped nothing
        events = await rows(
            server, "SELECT type, time FROM events WHERE device_id = %s AND type <> 'deviceOnline'", ids[IDS["wialon"]]
        )
        assert events == [("deviceMoving", TODAY)]


async def test_a_stranger_is_listed_and_not_stored_until_it_is_added(settings: Settings) -> None:
    async with running(settings) as server, tracker(server, "gt06") as client:
        client.offer(*track(TODAY, 3))
        await until(lambda: bool(client.totals.refused))
        await asyncio.sleep(UNKNOWN_SAVED_S + 0.5)
        assert await rows(server, "SELECT protocol, unique_id FROM unknown_trackers") == [("gt06", IDS["gt06"])]
        assert client.unacknowledged == 3
        assert await rows(server, "SELECT count(*) FROM positions") == [(0,)]
        await add_devices(server, [IDS["gt06"]])
        await send(server, "gt06", track(TODAY, 3))
        assert await rows(server, "SELECT count(*) FROM positions") == [(3,)]


async def test_a_removed_or_disabled_device_is_hung_up_on(settings: Settings) -> None:
    async with running(settings) as server:
        ids = await add_devices(server)
        for change in ("UPDATE devices SET disabled = true WHERE id = %s", "DELETE FROM devices WHERE id = %s"):
            protocol = "wialon" if "UPDATE" in change else "gt06"
            async with tracker(server, protocol) as client, asyncio.timeout(10):
                client.offer(*track(TODAY, 1))
                await client.drained()
                async with server.database.pool.connection() as connection:
                    await connection.execute(change.encode(), (ids[IDS[protocol]],))
                await until(lambda: client.totals.hung_up > 0)
                assert server.devices.named(IDS[protocol]) is None
        assert server.latest([ids[IDS["gt06"]]]) == []


async def test_what_cannot_be_true_becomes_a_dead_letter_and_is_acknowledged(settings: Settings) -> None:
    async with running(settings) as server:
        await add_devices(server)
        await send(server, "teltonika", [*track(NOW + timedelta(days=2), 1), *track(TODAY, 1)])
        letters = await rows(server, "SELECT protocol, kind, unique_id, reason FROM dead_letters")
        assert [(letter[:3], "ahead of the server's clock" in letter[3]) for letter in letters] == [
            (("teltonika", "records", IDS["teltonika"]), True)
        ]
        assert await rows(server, "SELECT count(*) FROM positions") == [(1,)]


async def test_garbage_disturbs_nobody_else(settings: Settings) -> None:
    async with running(settings) as server:
        await add_devices(server)
        port = server.listeners.ports["gt06"]
        dice = random.Random(3)

        async def vandal() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(20):
                writer.write(dice.randbytes(dice.randrange(1, 400)) + bytes.fromhex("78780d01"))
                await asyncio.sleep(0.005)
            writer.close()

        results = await asyncio.gather(
            *(vandal() for _ in range(20)), send(server, "gt06", track(TODAY, 50)), return_exceptions=True
        )
        assert results[-1] is None
        assert await rows(server, "SELECT count(*) FROM positions") == [(50,)]
        await asyncio.sleep(0.2)
        assert (await rows(server, "SELECT count(*) > 0 FROM dead_letters")) == [(True,)]


async def test_silence_is_told_once_and_so_is_the_return(settings: Settings) -> None:
    async with running(settings, motion=MotionSettings(offline_s=1)) as server:
        ids = await add_devices(server)
        device_id = ids[IDS["osmand"]]
        await send(server, "osmand", track(TODAY, 1))
        await until(lambda: server.status(device_id).status == "offline")
        await send(server, "osmand", track(TODAY + timedelta(minutes=5), 1))
        assert server.status(device_id).status == "online"
        told = await rows(
            server, "SELECT type FROM events WHERE device_id = %s AND type LIKE 'device%%line' ORDER BY time", device_id
        )
        assert told == [("deviceOnline",), ("deviceOffline",), ("deviceOnline",)]


async def test_a_full_intake_makes_trackers_wait_and_loses_nothing(settings: Settings) -> None:
    async with running(settings, limits=LimitSettings(waiting_frames=10, batch_ms=100)) as server:
        await add_devices(server)
        await asyncio.gather(*(send(server, protocol, track(TODAY, 300)) for protocol in ("gt06", "wialon")))
        assert await rows(server, "SELECT count(*) FROM positions") == [(600,)]
        assert not server.intake.full
        assert server.health().status == "ok"


async def test_the_state_survives_a_stop(settings: Settings) -> None:
    async with running(settings) as server:
        ids = await add_devices(server)
        await send(server, "teltonika", track(TODAY, 5))
        before = server.latest(ids.values())
    async with running(settings) as server:
        assert server.latest(ids.values()) == before
        assert server.status(before[0].device_id).status == "online"
        await send(server, "teltonika", track(TODAY + timedelta(seconds=50), 5, latitude=43.2 + 5 * 100 / 111_195))
        assert await rows(server, "SELECT type FROM events ORDER BY type") == [("deviceMoving",), ("deviceOnline",)]


async def test_viewers_hear_of_what_they_may_see(settings: Settings) -> None:
    async with running(settings) as server:
        ids = await add_devices(server)
        mine = ids[IDS["gt06"]]
        account = next(device.account_id for device in server.devices)
        with server.bus.subscribe(lambda device_id: device_id == mine, account) as feed:
            await asyncio.gather(send(server, "gt06", track(TODAY, 3)), send(server, "wialon", track(TODAY, 3)))
            async with asyncio.timeout(5):
                news = await feed.wait()
            assert news.positions == {mine}
            assert {event.device_id for event in news.events} == {mine}
