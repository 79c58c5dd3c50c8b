"""Dead letters, unknown trackers, devices: the short lists of the store, and the commands that show them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from telematics.cli import app
from telematics.commands.dead_letters import retry_all
from telematics.commands.doctor import Finding, disk, examine, port_free
from telematics.config import Settings
from telematics.store import errors
from telematics.store.database import Database
from telematics.store.dead_letters import add_dead_letters, all_dead_letters, count_dead_letters, list_dead_letters
from telematics.store.devices import load_devices
from telematics.store.records import Batch, DeadLetter, UnknownTracker
from telematics.store.unknown import count_unknown, forget_unknown, list_unknown, save_unknown
from telematics.store.writer import Writer
from tests.store.rows import add_devices, fetch, make_rows

MOMENT = datetime(2026, 3, 10, 12, tzinfo=UTC)
SHORT = b"#SD#100326;115500;4312.0000;N;07654.0000;E;60;90;786;9\r\n"  # Wialon IPS 1.1
GARBLED = b"#SD#100326;1155"


def letter(frame: bytes, reason: str = "not read", **more: object) -> DeadLetter:
    return msgspec.structs.replace(DeadLetter(MOMENT, "wialon", "10.0.0.1:5", reason, frame), **more)


async def keep(database: Database, *letters: DeadLetter) -> None:
    async with database.pool.connection() as connection:
        await add_dead_letters(connection, letters, keep=1000)


async def test_letters_are_listed_newest_first_and_by_pages(database: Database) -> None:
    await keep(
        database,
        *(letter(b"\x00", reason=f"{number}", context=number, kind="SD", device_id=7, unique_id="u") for number in range(5)),
    )
    async with database.pool.connection() as connection:
        assert await count_dead_letters(connection) == 5
        page = await list_dead_letters(connection, limit=2)
        rest = await list_dead_letters(connection, limit=10, before=page[-1].id)
        assert [kept.letter.reason for kept in page + rest] == ["4", "3", "2", "1", "0"]
        assert page[0].letter == letter(b"\x00", reason="4", context=4, kind="SD", device_id=7, unique_id="u")
        assert [kept async for kept in all_dead_letters(connection)] == page + rest
        assert [kept async for kept in all_dead_letters(connection, "gt06")] == []


async def frames_of(text: bytes) -> tuple[str, bytes]:
    """Kind and payload as the decoder's own session cuts them."""
    from protocols import codec

    session = codec("wialon").session()
    session.receive(b"#L#tracker 1;NA\r\n")
    (frame,) = session.admit(True).frames or session.receive(text).frames
    return frame.kind, frame.payload


async def test_letters_that_can_be_read_now_are_stored_and_leave(database: Database) -> None:
    (device,) = await add_devices(database, 1)
    kind, payload = await frames_of(SHORT)
    async with Writer(database) as writer:  # a server is running
        await writer.commit(Batch(make_rows(device, [0], first_id=1, latitude=43.2, longitude=76.91)))
        await keep(
            database,
            letter(payload, kind=kind, device_id=device),
            letter(b"#L#tracker 1;NA\r\n" + SHORT),  # a raw stream, the same fix
            letter(payload, kind=kind, device_id=999, reason="nobody's"),
            letter(GARBLED, reason="cut off"),
            letter(b"{}", kind="attributes", reason="refused"),
            letter(b"", reason="of a protocol that is no more", protocol="morse"),
        )
        result = await retry_all(database)
    assert (result.read, result.stored, result.left) == (2, 1, 4)
    stored = await fetch(database, "SELECT time, late, latitude, round(distance_m) FROM positions ORDER BY time")
    assert stored == [(datetime(2026, 3, 10, 11, 55, tzinfo=UTC), True, pytest.approx(43.2), 0), (MOMENT, False, 43.2, 811)]
    left = await fetch(database, "SELECT reason, retried IS NOT NULL FROM dead_letters ORDER BY id")
    assert [retried for _, retried in left] == [True] * 4
    assert left[0][0] == "its tracker is not among the devices (device 999)"
    assert left[2][0] == "refused"
    assert "no protocol 'morse'" in left[3][0]
    assert (await fetch(database, "SELECT fixes FROM device_days")) == [(1,)]


async def test_any_bytes_may_be_tried_again(database: Database) -> None:
    (device,) = await add_devices(database, 1)
    random = np.random.default_rng(1)
    for protocol in ("gt06", "osmand", "teltonika", "wialon"):
        await keep(
            database,
            *(
                letter(random.bytes(40), protocol=protocol, kind=kind, device_id=device)
                for kind in ("", "location", "codec8", "D")
            ),
        )
    result = await retry_all(database)
    assert result.left + result.read == 16


