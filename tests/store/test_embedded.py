"""The PostgreSQL that comes with the server, started and killed for real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from telematics.config import Settings
from telematics.store.database import open_database
from telematics.store.embedded import Embedded
from telematics.store.errors import StoreBusy, StoreRefused
from telematics.store.records import Batch
from telematics.store.writer import Writer
from tests.store.rows import fetch, make_rows

USER = """
import sys, time
from pathlib import Path
from telematics.store.embedded import Embedded
server = Embedded(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    server = Embedded(tmp_path)
    server.start()
    yield server
    server.stop()


def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_keeps_what_was_committed(embedded: Embedded) -> None:
    with psycopg.connect(embedded.conninfo) as connection:
        found = connection.execute(
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),"
            " current_setting('listen_addresses'), current_setting('server_encoding'), lower('ÄЖ')"
        ).fetchone()
    assert found == ("on", "on", "on", "", "UTF8", "äж")


def test_the_last_one_stops_it(tmp_path: Path) -> None:
    """Another process uses it as well, such as a command beside the server."""
    mine = Embedded(tmp_path)
    mine.start()
    pid = mine.pid
    assert pid is not None
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", USER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        assert time.monotonic() - began < 10
        mine.stop()
        assert not _gone(pid)
        other.communicate()
    assert _gone(pid)
    assert mine.pid is None
    assert mine.start()  # and it starts again
    mine.stop()


def test_a_killed_user_does_not_count(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", USER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline()
        other.kill()
    server = Embedded(tmp_path)
    pid = server.pid
    assert pid is not None, "PostgreSQL outlives a killed server"
    server.start()
    assert server.pid == pid, "and is found running"
    server.stop()
    assert _gone(pid)


def test_ctrl_c_is_not_for_the_database(tmp_path: Path) -> None:
    """A terminal sends it to the whole group of processes."""
    begin, end = "print(server.start(), flush=True)\nsys.stdin.read()", "    pass"
    # What a shell starts behind itself ignores Ctrl-C, and so would all that it starts
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    patient = heard + USER.replace(
        begin, f"server.start()\ntry:\n    print(flush=True)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n{end}"
    )
    with subprocess.Popen(
        [sys.executable, "-c", patient, tmp_path],
        stdout=subprocess.PIPE, start_new_session=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline()
        pid = Embedded(tmp_path).pid
        assert pid is not None
        os.killpg(other.pid, signal.SIGINT)
        assert other.wait(20) == 0, "stopped cleanly, database and all"
    assert _gone(pid)


async def test_killed_postgres_is_revived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEMATICS_CONFIG", str(tmp_path / "none.toml"))
    async with open_database(Settings(database_url=None, data_dir=tmp_path)) as database, Writer(database) as writer:
        await database.revive()  # nothing to do
        for number in range(4):
            batch = Batch(make_rows(1, [number], first_id=number))
            for _ in range(100):
                try:
                    await writer.commit(batch)  # its process may outlive the first one for one more commit
                    break
                except StoreBusy:
                    await database.revive()
            assert database.server_pid is not None or number
            if database.server_pid is not None:
                os.kill(database.server_pid, signal.SIGKILL)
        for _ in range(100):
            try:
                await database.revive()
                break
            except StoreBusy:
                await asyncio.sleep(0.1)
        assert await fetch(database, "SELECT count(*) FROM positions") == [(4,)]


async def test_what_keeps_it_from_starting_again_is_waited_for(tmp_path: Path) -> None:
    """Such as a disk that filled up under it: a person makes room, and everything goes on."""
    async with open_database(Settings(database_url=None, data_dir=tmp_path)) as database:
        assert database.server_pid is not None
        os.kill(database.server_pid, signal.SIGKILL)
        marker = tmp_path / "database" / "PG_VERSION"
        version = marker.read_text()
        marker.write_text("1")
        told = ""
        for _ in range(200):  # its end may not be seen at once
            try:
                await database.revive()
            except StoreBusy as busy:
                told = str(busy)
                if "are of PostgreSQL 1" in told:
                    break
            await asyncio.sleep(0.05)
        assert "are of PostgreSQL 1" in told
        marker.write_text(version)
        for _ in range(200):
            with contextlib.suppress(StoreBusy):
                await database.revive()
                break
            await asyncio.sleep(0.1)
        assert await fetch(database, "SELECT 1") == [(1,)]


def test_a_pid_that_is_somebody_elses_by_now(tmp_path: Path) -> None:
    """After a crash of the machine, or in a container, where the same pids come again."""
    server = Embedded(tmp_path)
    server.start()
    pid = server.pid
    assert pid is not None
    left = (server.data / "postmaster.pid").read_text()
    server.stop()
    owner = server.data.stat()
    (server.data / "postmaster.pid").write_text(left.replace(str(pid), str(os.getpid()), 1))
    os.chown(server.data / "postmaster.pid", owner.st_uid, owner.st_gid)
    assert server.pid is None
    server.start()
    with psycopg.connect(server.conninfo) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop()


def test_a_start_that_was_killed_half_way(tmp_path: Path) -> None:
    (tmp_path / "database.new").mkdir()
    (tmp_path / "database.new" / "PG_VERSION").write_text("18\n")
    server = Embedded(tmp_path)
    server.start()
    server.stop()
    assert (tmp_path / "database" / "PG_VERSION").exists()


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    server = Embedded(tmp_path / ("deep" * 30))
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    server.stop()


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreRefused, match=r"can't be used .* make it writable, or set data_dir to another folder"):
        Embedded(tmp_path / "file" / "data").start()


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "letters.txt").write_text("dear")
    with pytest.raises(StoreRefused, match="can't be used"):
        Embedded(tmp_path).start()
    assert (tmp_path / "database" / "letters.txt").read_text() == "dear"


