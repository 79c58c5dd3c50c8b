"""The check finds what is wrong, and nothing where all is well: each fault is planted past the triggers, by SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from psycopg import AsyncConnection

from billing.check import problems, problems_on
from telematics.config import Settings
from telematics.store.database import Database, open_database
from tests.billing.world import World
from tests.conftest import new_database


async def busy(database: Database) -> World:
    """An account with a past: four trackers, one of them a test, one blocked for money, one by its owner."""
    world = await World.begin(database, "2026-01-10 15:30", money=1_500_00)
    await world.connect("A", "B", "C", "D")
    await world.at("2026-01-12 09:00")
    await world.set_test("D")
    await world.days("2026-02-12")
    await world.block("B")
    await world.days("2026-02-14")
    world.later(hours=1)
    await world.reverse(await world.newest("daily"), 1)
    await world.spend(60_00)
    await world.days("2026-02-17")
    return world


async def test_a_busy_account_is_in_order(database: Database) -> None:
    world = await busy(database)
    assert await world.states() == {"A": "working", "B": "owner", "C": "unpaid", "D": "test"}
    assert await problems(database) == []


FAULTS = [
    pytest.param(
        "UPDATE ledger_lines SET amount = amount + 7 WHERE entry_id = (SELECT min(id) FROM ledger_entries) AND no = 2",
        "its lines add up to 7 instead of 0", id="an entry that doesn't balance",
    ),
    pytest.param(
        "DELETE FROM ledger_lines WHERE entry_id = (SELECT min(id) FROM ledger_entries)", "it has no lines", id="no lines"
    ),
    pytest.param(
        "DELETE FROM ledger_lines WHERE entry_id = (SELECT min(id) FROM ledger_entries) AND no = 1", "it has a single line",
        id="a single line",
    ),
    pytest.param("DELETE FROM ledger_entries WHERE kind = 'refund'", "its lines have no entry", id="lines without an entry"),
    pytest.param(
        "UPDATE ledger_entries SET amount = amount - 1 WHERE kind = 'connection'",
        "it says it moves -120001 of the customer's money, its lines move -120000", id="an entry's own word",
    ),
    pytest.param(
        "UPDATE ledger_lines SET day = day - 1 WHERE entry_id = (SELECT min(id) FROM ledger_entries)",
        "it is of 2026-01-10, its lines are of 2026-01-09 to 2026-01-09", id="a line's day",
    ),
    pytest.param(
        "UPDATE ledger_lines SET ledger_id = 999999 WHERE entry_id = (SELECT min(id) FROM ledger_entries) AND no = 2",
        "a line is of a ledger account that does not exist", id="a line of nowhere",
    ),
    pytest.param(
        "UPDATE ledger_entries SET currency = 'RUB' WHERE kind = 'topup'", "currencies are mixed in it",
        id="currencies",
    ),
    pytest.param(
        "UPDATE ledger_entries SET account_id = account_id + 1 WHERE kind = 'topup'", "it moves another account's money",
        id="another account's money",
    ),
    pytest.param(
        "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'customer'", "lines add up to",
        id="a balance moved by hand"
    ),
    pytest.param(
        "UPDATE ledger_accounts SET balance = 5 WHERE kind = 'revenue'", "its balance is 5, its lines add up to",
        id="a balance where none is kept",
    ),
    pytest.param(
        "UPDATE ledger_lines SET amount = CASE no WHEN 1 THEN 100 ELSE -100 END"
        " WHERE entry_id = (SELECT min(id) FROM ledger_entries)",
        "it took the customer ledger below zero, to -119900", id="below zero",
    ),
    pytest.param(
        "WITH twice AS (UPDATE ledger_lines SET day = day - 1 WHERE daily AND day = '2026-02-11' RETURNING 1)"
        " UPDATE ledger_lines SET daily = false WHERE daily AND day = '2026-02-10'",
        "2026-02-10 was charged 2 times, by entries", id="a day twice",
    ),
    pytest.param(
        "UPDATE ledger_lines SET amount = amount - 1 WHERE daily AND day = '2026-02-10'",
        "1072 was charged for 2026-02-10 instead of 1071", id="a share of another size",
    ),
    pytest.param(
        "UPDATE ledger_lines SET amount = 100 - amount WHERE tracker_id IS NOT NULL AND day = '2026-01-10'",
        "-30100 was charged for connection instead of 30000", id="a connection of another size",
    ),
    pytest.param(
        "UPDATE ledger_lines SET version_id = (SELECT min(id) FROM tariff_versions) WHERE daily AND day = '2026-02-10'",
        "on 2026-02-10 the account was not on the tariff that was charged", id="another tariff",
    ),
    pytest.param(
        "UPDATE ledger_lines SET version_id = 999999 WHERE daily AND day = '2026-02-10'",
        "the daily charge names no version of a tariff", id="no version",
    ),
    pytest.param(
        "UPDATE ledger_lines SET tracker_id = 999999 WHERE daily AND day = '2026-02-10' AND no = 1",
        "the daily charge is not of a tracker of the account", id="nobody's tracker",
    ),
    pytest.param(
        "WITH later AS (INSERT INTO tariff_versions (tariff_id, since, price) SELECT tariff_id, '2026-02-12', 40000"
        " FROM billing_accounts RETURNING 1) SELECT 1",
        "the version charged was not in force on 2026-02-12", id="a version that wasn't in force",
    ),
    pytest.param(
        "WITH e AS (UPDATE ledger_entries SET day = '2026-02-09' WHERE kind = 'daily' AND day = '2026-02-10' RETURNING 1)"
        " UPDATE ledger_lines SET day = '2026-02-09' WHERE daily AND day = '2026-02-10'",
        "2026-02-09 was charged, which the connection of 2026-01-10 covers", id="a day within a connection's",
    ),
    pytest.param(
        "UPDATE ledger_lines SET tracker_id = (SELECT id FROM billed_trackers WHERE name = 'B')"
        " WHERE daily AND day = '2026-02-14' AND no = 2",
        "2026-02-14 was charged while it was blocked since 2026-02-12 (owner)", id="a day while blocked",
    ),
    pytest.param(
        "UPDATE billed_trackers SET removed_at = '2026-02-13 12:00Z' WHERE name = 'A'",
        "2026-02-14 was charged, and it was removed at", id="a day after its removal",
    ),
    pytest.param(
        "DELETE FROM ledger_lines WHERE day = '2026-01-10' AND tracker_id = (SELECT id FROM billed_trackers WHERE name = 'A')",
        "2026-02-10 was charged, and no connection before it", id="a day without a connection",
    ),
    pytest.param(
        "DELETE FROM ledger_lines WHERE day = '2026-01-10' AND tracker_id = (SELECT id FROM billed_trackers WHERE name = 'A')",
        "its connection passes for paid, and there is no charge of it", id="a connection that nobody paid",
    ),
    pytest.param(
        "UPDATE billed_trackers SET connection_due = true WHERE name = 'A'", "it works, and its connection is not paid",
        id="a connection that is due for weeks",
    ),
    pytest.param(
        "UPDATE billed_trackers SET covered_until = '2026-02-28' WHERE name = 'A'",
        "its connection of 2026-01-10 covers it until 2026-02-28 instead of 2026-02-09", id="a longer cover",
    ),
    pytest.param(
        "UPDATE ledger_entries SET kind = 'connection' WHERE kind = 'daily' AND day = '2026-02-11'",
        "its connection was charged on 2026-01-10 and again on 2026-02-11", id="a connection twice",
    ),
    pytest.param(
        "DELETE FROM ledger_lines WHERE daily AND day = '2026-02-11' AND no = 1",
        "2026-02-11 was not charged, and it was working", id="a day skipped among others",
    ),
    pytest.param(
        "DELETE FROM ledger_lines WHERE daily AND day = '2026-02-17' AND no = 1",
        "2026-02-17 was not charged, and it was working", id="the newest day skipped",
    ),
    pytest.param(
        "UPDATE billed_trackers SET blocked = NULL WHERE name = 'B'", "it is marked working, its open blocks say owner",
        id="a tracker that knows nothing of its block",
    ),
    pytest.param(
        "UPDATE billed_trackers SET blocked = 'administrator' WHERE name = 'A'",
        "it is marked administrator, its open blocks say working", id="a tracker without its block",
    ),
    pytest.param("UPDATE devices SET blocked = NULL WHERE name = 'C'", "it is marked working, its tracker", id="a device's mark"),
    pytest.param("DELETE FROM devices WHERE name = 'A'", "it is billed, and device", id="a device that is gone"),
    pytest.param(
        "INSERT INTO devices (account_id, unique_id, name) SELECT min(id), 'new', 'new' FROM accounts", "nothing bills it",
        id="a device that nobody bills",
    ),
    pytest.param("UPDATE blocks SET account_id = account_id + 1", "is another account's", id="a block of another account"),
    pytest.param(
        "UPDATE billed_trackers SET test = (name = 'C')", "it is blocked as unpaid, and test trackers cost nothing",
        id="a test tracker blocked as unpaid",
    ),
    pytest.param(
        "UPDATE blocks SET unpaid = 'connection' WHERE kind = 'unpaid'", "it is blocked for its connection, which is paid",
        id="blocked for what is paid",
    ),
    pytest.param(
        "WITH more AS (UPDATE ledger_entries SET amount = amount + 5000 WHERE kind = 'topup' RETURNING 1) SELECT 1 FROM more",
        "it was blocked on 2026-02-17 as unpaid, and", id="blocked though there was money",
    ),
    pytest.param(
        "UPDATE billing_accounts SET tariff_id = (SELECT min(id) FROM tariffs)",
        "it is blocked as unpaid, and the account's tariff costs nothing", id="blocked on Free",
    ),
    pytest.param(
        "UPDATE ledger_lines SET amount = amount - 1 WHERE reverses_no IS NOT NULL",
        "its line 1 is not the mirror of a line of entry", id="a reversal of another amount",
    ),
    pytest.param(
        "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_check1;"
        " UPDATE ledger_entries SET reverses = 999999 WHERE kind = 'reversal'", "it reverses an entry that does not exist",
        id="a reversal of nothing",
    ),
    pytest.param(
        "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_check;"
        " UPDATE ledger_entries SET kind = 'bonus' WHERE kind = 'reversal'", "it is bonus and reverses an entry",
        id="a reversal in disguise",
    ),
    pytest.param(
        "UPDATE ledger_lines SET ledger_id = (SELECT id FROM ledger_accounts WHERE kind = 'revenue')"
        " WHERE entry_id = (SELECT id FROM ledger_entries WHERE kind = 'reversal')",
        "it reverses no line of the customer's", id="a reversal of the provider's alone",
    ),
    pytest.param(
        "WITH first AS (SELECT id, reverses FROM ledger_entries WHERE kind = 'reversal') INSERT INTO ledger_lines"
        " (entry_id, no, ledger_id, tracker_id, version_id, day, amount, reverses_entry, reverses_no)"
        " SELECT entry_id, 9, ledger_id, tracker_id, version_id, day, amount, 0, 1 FROM ledger_lines"
        " WHERE reverses_no IS NOT NULL",
        "is not the mirror of a line of entry", id="another line in a reversal",
    ),
    pytest.param("DELETE FROM billing_accounts", "it has no billing", id="an account without billing"),
    pytest.param(
        "DELETE FROM tariff_periods WHERE day IS NOT NULL", "its changes say", id="a tariff that nobody chose"
    ),
    pytest.param("UPDATE billing_accounts SET currency = 'RUB'", "its money is RUB, its tariff's EUR", id="a tariff's currency"),
    pytest.param(
        "UPDATE billing_accounts SET currency = 'RUB'", "its money is RUB, its customer ledger's EUR", id="a ledger's currency"
    ),
    pytest.param(
        "UPDATE billing_accounts SET charged_through = '2026-02-16'", "and only days up to 2026-02-16 are charged",
        id="days ahead"
    ),
    pytest.param(
        "INSERT INTO tariff_periods (account_id, tariff_id, since, day, counted)"
        " SELECT account_id, tariff_id, '2026-02-17', '2026-02-17', true FROM billing_accounts, generate_series(1, 3)",
        "the customer changed its tariff 3 times in 2026-02", id="three changes in a month",
    ),
    pytest.param(
        "INSERT INTO sms_charges (delivery_id, account_id, amount, state) SELECT 1, account_id, 1500, 'reserved'"
        " FROM billing_accounts",
        "0 are set aside for SMS, and those on their way cost 1500", id="an SMS without money",
    ),
    pytest.param(
        "INSERT INTO refunds (account_id, kind, amount, currency) SELECT account_id, 'balance', 500, 'EUR' FROM billing_accounts",
        "0 are set aside for refunds, and 500 are asked back", id="a refund without money",
    ),
    pytest.param(
        "INSERT INTO payments (account_id, provider, amount, currency, state)"
        " SELECT account_id, 'cash', 500, 'EUR', 'paid' FROM billing_accounts",
        "it is paid, and the ledger has no entry of it", id="a payment that is not in the ledger",
    ),
    pytest.param(
        "INSERT INTO payments (account_id, provider, amount, currency, state, entry_id)"
        " SELECT account_id, 'cash', 500, 'EUR', 'paid', id FROM ledger_entries WHERE kind = 'topup'",
        "it is of 500, entry", id="a payment of another amount",
    ),
    pytest.param(
        "INSERT INTO payments (account_id, provider, amount, currency, state, entry_id)"
        " SELECT account_id, 'cash', amount, 'EUR', 'failed', id FROM ledger_entries WHERE kind = 'topup'",
        "it is failed, and entry", id="a payment that failed and counts",
    ),
    pytest.param(
        "INSERT INTO payments (account_id, provider, amount, currency, state, entry_id)"
        " SELECT account_id, 'cash', amount, 'EUR', 'paid', id FROM ledger_entries, generate_series(1, 2) WHERE kind = 'topup'",
        "it is claimed by payment", id="a payment twice",
    ),
    pytest.param(
        "INSERT INTO payments (account_id, provider, amount, currency, state, entry_id)"
        " SELECT account_id, 'cash', -amount, 'EUR', 'paid', id FROM ledger_entries WHERE kind = 'connection'",
        "is of the kind connection", id="a payment that is a charge",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def busy_url(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with new_database(server_url, template) as url:
        asyncio.run(_fill(Settings(database_url=url, data_dir=tmp_path_factory.mktemp("data"))))
        yield url


async def _fill(settings: Settings) -> None:
    async with open_database(settings) as database:
        await busy(database)


@pytest.mark.parametrize(("text", "said"), FAULTS)
async def test_a_fault_is_found(busy_url: str, text: str, said: str) -> None:
    """In a transaction that is taken back; without triggers, as an accident or a thief would."""
    async with await AsyncConnection.connect(busy_url) as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        assert (await connection.execute(text.encode())).rowcount, "nothing was planted"
        found = await problems_on(connection)
        await connection.rollback()
    assert any(said in problem.what for problem in found), found
