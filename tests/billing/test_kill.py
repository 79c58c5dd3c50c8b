"""kill -9 between any two statements: a real process ends itself, and whoever comes after goes on as if nothing had been."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from billing.check import problems
from tests.billing import racer
from tests.billing.world import World
from tests.conftest import new_database


@pytest.fixture(scope="module")
def worker() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.billing.racer", "-", "die"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


async def past(url: str) -> None:
    """Three accounts, two days behind: one rich, one that runs dry on the way, one with a connection that is still to be paid."""
    async with racer.opened(url) as database:
        for money, time_zone in ((2_000_00, "UTC"), (925_00, "Asia/Almaty"), (600_00, "America/New_York")):
            world = await World.begin(database, "2026-01-10 15:30", money=money, time_zone=time_zone)
            await world.connect("A", "B")
            if money != 600_00:
                await world.connect("C")
            await world.at("2026-02-20 12:00")
            await world.run()
            async with database.pool.connection() as connection:
                await connection.execute(
                    "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, 'late')", [world.account_id, str(money)]
                )
                await connection.execute("UPDATE billed_trackers SET connected_at = %s WHERE name = 'late'", [world.now])


async def state(url: str) -> dict[str, Any]:
    """All that may differ: movements, balances, trackers."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        questions = {
            "movements": "SELECT e.account_id, e.day, e.kind, t.name, li.amount FROM ledger_lines li"
            " JOIN ledger_entries e ON e.id = li.entry_id LEFT JOIN billed_trackers t ON t.id = li.tracker_id",
            "balances": "SELECT account_id, kind, balance FROM ledger_accounts",
            "trackers": "SELECT account_id, name, blocked, connection_due, covered_until FROM billed_trackers",
            "accounts": "SELECT account_id, tariff_id, charged_through FROM billing_accounts",
        }
        return {
            name: sorted(await (await connection.execute(text.encode())).fetchall(), key=repr) for name, text in questions.items()
        }


@pytest.mark.parametrize("name", ["run", "top_up", "change"])
async def test_killed_before_any_statement(server_url: str, template: str, worker: subprocess.Popen[str], name: str) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with new_database(server_url, template) as before:
        await past(before)
        before_name = str(psycopg.conninfo.conninfo_to_dict(before)["dbname"])
        with new_database(server_url, before_name) as url:
            await again(url, name)
            wanted = await state(url)
        ended, statement = -signal.SIGKILL, 0
        while ended == -signal.SIGKILL:
            statement += 1
            with new_database(server_url, before_name) as url:
                worker.stdin.write(f"{url}\t{name}\t{statement}\n")
                worker.stdin.flush()
                ended = int(worker.stdout.readline())
                found = await again(url, name)
                assert found == [], f"killed before statement {statement}"
                assert await state(url) == wanted, f"killed before statement {statement}"
        assert ended == 0, f"the process ended by itself, before statement {statement}"
        assert statement > 10


async def again(url: str, name: str) -> list[Any]:
    """Whoever comes after; what the check says then."""
    async with racer.opened(url) as database:
        await racer.DOINGS[name](database, random.Random(0))
        await racer.run(database, random.Random(0))
        return await problems(database)
