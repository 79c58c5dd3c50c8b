"""Accounts and the people in them: made by the API, by `telematics user` and at the server's first start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation, RestrictViolation, UniqueViolation
from psycopg.types.json import Jsonb

from billing.book import book_on
from billing.errors import Refused
from billing.money import shown
from dashboards import passwords, sql
from dashboards.identity import CommandRight
from dashboards.problems import Problem, not_found
from telematics.store.database import Database

PROVIDER = "Provider"  # the account of the first administrator
_PEOPLE_LOCK = 0x70656F706C65  # for pg_advisory_xact_lock: who changes administrators does it alone


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row of `users.sql`."""

    id: int
    account_id: int
    email: str
    name: str
    administrator: bool
    readonly: bool
    disabled: bool
    language: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    phone: str | None = None  # for SMS, +77011234567
    time_zone: str | None = None  # None: the account's
    quiet_hours: list[dict[str, Any]] | None = None  # weekly, telematics/hours.py
    commands: CommandRight = "all"

    @property
    def rights(self) -> tuple[object, ...]:
        return self.account_id, self.administrator, self.readonly, self.disabled, self.commands


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row of `accounts.sql`."""

    id: int
    name: str
    time_zone: str
    language: str
    disabled: bool
    created_at: Any
    mqtt_publish: bool = False
    mqtt_discovery: bool = False


# What is to be done in the same transaction, such as a line of the audit log
ThenAccount = Callable[[AsyncConnection[Any], AccountRow], Awaitable[None]]
ThenUser = Callable[[AsyncConnection[Any], UserRow], Awaitable[None]]
Then = Callable[[AsyncConnection[Any]], Awaitable[None]]


async def create_account(
    database: Database,
    name: str,
    *,
    time_zone: str = "UTC",
    language: str = "en",
    disabled: bool = False,
    then: ThenAccount | None = None,
) -> AccountRow:
    values = {"name": name, "time_zone": time_zone, "language": language, "disabled": disabled}
    async with database.pool.connection(timeout=sql.WAIT_S) as connection:
        (row,) = await sql.rows_on(connection, "account_add", AccountRow, **values)
        if then is not None:
            await then(connection, row)
    return row


async def account_named(database: Database, name: str) -> AccountRow:
    """The account of that name; made when there is none."""
    return await sql.row(database, "account_by_name", AccountRow, name=name) or await create_account(database, name)


async def create_user(
    database: Database,
    *,
    email: str,
    password: str,
    account_id: int,
    name: str = "",
    administrator: bool = False,
    readonly: bool = False,
    disabled: bool = False,
    language: str | None = None,
    attributes: dict[str, Any] | None = None,
    phone: str | None = None,
    time_zone: str | None = None,
    quiet_hours: list[dict[str, Any]] | None = None,
    commands: CommandRight = "all",
    then: ThenUser | None = None,
) -> UserRow:
    """Raises Problem 400 when the e-mail is taken, 404 when there is no such account."""
    password_hash = await passwords.hashed(password)
    try:
        async with database.pool.connection(timeout=sql.WAIT_S) as connection:
            (row,) = await sql.rows_on(
                connection,
                "user_add",
                UserRow,
                email=email.strip().lower(),
                name=name or email,
                password_hash=password_hash,
                account_id=account_id,
                administrator=administrator,
                readonly=readonly,
                disabled=disabled,
                language=language,
                attributes=Jsonb(attributes or {}),
                phone=phone,
                time_zone=time_zone,
                quiet_hours=_json(quiet_hours),
                commands=commands,
            )
            if then is not None:
                await then(connection, row)
    except UniqueViolation:
        raise _taken(email) from None
    except ForeignKeyViolation:
        raise not_found("account") from None
    return row


async def change_user(
    database: Database, changed: UserRow, *, password: str | None = None, then: ThenUser | None = None
) -> UserRow:
    """A new password ends all sessions and tokens. Raises Problem 400 when nobody could administer any more or the e-mail is
    taken, 404 when there is no such account."""
    password_hash = None if password is None else await passwords.hashed(password)
    try:
        async with database.pool.connection(timeout=sql.WAIT_S) as connection:
            await _one_at_a_time(connection)
            saved = await sql.rows_on(
                connection,
                "user_change",
                UserRow,
                id=changed.id,
                account_id=changed.account_id,
                email=changed.email,
                name=changed.name,
                administrator=changed.administrator,
                readonly=changed.readonly,
                disabled=changed.disabled,
                language=changed.language,
                attributes=Jsonb(changed.attributes),
                phone=changed.phone,
                time_zone=changed.time_zone,
                quiet_hours=_json(changed.quiet_hours),
                commands=changed.commands,
                password_hash=password_hash,
            )
            if password is not None:
                await connection.execute(sql.text("close_sessions"), {"user_id": changed.id})
            await _somebody_stays(connection)
            if saved and then is not None:
                await then(connection, saved[0])
    except UniqueViolation:
        raise _taken(changed.email) from None
    except ForeignKeyViolation:
        raise not_found("account") from None
    if not saved:
        raise not_found("user")
    return saved[0]


async def remove_user(database: Database, user_id: int, *, then: Then | None = None) -> None:
    async with database.pool.connection(timeout=sql.WAIT_S) as connection:
        await _one_at_a_time(connection)
        await connection.execute(sql.text("user_remove"), {"id": user_id})
        await _somebody_stays(connection)
        if then is not None:
            await then(connection)


async def change_account(database: Database, changed: AccountRow, *, then: ThenAccount | None = None) -> AccountRow:
    async with database.pool.connection(timeout=sql.WAIT_S) as connection:
        await _one_at_a_time(connection)
        saved = await sql.rows_on(
            connection,
            "account_change",
            AccountRow,
            id=changed.id,
            name=changed.name,
            time_zone=changed.time_zone,
            language=changed.language,
            disabled=changed.disabled,
            mqtt_publish=changed.mqtt_publish,
            mqtt_discovery=changed.mqtt_discovery,
        )
        await _somebody_stays(connection)
        if saved and then is not None:
            await then(connection, saved[0])
    if not saved:
        raise not_found("account")
    return saved[0]


async def remove_account(database: Database, account_id: int, *, then: Then | None = None) -> None:
    """Its days up to today are charged before. Raises Refused: has_money."""
    try:
        async with database.pool.connection(timeout=sql.WAIT_S) as connection:
            await _one_at_a_time(connection)
            book = await book_on(connection, account_id)
            await connection.execute(sql.text("account_remove"), {"id": account_id})
            await _somebody_stays(connection)
            if then is not None:
                await then(connection)
    except RestrictViolation as error:
        if error.diag.constraint_name != "account_has_money":
            raise
        raise Refused(
            "has_money",
            f"{shown(book.balance, book.currency)} are at hand, and more may be set aside: pay the customer back first.",
            balance=book.balance,
            currency=book.currency,
        ) from None


async def set_password(database: Database, email: str, password: str) -> None:
    """And ends all sessions and tokens of the user. Raises Problem 404 when there is no such user."""
    password_hash = await passwords.hashed(password)
    async with database.pool.connection(timeout=sql.WAIT_S) as connection:
        cursor = await connection.execute(
            sql.text("set_password_of"), {"password_hash": password_hash, "email": email.strip().lower()}
        )
        found = await cursor.fetchone()
        if found is None:
            raise Problem(404, f"There is no user {email}", "`telematics user add` makes one.")
        await connection.execute(sql.text("close_sessions"), {"user_id": found[0]})


async def ensure_first_administrator(
    database: Database, email: str = "admin@localhost", password: str | None = None
) -> str | None:
    """Makes an administrator when there is none at all, and gives the password, to be printed once; otherwise None."""
    async with database.pool.connection(timeout=sql.WAIT_S) as connection:
        await _one_at_a_time(connection)
        if await (await connection.execute(sql.text("any_administrator"))).fetchone() is not None:
            return None
        password = password or passwords.generate()
        accounts = await sql.rows_on(
            connection, "account_add", AccountRow, name=PROVIDER, time_zone="UTC", language="en", disabled=False
        )
        await sql.rows_on(
            connection,
            "user_add",
            UserRow,
            account_id=accounts[0].id,
            email=email.strip().lower(),
            name="Administrator",
            password_hash=await passwords.hashed(password),
            administrator=True,
            readonly=False,
            disabled=False,
            language=None,
            attributes=Jsonb({}),
            phone=None,
            time_zone=None,
            quiet_hours=None,
            commands="all",
        )
        return password


def _json(value: list[dict[str, Any]] | None) -> Jsonb | None:
    return None if value is None else Jsonb(value)


async def _one_at_a_time(connection: AsyncConnection[Any]) -> None:
    """Until the transaction ends: two administrators who remove each other at once would leave none."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_PEOPLE_LOCK,))


async def _somebody_stays(connection: AsyncConnection[Any]) -> None:
    """Ends a transaction that would leave nobody who can administer: nobody could give the rights back."""
    found = await (await connection.execute(sql.text("administrators"))).fetchone()
    if not found or not found[0]:
        raise Problem(400, "Nobody could administer the server any more", "Make somebody else an administrator first.")


def _taken(email: str) -> Problem:
    return Problem(400, f"There is a user {email} already", "Choose another e-mail, or change the user who has it.")
