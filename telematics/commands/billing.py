"""`telematics billing`: charge what is due, and prove that the money is right. A server does the former by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, TypeVar

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from billing import daily, warnings
from billing.check import Problem, problems
from billing.money import plain
from billing.service import UNREACHABLE
from telematics.commands.jobs import billing_on
from telematics.commands.serve import read_settings
from telematics.store.database import Database, open_database
from telematics.store.errors import StoreError, translate

app = typer.Typer(no_args_is_help=True, help="Charges, and the proof of them.")
AHEAD = timedelta(hours=14)  # of UTC: where a day begins first
Result = TypeVar("Result")


@app.command("run")
def run_(
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DATE", help="The last day that is charged, such as 2026-03-31.", show_default="today"
        ),
    ] = None,
) -> None:
    """Charge every account for the days that have begun, and warn those whose money runs out.

    A server does so by itself. It does no harm to run it beside one, to break it off or to start it again: no day is charged
    twice.
    """
    last = None if until is None else until.date()
    if last is not None and last > (datetime.now(UTC) + AHEAD).date():
        raise typer.BadParameter(f"{last} has not begun anywhere: a day is charged when it begins", param_hint="--until")
    out = Console(highlight=False, soft_wrap=True)
    ran, warned = _on_database(lambda database: _charge(database, last, out))
    out.print(summary(ran))
    if warned:
        out.print(f"{_count(warned, 'account')} warned")
    if ran.failed:
        numbers = ", ".join(map(str, sorted(ran.failed)[:20]))
        typer.echo(f"Accounts that can't be charged: {numbers}. `telematics billing check` says more of them", err=True)
    if ran.left:
        typer.echo(
            f"{_count(ran.left, 'day')} of accounts are still to be charged: something else had the accounts locked. "
            "Run it again, and if that doesn't help, look for a transaction that stands still (pg_stat_activity)",
            err=True,
        )
    if ran.left or ran.failed:
        raise typer.Exit(1)


@app.command()
def check() -> None:
    """Work the money out anew from the ledger alone, and tell what is wrong where. Changes nothing."""
    found = _on_database(_problems)
    for problem in found:
        typer.echo(f"{problem.where}: {problem.what}")
    if found:
        typer.echo(
            f"{_count(len(found), 'problem')}. Put them right by reversing entries; nothing else changes the ledger", err=True
        )
        raise typer.Exit(1)
    typer.echo("Nothing is wrong: balances, charges and blocks are what the ledger and the rules say")


def summary(ran: daily.Ran) -> str:
    """In a sentence; amounts by currency."""
    if not ran.days:
        return "Nothing was due: every account is charged through its today"
    charged = ", ".join(f"{plain(amount, currency)} {currency}" for currency, amount in sorted(ran.amounts.items()) if amount)
    said = f"{_count(ran.days, 'day')} of accounts, {_count(ran.trackers, 'tracker')} charged"
    said += f" ({charged})" if charged else ""
    return said + (f", {_count(ran.blocked, 'tracker')} blocked for want of money" if ran.blocked else "")


async def _charge(database: Database, until: date | None, out: Console) -> tuple[daily.Ran, int]:
    bars = (TextColumn("Charging"), BarColumn(), MofNCompleteColumn(), TextColumn("days of accounts"), TimeRemainingColumn())
    with Progress(*bars, console=out, transient=True, disable=not out.is_terminal) as progress:
        task = progress.add_task("", total=None)
        ran = await daily.run(
            database, until=until, progress=lambda done, total: progress.update(task, completed=done, total=total)
        )
    tell = billing_on(database, database.settings).tell
    assert tell is not None
    warned = await warnings.warn_of_blocks(database, tell)
    return ran, warned + await warnings.warn_of_low_money(database, tell)


async def _problems(database: Database) -> list[Problem]:
    return await problems(database)


def _on_database(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """What it gives; one sentence and exit code 1 when the database can't be used."""

    async def call() -> Result:
        async with open_database(read_settings()) as database:
            return await work(database)

    try:
        return asyncio.run(call())
    except StoreError as error:
        typer.echo(str(error), err=True)
    except UNREACHABLE as error:
        reason = translate(error) if isinstance(error, psycopg.Error) else None
        typer.echo(f"{reason or error}: what was charged until then is charged, start it again for the rest", err=True)
    except KeyboardInterrupt:
        typer.echo("Broken off: what was charged is charged, the rest is still due", err=True)
    raise typer.Exit(1)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
