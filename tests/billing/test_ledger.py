"""What the database itself refuses of the ledger, whoever asks: here a superuser, by SQL, past all of our code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import Connection, errors

from tests.conftest import new_database

DAY = date(2026, 3, 1)
_numbers = count(1)


@dataclass
class Books:
    """A customer with money's places, written by plain SQL in a transaction that is always rolled back."""

    connection: Connection[Any]
    account: int = 0
    other: int = 0
    customer: int = 0
    clearing: int = 0
    revenue: int = 0
    version: int = 0
    tracker: int = 0

    def one(self, text: str, *values: Any) -> Any:
        row = self.connection.execute(text.encode(), values).fetchone()
        assert row is not None
        return row[0]

    def ledger(self, kind: str, account: int | None = None, currency: str = "EUR", name: str = "") -> int:
        text = "INSERT INTO ledger_accounts (account_id, kind, name, currency) VALUES (%s, %s, %s, %s) RETURNING id"
        return int(self.one(text, account, kind, name, currency))

    def entry(
        self, kind: str, amount: int, *, key: str | None = None, reverses: int | None = None, account: int | None = None
    ) -> int:
        text = """
            INSERT INTO ledger_entries (account_id, kind, currency, amount, day, key, reverses)
            VALUES (%s, %s, 'EUR', %s, %s, %s, %s) RETURNING id"""
        return int(self.one(text, account or self.account, kind, amount, DAY, key or f"key {next(_numbers)}", reverses))

    def lines(self, entry: int, *lines: Sequence[Any], day: date = DAY, first: int = 1) -> None:
        """Each: ledger, amount, and by name whatever else. All by one statement."""
        wanted = ("tracker_id", "version_id", "daily", "reverses_entry", "reverses_no", "no")
        rows = []
        for no, (ledger, amount, *more) in enumerate(lines, first):
            values: dict[str, Any] = {"daily": False, "no": no, **(more[0] if more else {})}
            rows.append([entry, day, ledger, amount, *(values.get(name) for name in wanted)])
        places = ", ".join(["(" + ", ".join(["%s"] * (4 + len(wanted))) + ")"] * len(rows))
        text = f"INSERT INTO ledger_lines (entry_id, day, ledger_id, amount, {', '.join(wanted)}) VALUES {places}"
        self.connection.execute(text.encode(), [value for row in rows for value in row])

    def topped_up(self, amount: int = 10_000) -> int:
        entry = self.entry("topup", amount)
        self.lines(entry, (self.customer, amount), (self.clearing, -amount))
        return entry

    def charged(self, amount: int = 1000) -> int:
        entry = self.entry("daily", -amount)
        of = {"tracker_id": self.tracker, "version_id": self.version, "daily": True}
        self.lines(entry, (self.customer, -amount, of), (self.revenue, amount))
        return entry

    def balance(self, ledger: int | None = None) -> int:
        return int(self.one("SELECT balance FROM ledger_accounts WHERE id = %s", ledger or self.customer))

    def commit(self) -> None:
        """All that a commit would check."""
        self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture(scope="module")
def ledger_url(server_url: str, template: str) -> Iterator[str]:
    with new_database(server_url, template) as url:
        yield url


@pytest.fixture
def books(ledger_url: str) -> Iterator[Books]:
    with psycopg.connect(ledger_url) as connection:
        books = Books(connection)
        books.account = books.one("INSERT INTO accounts (name) VALUES ('mine') RETURNING id")
        books.other = books.one("INSERT INTO accounts (name) VALUES ('other') RETURNING id")
        device = books.one("INSERT INTO devices (account_id, unique_id, name) VALUES (%s, '1', 'A') RETURNING id", books.account)
        books.tracker = books.one("SELECT id FROM billed_trackers WHERE device_id = %s", device)
        books.version = books.one("SELECT id FROM tariff_versions")
        books.customer = books.ledger("customer", books.account)
        books.clearing = books.ledger("clearing", name="test")
        books.revenue = books.ledger("revenue")
        yield books
        connection.rollback()


def test_an_entry_that_balances_is_written_and_moves_the_customers_balance(books: Books) -> None:
    books.topped_up(10_000)
    books.charged(1_000)
    books.commit()
    assert books.balance() == 9_000
    assert books.balance(books.clearing) == books.balance(books.revenue) == 0  # the provider's are sums, not kept