def test_data_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "PG_VERSION").write_text("16\n")
    with pytest.raises(StoreRefused, match="are of PostgreSQL 16, the embedded one is 18: dump them"):
        Embedded(tmp_path).start()


def test_a_database_that_will_not_start_says_why(tmp_path: Path) -> None:
    server = Embedded(tmp_path)
    server.start()
    server.stop()
    with (server.data / "postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = 'a lot'\n")
    with pytest.raises(StoreRefused, match=r"did not start \(.*postgresql.conf.*\): see .*database.log"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_has_one_too(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    folder = tmp_path / "home"
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    for parent in tmp_path.parents:
        if parent != Path("/") and parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o001)
    tmp_path.chmod(0o755)
    program = USER.replace("sys.stdin.read()", "")
    base = sys.base_prefix if not os.access(sys.executable, os.X_OK) else sys.executable
    found = subprocess.run(
        [base, "-c", program, folder], user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], capture_output=True, check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)}, cwd="/",
    )  # fmt: skip
    if b"Permission denied" in found.stderr and b"python" in found.stderr:
        pytest.skip("this Python is installed where other users can't read it")
    assert found.returncode == 0, found.stderr
    assert (folder / "database").stat().st_uid == nobody.pw_uid


async def test_what_is_wrong_with_a_foreign_database_is_one_sentence(server_url: str, tmp_path: Path) -> None:
    async def refused(url: str) -> str:
        with pytest.raises(StoreRefused) as caught:
            async with open_database(Settings(database_url=url, data_dir=tmp_path)):
                pass
        assert "\n" not in str(caught.value)
        return str(caught.value)

    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    assert "can't be reached" in await refused(f"postgresql://postgres@127.0.0.1:{port}/telematics")
    assert "database_url can't be read" in await refused("postgresql://[")
    assert "does not exist: create it" in await refused(psycopg.conninfo.make_conninfo(server_url, dbname="nowhere"))
    assert "does not exist: create it" in await refused(psycopg.conninfo.make_conninfo(server_url, user="noman"))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc TEMPLATE template0")
        try:
            assert "encoding is LATIN1" in await refused(psycopg.conninfo.make_conninfo(server_url, dbname="latin"))
        finally:
            connection.execute("DROP DATABASE latin WITH (FORCE)")


async def test_a_wrong_password(tmp_path: Path) -> None:
    server = Embedded(tmp_path)
    url = server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER USER postgres PASSWORD 'right'")
        (server.data / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        connection.execute("SELECT pg_reload_conf()")
    await asyncio.sleep(0.3)
    try:
        for password, sentence in (("wrong", "refused the password"), (None, "asks for a password")):
            with pytest.raises(StoreRefused, match=sentence):
                async with open_database(
                    Settings(database_url=psycopg.conninfo.make_conninfo(url, password=password), data_dir=tmp_path)
                ):
                    pass
        async with open_database(Settings(database_url=psycopg.conninfo.make_conninfo(url, password="right"), data_dir=tmp_path)):
            pass
    finally:
        server.stop()


async def test_a_user_who_may_not_make_tables(empty_database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute("CREATE ROLE guest LOGIN")
        try:
            with pytest.raises(StoreRefused, match="make it the owner of the database"):
                async with open_database(
                    Settings(database_url=psycopg.conninfo.make_conninfo(empty_database_url, user="guest"), data_dir=tmp_path)
                ):
                    pass
        finally:
            connection.execute("DROP ROLE guest")


async def test_an_old_version(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telematics.store.database.OLDEST", 990000)
    with pytest.raises(StoreRefused, match="99 is the oldest that will do: upgrade it"):
        async with open_database(Settings(database_url=empty_database_url, data_dir=tmp_path)):
            pass
