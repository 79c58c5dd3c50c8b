"""`telematics simulate`, `replay` and `demo` as they are typed, against real servers."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from typer.testing import CliRunner

import protocols
from telematics.cli import app
from telematics.commands.demo import FORMER, _known
from telematics.commands.demo_orders import SENT
from telematics.commands.replay import tracker_id
from telematics.simulator.fleet import PROTOCOLS, Fleet

if TYPE_CHECKING:
    from telematics.server import Server

TRACK = "vehicle,time,latitude,longitude,course_deg\n" + "".join(
    f"bus {n % 2},2026-01-26T15:57:{n:02d}Z,53.40{n:02d},-2.9,\n" for n in range(60)
)


def run(*words: str) -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "300", "NO_COLOR": "1"}).invoke(app, list(words))
    return result.exit_code, " ".join(result.output.replace("│", "").split())


class Sink:
    """A codec behind a port, in a thread: stores in a list, acknowledges, knows all trackers or none."""

    def __init__(self, protocol: str, *, known: bool = True) -> None:
        self.codec, self.known = protocols.codec(protocol), known
        self.rows: list[tuple[str, dict[str, object]]] = []
        self.port = 0
        self._ready = Event()
        self._thread = Thread(target=lambda: asyncio.run(self._main()))

    def __enter__(self) -> Sink:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session, name = self.codec.session(), ""
        try:
            while data := await reader.read(4096):
                received = session.receive(data)
                while True:
                    writer.write(received.reply)
                    self.rows += [(name, row) for row in self.codec.decode(received.frames).columns.rows()]
                    writer.writelines(frame.ack for frame in received.frames)
                    if received.close:
                        return
                    if received.login is None:
                        break
                    name = received.login
                    received = session.admit(self.known)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("protocol", ["gt06", "teltonika", "wialon", "osmand"])
def test_simulate_delivers(protocol: str) -> None:
    with Sink(protocol) as sink:
        code, said = run(
            "simulate", "--protocol", protocol, "--count", "5", "--interval", "1", "--duration", "2.5", "--port", str(sink.port)
        )
    assert code == 0
    match = re.search(r"(\d+) acknowledged of (\d+); after \d+ ms", said)
    assert match is not None
    assert match[1] == match[2]
    assert len(sink.rows) == int(match[1]) >= 10
    assert all(40 < row["latitude"] < 56 for _, row in sink.rows)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(("--protocol", "morse"), 2, "no tracker of protocol 'morse' can be simulated", id="unknown protocol"),
        pytest.param(("--protocol", "gt06", "--udp"), 2, "no UDP tracker of protocol 'gt06'", id="not over UDP"),
        pytest.param(("--protocol", "gt06,wialon", "--port", "1"), 2, "--port is one protocol's", id="one port for two"),
        pytest.param(("--count", "5", "--rate", "10"), 2, "take --count 10 or more", id="too fast"),
        pytest.param(("--protocol", "gt06", "--first-id", "7"), 2, "15 digits", id="not an IMEI"),
        pytest.param(("--adopt",), 2, "say who you are", id="adopt without a login"),
        pytest.param(
            ("--protocol", "wialon", "--first-id", "7", "--count", "2", "--ids"), 0, "7 wialon Tow truck 01", id="ids from 7"
        ),
    ],
)
def test_simulate_says_what_is_wrong(words: tuple[str, ...], code: int, says: str) -> None:
    assert (got := run("simulate", *words))[0] == code
    assert says in got[1]


def test_simulate_says_that_nobody_listens(nobody: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telematics.commands.trackers.GIVE_UP_S", 0.3)
    code, said = run("simulate", "--protocol", "gt06", "--count", "3", "--port", str(nobody))
    assert code == 1
    assert f"nothing listens on 127.0.0.1:{nobody}: is the server running, and is this the protocol's port?" in said


def test_simulate_says_that_the_trackers_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telematics.commands.trackers.GIVE_UP_S", 0.5)
    with Sink("teltonika", known=False) as sink:
        code, said = run("simulate", "--protocol", "teltonika", "--count", "3", "--port", str(sink.port))
    assert code == 1
    assert "does not know these trackers (352633" in said
    assert sink.rows == []


def test_replay_sends_each_vehicle_as_a_tracker(tmp_path: Path) -> None:
    file = tmp_path / "track.csv"
    file.write_text(TRACK)
    with Sink("wialon") as sink:
        code, said = run(
            "replay", str(file), "--protocol", "wialon", "--speed", "max", "--id-prefix", "x-", "--port", str(sink.port)
        )
    assert (code, "60 acknowledged of 60" in said) == (0, True)
    assert "bus 0: 30 fixes as tracker x-bus 0" in said
    assert sorted({name for name, _ in sink.rows}) == ["x-bus 0", "x-bus 1"]
    assert [row["time"] for name, row in sink.rows if name == "x-bus 1"] == [
        f"2026-01-26T15:57:{n:02d}.000Z" for n in range(1, 60, 2)
    ]


def test_replay_keeps_the_pace_and_moves_the_times(tmp_path: Path) -> None:
    file = tmp_path / "track.csv"
    file.write_text(TRACK)
    with Sink("gt06") as sink:
        code, said = run("replay", str(file), "--speed", "50", "--shift-to-now", "--port", str(sink.port))
    assert (code, "60 acknowledged of 60" in said) == (0, True)
    assert all(str(row["time"]) > "2026-06" for _, row in sink.rows)


@pytest.mark.parametrize(
    ("text", "words", "code", "says"),
    [
        pytest.param(TRACK, ("--speed", "fast"), 2, "--speed is a number such as 10, or max", id="pace"),
        pytest.param(TRACK, ("--id", "1"), 2, "there are 2 vehicles: use --id-prefix", id="one id for two"),
        pytest.param(TRACK.replace("53.4003", "north"), (), 1, "line 5: latitude is 'north', not a number", id="bad row"),
        pytest.param(TRACK, ("--protocol", "gt06,wialon"), 2, "one protocol at a time", id="two protocols"),
    ],
)
def test_replay_says_what_is_wrong(tmp_path: Path, text: str, words: tuple[str, ...], code: int, says: str) -> None:
    file = tmp_path / "track.csv"
    file.write_text(text)
    assert (got := run("replay", str(file), *words))[0] == code
    assert says in got[1]


@pytest.mark.parametrize(
    ("vehicle", "protocol", "known_as"),
    [
        pytest.param("4716", "gt06", "000000000004716", id="a number gets zeros"),
        pytest.param("356307042441013", "gt06", "356307042441013", id="an IMEI stays"),
        pytest.param("bus", "gt06", "868807941927450", id="a name gets an IMEI"),
        pytest.param("bus", "wialon", "bus", id="others take any name"),
    ],
)
def test_what_a_tracker_calls_itself(vehicle: str, protocol: str, known_as: str) -> None:
    assert tracker_id(vehicle, protocol) == known_as


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own, which other runs of it close to the database's user."""
    made = Path(tempfile.mkdtemp(prefix="telematics-demo-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_demo_shows_a_driving_fleet_and_goes_on_after_a_restart(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {f"TELEMATICS_LISTENERS__{name.upper()}__PORT": "0" for name in PROTOCOLS}
    environment |= {"TELEMATICS_PROTOCOLS": ",".join(PROTOCOLS)}
    environment |= {"TELEMATICS_HTTP_HOST": "127.0.0.1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    command = [
        str(Path(sys.executable).with_name("telematics")),
        "demo",
        "--data-dir",
        str(folder / "demo"),
        "--port",
        str(port),
    ]
    counts = []
    for _ in range(2):
        process = subprocess.Popen(
            [*command, "--vehicles", str(len(PROTOCOLS)), "--history", "0.5"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        try:
            assert process.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = process.stdout.readline()
                assert line, said
                said += line
            password = re.search(r"with the password (\S+)", said)
            assert password is not None
            with httpx.Client(base_url=f"http://127.0.0.1:{port}") as web:
                login = {"email": "demo@example.com", "password": password[1]}
                assert web.post("/api/session", data=login).status_code == 200
                positions = web.get("/api/positions").json()
                devices = web.get("/api/devices").json()
                for _ in range(100):  # answers are a moment behind
                    sent = web.get("/api/commands/log").json()
                    if all(one["state"] == "answered" for one in sent):
                        break
                    time.sleep(0.1)
        finally:
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        assert (process.returncode, rest.strip()) == (0, "")
        assert len(positions) == len(devices) == len(PROTOCOLS) + 1  # and the one that the other customer has paid for
        assert {position["protocol"] for position in positions} == set(PROTOCOLS)
        assert [one["state"] for one in sent] == ["answered"] * len(SENT)
        counts.append(sum(position["attributes"]["totalDistance"] for position in positions))
    assert counts[1] >= counts[0] > 0


def test_a_demo_that_an_earlier_version_began_goes_on_with_its_trackers() -> None:
    dealt, before = (Fleet(1, 20, names).vehicles for names in (PROTOCOLS, FORMER))
    there = {vehicle.unique_id for vehicle in before[:18]} | {dealt[18].unique_id}

    class Known:
        devices = SimpleNamespace(named=lambda unique_id: unique_id if unique_id in there else None)
        listeners = SimpleNamespace(ports=dict.fromkeys(FORMER[1:], 1) | {dealt[18].protocol: 1})

    known = _known(cast("Server", Known), dealt, before)
    spoken = [vehicle for vehicle in (*before[:18], dealt[18]) if vehicle.protocol != "gt06"]
    assert [vehicle.unique_id for vehicle in known] == [vehicle.unique_id for vehicle in spoken]


def test_demo_in_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, said = run("demo", "--data-dir", str(tmp_path / "file" / "demo"))
    assert code == 1
    assert "can't write to" in said
    assert "--data-dir" in said