def test_an_entry_that_does_not_add_up_to_zero_is_refused(books: Books) -> None:
    entry = books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, 100), (books.clearing, -99))


def test_a_single_line_is_refused_even_one_of_nothing(books: Books) -> None:
    entry = books.entry("topup", 0)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, 0))


def test_an_entry_without_lines_is_refused_at_commit(books: Books) -> None:
    books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="has no lines"):
        books.commit()


def test_lines_without_an_entry_are_refused(books: Books) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(987_654_321, (books.customer, 100), (books.clearing, -100))


def test_lines_of_a_place_that_is_not_there_are_refused(books: Books) -> None:
    entry = books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (987_654_321, 100), (books.clearing, -100))


@pytest.mark.parametrize("first", [-1, 0, 1, 3, 2_000_000_000])
def test_lines_that_are_added_later_are_refused_though_they_balance(books: Books, first: int) -> None:
    entry = books.topped_up()
    with pytest.raises(errors.IntegrityError):
        books.lines(entry, (books.clearing, 5), (books.clearing, -5), first=first)


def test_what_an_entry_says_it_moves_is_what_its_lines_move(books: Books) -> None:
    entry = books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, 90), (books.clearing, -90))


def test_a_line_of_another_day_than_its_entrys_is_refused(books: Books) -> None:
    entry = books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, 100), (books.clearing, -100), day=date(2026, 3, 2))


def test_the_balance_never_goes_below_zero(books: Books) -> None:
    books.topped_up(999)
    with pytest.raises(errors.CheckViolation, match="never_below_zero"):
        books.charged(1_000)


@pytest.mark.parametrize("kind", ["sms", "refund"])
def test_neither_does_what_is_set_aside(books: Books, kind: str) -> None:
    aside = books.ledger(kind, books.account)
    entry = books.entry("sms_returned", 1)
    with pytest.raises(errors.CheckViolation, match="never_below_zero"):
        books.lines(entry, (books.customer, 1), (aside, -1))


def _daily(books: Books) -> dict[str, Any]:
    return {"tracker_id": books.tracker, "version_id": books.version, "daily": True}


def test_currencies_are_not_mixed(books: Books) -> None:
    rubles = books.ledger("clearing", currency="RUB", name="test")
    entry = books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, 100), (rubles, -100))


def test_a_customer_has_one_place_of_a_kind_in_whatever_currency(books: Books) -> None:
    with pytest.raises(errors.UniqueViolation):
        books.ledger("customer", books.account, currency="RUB")


def test_another_customers_money_is_out_of_reach(books: Books) -> None:
    theirs = books.ledger("customer", books.other)
    entry = books.entry("topup", 100)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, 100), (theirs, 50), (books.clearing, -150))


@pytest.mark.parametrize(
    ("kind", "mine"), [("customer", False), ("sms", False), ("refund", False), ("revenue", True), ("clearing", True)]
)
def test_a_customers_places_have_a_customer_and_the_providers_have_none(books: Books, kind: str, mine: bool) -> None:
    with pytest.raises(errors.CheckViolation):
        books.ledger(kind, books.account if mine else None, name="new")


def test_the_same_thing_does_not_happen_twice(books: Books) -> None:
    books.entry("topup", 100, key="payment:7")
    with pytest.raises(errors.UniqueViolation):
        books.entry("topup", 100, key="payment:7")


def test_a_second_daily_charge_of_a_tracker_on_the_same_day_is_refused(books: Books) -> None:
    books.topped_up()
    books.charged(10)
    with pytest.raises(errors.UniqueViolation, match="ledger_lines_daily"):
        books.charged(10)


def test_a_daily_charge_cannot_hide_as_another_line(books: Books) -> None:
    books.topped_up()
    entry = books.entry("daily", -10)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, -10, {**_daily(books), "daily": False}), (books.revenue, 10))


def test_another_charge_cannot_pass_for_a_daily_one(books: Books) -> None:
    books.topped_up()
    entry = books.entry("connection", -10)
    with pytest.raises(errors.IntegrityConstraintViolation, match="not balanced"):
        books.lines(entry, (books.customer, -10, _daily(books)), (books.revenue, 10))


