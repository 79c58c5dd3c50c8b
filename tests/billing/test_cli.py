"""`telematics billing` and `serve --role jobs` as an operator meets them, and what the doctor says of billing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from billing.check import Problem
from telematics.cli import app
from telematics.commands import billing as command
from telematics.commands import doctor
from telematics.store.database import Database
from telematics.store.errors import StoreBusy
from tests.api.conftest import eventually
from tests.billing.test_service import behind, dailies, has_dailies
from tests.store.rows import fetch


async def run(database: Database, *words: str) -> tuple[int, str]:
    """Exit code and what was said, in a thread: the command has a loop of its own."""
    await asyncio.to_thread(Path(os.environ["TELEMATICS_CONFIG"]).touch)
    environment = {"COLUMNS": "300", "NO_COLOR": "1", "TELEMATICS_DATABASE_URL": str(database.settings.database_url)}
    result = await asyncio.to_thread(CliRunner(env=environment).invoke, app, ["billing", *words])
    return result.exit_code, re.sub(r"\d{4}-\d\d-\d\dT.*\n", "", result.output)


async def test_run_charges_what_is_due_and_says_what(database: Database) -> None:
    world = await behind(database, days=3, money=300_00 + 24_00)
    code, said = await run(database, "run")
    assert code == 0
    spent = sum(-amount for *_, amount in await world.charges(kind="daily"))
    charged = f"33 days of accounts, 2 trackers charged ({spent / 100:.2f} EUR), 1 tracker blocked for want of money"
    assert said == f"{charged}\n1 account warned\n"
    assert await fetch(database, "SELECT type FROM alerts") == [("trackerBlocked",)]
    assert await run(database, "run") == (0, "Nothing was due: every account is charged through its today\n")


async def test_run_until_a_day_leaves_the_others(database: Database) -> None:
    world = await behind(database, days=3)
    last = (datetime.now(UTC) - timedelta(days=2)).date()
    code, said = await run(database, "run", "--until", last.isoformat())
    assert code == 0, said
    assert await dailies(world) == 1
    assert said.startswith("31 days of accounts, 1 tracker charged (")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--until", "2999-01-01"], "2999-01-01 has not begun anywhere"),
        (["--until", "tomorrow"], "does not match"),
        (["--until", "2026-02-30"], "does not match"),
    ],
)
async def test_days_that_make_no_sense_are_refused(database: Database, words: list[str], says: str) -> None:
    code, said = await run(database, "run", *words)
    assert code == 2
    assert says in said


async def test_accounts_that_stay_locked_are_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.daily.OTHERS_S", 0.1)
    world = await behind(database)
    async with world.book():  # charged through today, not committed
        code, said = await run(database, "run")
    assert code == 1
    assert "33 days of accounts are still to be charged: something else had the accounts locked" in said


async def test_a_database_that_is_away_is_one_sentence(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreBusy("the database can't be reached (connection refused)")

    monkeypatch.setattr(command.daily, "run", away)
    assert await run(database, "run") == (1, "the database can't be reached (connection refused)\n")


async def test_check_says_what_is_wrong_where(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    world = await behind(database)
    assert await run(database, "check") == (
        0,
        "Nothing is wrong: balances, charges and blocks are what the ledger and the rules say\n",
    )
    async with database.pool.connection() as connection:
        await connection.execute("ALTER TABLE ledger_accounts DISABLE TRIGGER USER")
        await connection.execute("UPDATE ledger_accounts SET balance = balance + 7 WHERE account_id = %s", [world.account_id])
        await connection.execute("ALTER TABLE ledger_accounts ENABLE TRIGGER USER")
    code, said = await run(database, "check")
    assert code == 1
    assert re.search(rf"^.*account {world.account_id}\b.*: .*7", said, re.MULTILINE)
    assert "1 problem. Put them right by reversing entries; nothing else changes the ledger" in said


async def test_the_doctor_says_who_is_behind_and_what_is_wrong(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await doctor._charged(database)).level == "good"
    world = await behind(database, days=3)
    found = await doctor._charged(database)
    assert (found.level, found.what) == ("bad", "billing: 33 days of 1 account are still to be charged")
    assert "telematics billing run" in found.do
    await world.at((datetime.now(UTC) - timedelta(days=1)).isoformat())
    await world.run()
    assert (await doctor._charged(database)).level == "note"
    assert (await doctor._right(database)).level == "good"

    async def wrong(_: Database) -> list[Problem]:
        return [Problem("account 7, entry 9", "it has no lines"), Problem("account 8", "x")]

    monkeypatch.setattr(doctor, "problems", wrong)
    found = await doctor._right(database)
    assert (found.level, found.what) == (
        "bad",
        "billing: 2 problems in the ledger, the first: account 7, entry 9: it has no lines",
    )

    async def slow(_: Database) -> list[Problem]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(doctor, "problems", slow)
    monkeypatch.setattr(doctor, "PROOF_S", 0.05)
    assert (await doctor._right(database)).level == "note"


async def test_the_jobs_role_charges_and_listens_nowhere(database: Database, tmp_path: Path) -> None:
    world = await behind(database, days=2)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELEMATICS_")}
    environment |= {
        "TELEMATICS_DATABASE_URL": str(database.settings.database_url), "TELEMATICS_DATA_DIR": str(tmp_path / "data"),
        "TELEMATICS_ROLE": "jobs", "TELEMATICS_HTTP_PORT": "1",  # which nobody may open, and nobody does
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "telematics", "serve", env=environment, cwd=tmp_path, stdout=PIPE, stderr=PIPE
    )
    try:
        await eventually(lambda: has_dailies(world, 2), 30)
        assert await asyncio.to_thread(listening, process.pid) == 0
        process.send_signal(signal.SIGTERM)
        out, told = await asyncio.wait_for(process.communicate(), 20)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    said = told.decode()
    assert process.returncode == 0, said
    assert out == b""
    assert "charged" in said
    assert "Traceback" not in said


def listening(pid: int) -> int:
    """TCP sockets of the process that listen."""
    import psutil

    return sum(connection.status == psutil.CONN_LISTEN for connection in psutil.Process(pid).net_connections("tcp"))
