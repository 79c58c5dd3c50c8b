"""`telematics serve --role jobs`: billing without listeners or pages, beside a server or where there is none.

It tells how it is by its log: what was charged, whom it warned, that it is up to date (once an hour), and what it waits for.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing
from functools import partial

import structlog
import typer
import uvloop

from billing.service import Billing
from telematics.alerts.accounts import tell
from telematics.config import Settings
from telematics.logs import set_up_logs
from telematics.store.changes import Changes
from telematics.store.database import Database, open_database
from telematics.store.errors import StoreError
from telematics.tasks import together

log = structlog.get_logger(__name__)


def billing_on(database: Database, settings: Settings) -> Billing:
    """Billing, put together with what it may not import: the alerts that it warns by. An SMS is not even tried where there is no
    gateway, as everybody has e-mail as well."""
    ways = [way for way in settings.billing.warn_by if way != "sms" or settings.sms.url]
    return Billing(database, settings, partial(tell, ways=ways))


def run_jobs(settings: Settings) -> None:
    """Until Ctrl-C, SIGTERM or the end of the terminal."""
    set_up_logs(settings)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings))
    except StoreError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except asyncio.CancelledError:
        log.info("stopped")


async def _run(settings: Settings) -> None:
    main = asyncio.current_task()
    assert main is not None
    closed = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)  # nohup ignores it
    for number in (signal.SIGINT, signal.SIGTERM, *closed):
        asyncio.get_running_loop().add_signal_handler(number, main.cancel)
    async with open_database(settings) as database:
        changes = Changes(database)
        billing = billing_on(database, settings)
        billing.watch(changes)
        log.info("ready", role="jobs", database=database.edition)
        async with aclosing(billing.providers):
            await together(billing=billing.run(), changes=changes.run())