@pytest.mark.parametrize("lacking", ["tracker_id", "version_id"])
def test_a_daily_charge_tells_tracker_and_version(books: Books, lacking: str) -> None:
    books.topped_up()
    entry = books.entry("daily", -10)
    with pytest.raises(errors.CheckViolation):
        books.lines(entry, (books.customer, -10, {**_daily(books), lacking: None}), (books.revenue, 10))


# --- nothing is changed or removed ---


@pytest.mark.parametrize(
    "text",
    [
        "UPDATE ledger_entries SET amount = amount + 1",
        "UPDATE ledger_entries SET memo = 'nothing to see'",
        "UPDATE ledger_entries SET key = key || 'x'",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries CASCADE",
        "UPDATE ledger_lines SET amount = amount",
        "UPDATE ledger_lines SET tracker_id = NULL",
        "DELETE FROM ledger_lines",
        "TRUNCATE ledger_lines",
        "UPDATE ledger_accounts SET balance = balance + 1 WHERE kind = 'customer'",
        "UPDATE ledger_accounts SET balance = 0",
        "UPDATE ledger_accounts SET name = 'mine' WHERE kind = 'clearing'",
        "UPDATE ledger_accounts SET account_id = account_id + 1 WHERE kind = 'customer'",
        "DELETE FROM ledger_accounts",
        "TRUNCATE ledger_accounts CASCADE",
        "INSERT INTO ledger_accounts (kind, name, currency, balance) VALUES ('clearing', 'gift', 'EUR', 100)",
        "INSERT INTO ledger_entries SELECT * FROM ledger_entries",
        "MERGE INTO ledger_lines l USING ledger_entries e ON e.id = l.entry_id WHEN MATCHED THEN DELETE",
        "INSERT INTO ledger_entries (account_id, kind, currency, amount, day, key) SELECT account_id, kind, currency, 1, day, key"
        " FROM ledger_entries ON CONFLICT (key) DO UPDATE SET amount = 1",
        "INSERT INTO ledger_lines SELECT * FROM ledger_lines ON CONFLICT (entry_id, no) DO UPDATE SET amount = 0",
    ],
)
def test_nothing_of_the_ledger_is_changed_or_removed(books: Books, text: str) -> None:
    version = books.connection.info.server_version
    if text.startswith("MERGE") and version < 150000:
        text = "DELETE FROM ledger_lines USING ledger_entries e WHERE e.id = entry_id"
    books.topped_up()
    books.commit()  # so that nothing of it is pending
    assert books.one("SELECT usesuper FROM pg_user WHERE usename = current_user")
    with pytest.raises((errors.RestrictViolation, errors.GeneratedAlways)):
        books.connection.execute(text.encode())


def test_an_account_with_money_is_not_removed(books: Books) -> None:
    books.topped_up()
    with pytest.raises(errors.RestrictViolation, match="the account has money"):
        books.connection.execute("DELETE FROM accounts WHERE id = %s", [books.account])


def test_the_ledger_outlives_an_account_without_money_and_its_trackers(books: Books) -> None:
    books.topped_up(1_000)
    books.charged(1_000)
    books.connection.execute("DELETE FROM devices WHERE account_id = %s", [books.account])
    books.connection.execute("DELETE FROM accounts WHERE id = %s", [books.account])
    assert books.one("SELECT count(*) FROM ledger_lines JOIN ledger_entries e ON e.id = entry_id") == 4
    assert books.one("SELECT removed_at IS NOT NULL FROM billed_trackers WHERE id = %s", books.tracker)


PAST = {
    "audit": "INSERT INTO audit (action) VALUES ('tariff.changed')",
    "blocks": "INSERT INTO blocks (tracker_id, account_id, kind, day, since) SELECT id, account_id, 'owner', now(), now()"
    " FROM billed_trackers",
    "payments": "INSERT INTO payments (account_id, provider, amount, currency) VALUES (1, 'cash', 100, 'EUR')",
    "payment_events": "INSERT INTO payment_events (provider, event_id, kind, body, outcome)"
    " VALUES ('x', '1', 'paid', '{}', 'kept')",
    "refunds": "INSERT INTO refunds (account_id, kind, amount, currency) VALUES (1, 'balance', 100, 'EUR')",
}


@pytest.mark.parametrize("table", PAST)
def test_what_happened_stays_written(books: Books, table: str) -> None:
    books.connection.execute(PAST[table])
    with pytest.raises(errors.RestrictViolation):
        books.connection.execute(f"DELETE FROM {table}")