def test_letters_on_the_command_line(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMATICS_DATABASE_URL", database_url)
    monkeypatch.setenv("TELEMATICS_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where there is no telematics.toml
    runner = CliRunner()
    assert "no dead letters" in runner.invoke(app, ["dead-letters", "list"]).output
    import psycopg

    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO dead_letters (received, protocol, address, reason, kind, context, frame)"
            " VALUES (now(), 'wialon', '::1', 'checksum', '', 0, '\\x0a0b')"
        )
    assert "checksum" in runner.invoke(app, ["dead-letters", "list"]).output
    exported = runner.invoke(app, ["dead-letters", "export", str(tmp_path / "letters.jsonl")])
    assert exported.exit_code == 0, exported.output
    line = json.loads((tmp_path / "letters.jsonl").read_text())
    assert (line["frame"], line["reason"]) == ("0a0b", "checksum")
    assert "0 letters read, 0 positions stored, 1 letters left" in runner.invoke(app, ["dead-letters", "retry"]).output


async def test_unknown_trackers_add_up_and_are_bounded(database: Database) -> None:
    def heard(name: str, minute: int, count: int = 1, address: str = "a") -> UnknownTracker:
        return UnknownTracker(
            "gt06", name, address, MOMENT + timedelta(minutes=minute), MOMENT + timedelta(minutes=minute), count
        )

    async with database.pool.connection() as connection:
        await save_unknown(connection, [], 3)
        await save_unknown(connection, [heard("1", 0), heard("2", 1), heard("1", 2, 5, "b")], 3)
        await save_unknown(connection, [heard("1", 3), heard("\x00" + "long" * 100, 4)], 3)
        one, *_ = sorted(await list_unknown(connection), key=lambda tracker: tracker.unique_id)
        assert one == UnknownTracker("gt06", "1", "a", MOMENT, MOMENT + timedelta(minutes=3), 7)
        await save_unknown(connection, [heard(f"new {number}", 10 + number) for number in range(3)], 3)
        assert [tracker.unique_id for tracker in await list_unknown(connection)] == ["new 2", "new 1", "new 0"]
        await forget_unknown(connection, "new 1")
        assert await count_unknown(connection) == 2


@pytest.mark.parametrize(
    ("attribute", "limit"),
    [
        ("90", 90.0),
        ("90.5", 90.5),
        ('"60"', 60.0),
        ("null", None),
        ("-5", None),
        ("true", None),
        ('"fast"', None),
        ('{"a": 1}', None),
        ("1e300", None),
    ],
)
async def test_devices_with_their_limits(database: Database, attribute: str, limit: float | None) -> None:
    first, second = await add_devices(database, 2)
    await fetch(
        database,
        f"UPDATE devices SET attributes = '{{\"speedLimit\": {attribute}}}', disabled = true WHERE id = %s RETURNING id",
        [first],
    )
    async with database.pool.connection() as connection:
        found = await load_devices(connection, None)
        assert [device.id for device in await load_devices(connection, [second, 999])] == [second]
    assert [(device.id, device.unique_id, device.speed_limit_kmh, device.disabled) for device in found] == [
        (first, "tracker 1", limit, True),
        (second, "tracker 2", None, False),
    ]


async def test_the_doctor_looks_at_everything(settings: Settings) -> None:
    calm = Settings(**{**settings.model_dump(), "protocols": (), "http_port": 0})
    found = [finding async for finding in examine(calm)]
    text = "\n".join(finding.what for finding in found)
    for word in ("data folder", "GB free", "open files", "PostgreSQL", "fsync", "can be written to", "clock", "port pages"):
        assert word in text
    assert all(finding.do for finding in found if finding.level == "bad")


async def test_the_doctor_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = [finding async for finding in examine(Settings(data_dir=tmp_path / "file", http_port=0))]
    bad = [finding for finding in found if finding.level == "bad"]
    assert [finding.what.partition(":")[0] for finding in bad][:1] == [f"data folder {tmp_path / 'file'}"]
    assert bad[0].do == "make it writable, or set data_dir to another folder"
    assert any(finding.what.startswith("database: embedded") for finding in bad)


def test_a_taken_port_and_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    import socket
    from collections import namedtuple

    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        taken = port_free("gt06", "127.0.0.1", port, "tcp", serving=False)
        assert taken.level == "bad"
        assert f"sport = :{port}" in taken.do
        assert port_free("gt06", "127.0.0.1", port, "tcp", serving=True) == Finding("note", "port gt06 is taken")
    assert port_free("gt06", "127.0.0.1", port, "tcp", serving=False).level == "good"
    assert port_free("gt06", "no such host", port, "tcp", serving=False).level == "bad"
    usage = namedtuple("usage", "total used free")
    for free, level in ((2**29, "bad"), (5 * 2**30, "note"), (50 * 2**30, "good")):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: usage(0, 0, free))
        assert disk(tmp_path).level == level


def test_every_error_is_under_its_root() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and value.__module__ == errors.__name__]
    assert {kind.__name__ for kind in classes} == {"StoreError", "StoreBusy", "StoreRefused"}
    assert all(issubclass(kind, errors.StoreError) for kind in classes)
