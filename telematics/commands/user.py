"""`telematics user`: people who may sign in, for when nobody can do it on the pages."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from dashboards import passwords, people
from dashboards.problems import Problem
from telematics.commands.serve import read_settings
from telematics.store.database import Database, open_database
from telematics.store.errors import StoreError

app = typer.Typer(no_args_is_help=True, help="People who may sign in.")
Email = Annotated[str, typer.Argument(help="The e-mail that the user signs in with.", show_default=False)]


@app.command()
def add(
    email: Email,
    administrator: Annotated[bool, typer.Option("--administrator", help="Of the provider: sees every account.")] = False,
    readonly: Annotated[bool, typer.Option("--readonly", help="May look, and change nothing.")] = False,
    account: Annotated[str, typer.Option(help="Name of the account; made when there is none.")] = people.PROVIDER,
    name: Annotated[str, typer.Option(help="The person's name; otherwise the e-mail.")] = "",
) -> None:
    """Add somebody. The password is asked for, or read from standard input; an empty one makes a random one, which is printed."""
    password, random = _new_password()

    async def work(database: Database) -> None:
        owner = await people.account_named(database, account)
        await people.create_user(
            database,
            email=email,
            name=name,
            password=password,
            account_id=owner.id,
            administrator=administrator,
            readonly=readonly,
        )

    _on_database(work)
    typer.echo(f"{email} may sign in" + (f" with the password {password}" if random else ""))


@app.command("password")
def change_password(email: Email) -> None:
    """Set a password. All sessions and tokens of the user end."""
    password, random = _new_password()
    _on_database(lambda database: people.set_password(database, email, password))
    typer.echo(f"{email} has a new password" + (f": {password}" if random else ""))


def _new_password() -> tuple[str, bool]:
    """And whether it was made up."""
    if sys.stdin.isatty():
        password = typer.prompt("Password (empty: a random one)", default="", show_default=False, hide_input=True)
        if password and typer.prompt("Once more", hide_input=True) != password:
            raise typer.BadParameter("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        return passwords.generate(), True
    if not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
        raise typer.BadParameter(f"a password has {passwords.SHORTEST} to {passwords.LONGEST} characters")
    return password, False


def _on_database(work: Callable[[Database], Awaitable[None]]) -> None:
    settings = read_settings()

    async def run() -> None:
        async with open_database(settings) as database:
            await work(database)

    try:
        asyncio.run(run())
    except Problem as problem:
        typer.echo(f"{problem.title}. {problem.detail}", err=True)
        raise typer.Exit(1) from None
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
