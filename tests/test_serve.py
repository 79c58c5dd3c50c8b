"""`telematics serve` as its administrator meets it: a first start, mistakes, and being told to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telematics.store.embedded import Embedded

NAMES = ("GT06", "TELTONIKA", "WIALON", "OSMAND")


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELEMATICS_")}
    environment |= {f"TELEMATICS_LISTENERS__{name}__PORT": "0" for name in NAMES} | {
        "TELEMATICS_PROTOCOLS": ",".join(NAMES).lower()
    }
    environment |= {"TELEMATICS_DATA_DIR": str(folder / "data"), "TELEMATICS_HTTP_HOST": "127.0.0.1", **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "telematics", "serve"],
        env=environment, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def until_ready(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not get ready")


def test_the_first_start_tells_the_login_and_a_stop_leaves_nothing_running(tmp_path: Path) -> None:
    for start, told in ((1, True), (2, False)):
        port = free_port()
        with serving(tmp_path, TELEMATICS_HTTP_PORT=str(port), TELEMATICS_LOG_JSON="true") as process:
            until_ready(port)
            process.send_signal(signal.SIGTERM)
            out, _ = process.communicate(timeout=30)
            assert process.returncode == 0
            assert (f"Log in at http://127.0.0.1:{port} as admin@localhost with the password " in out) is told, start
    assert Embedded(tmp_path / "data").pid is None


def test_told_to_stop_during_the_start_it_stops(tmp_path: Path) -> None:
    with serving(tmp_path, TELEMATICS_HTTP_PORT="0") as process:
        while not (tmp_path / "data").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0
        assert "Traceback" not in said
    assert Embedded(tmp_path / "data").pid is None


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        pytest.param("TELEMATICS_HTTP_PORT", "TAKEN", "can't listen for browsers on 127.0.0.1:", id="pages' port taken"),
        pytest.param("TELEMATICS_LISTENERS__GT06__PORT", "TAKEN", "gt06: port ", id="a tracker's port taken"),
        pytest.param("TELEMATICS_DATA_DIR", "/proc/nowhere", "the data folder /proc/nowhere can't be used", id="no data folder"),
        pytest.param("TELEMATICS_DATABASE_URL", "postgresql://127.0.0.1:1/x", "the database can't be reached", id="no database"),
        pytest.param("TELEMATICS_LIMITS__IDLE_S", "-1", "setting limits.idle_s: ", id="an impossible setting"),
        pytest.param("TELEMATICS_CONFIG", "none.toml", "none.toml: there is no such file", id="no settings"),
        pytest.param("TELEMATICS_CONFIG", "/dev/full", "/dev/full: ", id="settings that are no file"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        value = str(taken.getsockname()[1]) if value == "TAKEN" else value
        more = {"TELEMATICS_LISTENERS__GT06__HOST": "127.0.0.1", "TELEMATICS_HTTP_PORT": "0", "TELEMATICS_LOG_LEVEL": "error"}
        with serving(tmp_path, **{**more, name: value}) as process:
            out, said = process.communicate(timeout=40)
    assert process.returncode == 1
    assert out == ""
    assert said.startswith(sentence)
    assert said.count("\n") == 1
    assert Embedded(tmp_path / "data").pid is None