# --- reversals ---


def _mirror(books: Books, of: int, no: int = 1) -> dict[str, Any]:
    return {"tracker_id": books.tracker, "version_id": books.version, "reverses_entry": of, "reverses_no": no}


def test_a_reversal_mirrors_what_it_reverses_and_the_money_is_back(books: Books) -> None:
    books.topped_up(10_000)
    charge = books.charged(1_000)
    entry = books.entry("reversal", 1_000, reverses=charge)
    books.lines(entry, (books.customer, 1_000, _mirror(books, charge)), (books.revenue, -1_000))
    books.commit()
    assert books.balance() == 10_000


@pytest.mark.parametrize(
    ("amount", "changes"),
    [
        pytest.param(999, {}, id="another amount"),
        pytest.param(1_000, {"tracker_id": None}, id="another tracker"),
        pytest.param(1_000, {"version_id": None}, id="another version"),
        pytest.param(1_000, {"reverses_no": 2}, id="another line"),
        pytest.param(1_000, {"reverses_no": 9}, id="a line that is not there"),
        pytest.param(1_000, {"reverses_entry": None, "reverses_no": None}, id="nothing"),
    ],
)
def test_a_reversal_that_is_no_mirror_is_refused(books: Books, amount: int, changes: dict[str, Any]) -> None:
    books.topped_up(10_000)
    charge = books.charged(1_000)
    entry = books.entry("reversal", amount, reverses=charge)
    with pytest.raises(errors.IntegrityConstraintViolation):
        books.lines(entry, (books.customer, amount, {**_mirror(books, charge), **changes}), (books.revenue, -amount))


def test_a_line_is_reversed_once(books: Books) -> None:
    books.topped_up(10_000)
    charge = books.charged(1_000)
    first = books.entry("reversal", 1_000, reverses=charge)
    books.lines(first, (books.customer, 1_000, _mirror(books, charge)), (books.revenue, -1_000))
    again = books.entry("reversal", 1_000, reverses=charge)
    with pytest.raises(errors.UniqueViolation, match="ledger_lines_reversed"):
        books.lines(again, (books.customer, 1_000, _mirror(books, charge)), (books.revenue, -1_000))


def test_a_reversal_names_one_entry_and_its_lines_no_other(books: Books) -> None:
    books.topped_up(10_000)
    charge = books.charged(1_000)
    other = books.topped_up(1)
    entry = books.entry("reversal", 1_000, reverses=other)
    with pytest.raises(errors.IntegrityConstraintViolation):
        books.lines(entry, (books.customer, 1_000, _mirror(books, charge)), (books.revenue, -1_000))


def test_a_reversal_without_what_it_reverses_is_refused(books: Books) -> None:
    with pytest.raises(errors.CheckViolation):
        books.entry("reversal", 1_000)


def test_nothing_but_a_reversal_reverses(books: Books) -> None:
    charge = books.topped_up()
    with pytest.raises(errors.CheckViolation):
        books.entry("bonus", 1_000, reverses=charge)


def test_what_is_still_to_come_is_not_reversed(books: Books) -> None:
    charge = books.topped_up()
    with pytest.raises(errors.IntegrityError):
        books.entry("reversal", 1_000, reverses=charge + 1_000_000)


def test_another_accounts_entry_is_not_reversed(books: Books) -> None:
    books.topped_up(10_000)
    charge = books.charged(1_000)
    theirs = books.ledger("customer", books.other)
    entry = books.entry("reversal", 1_000, reverses=charge, account=books.other)
    for ledger in (theirs, books.customer):
        with pytest.raises(errors.IntegrityConstraintViolation), books.connection.transaction():
            books.lines(entry, (ledger, 1_000, _mirror(books, charge)), (books.revenue, -1_000))


def test_a_reversal_that_moves_no_customers_money_is_refused(books: Books) -> None:
    """Otherwise nothing would tie it to what it says it reverses."""
    books.topped_up(10_000)
    charge = books.charged(1_000)
    entry = books.entry("reversal", 0, reverses=charge)
    with pytest.raises(errors.IntegrityConstraintViolation):
        books.lines(entry, (books.clearing, 1_000), (books.revenue, -1_000))
