"""The helper processes that speak Apprise (`helper.py`): kept while they are needed, ended when they take too long.

At most MOST at a time: a gateway that hangs costs its own messages their deadline, and whoever waits for a place theirs, but no
place for ever.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from telematics.alerts.channels import NotSent
from telematics.alerts.channels.said import said

MOST = 4  # about 60 MB each while it lives
IDLE_S = 60.0
LONGEST_ANSWER = 1 << 20
STATUS = re.compile(r"\berror[ =:]+\(?(\d{3})\b")
PASSING = frozenset([408, 425, 429])  # of 4xx those that say "later"


class Helpers:
    def __init__(self, most: int = MOST) -> None:
        self._places = asyncio.Semaphore(most)
        self._idle: list[tuple[Process, asyncio.TimerHandle]] = []
        self._ending: set[asyncio.Task[int]] = set()

    async def notify(self, url: str, *, title: str, body: str, deadline_s: float, public_only: bool = False) -> dict[str, Any]:
        """Raises NotSent."""
        order = {"do": "notify", "url": url, "title": title, "body": body, "public_only": public_only, "timeout_s": deadline_s}
        answer = await self._ask(order, deadline_s)
        if answer["ok"]:
            return answer
        raise self._not_sent(answer, url)

    async def look(self, url: str, *, deadline_s: float) -> dict[str, Any]:
        """What Apprise makes of the URL: service, plugin, host, mode; nothing is sent. Raises NotSent when it can't read it."""
        answer = await self._ask({"do": "look", "url": url}, deadline_s)
        if answer["ok"]:
            return answer
        raise self._not_sent(answer, url)

    async def close(self) -> None:
        for process, timer in self._idle:
            timer.cancel()
            self._end(process)
        self._idle.clear()
        await asyncio.gather(*self._ending)

    async def _ask(self, order: dict[str, Any], deadline_s: float) -> dict[str, Any]:
        asked = False
        try:
            async with asyncio.timeout(deadline_s), self._process() as process:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps(order).encode() + b"\n")
                asked = True
                answer: dict[str, Any] = json.loads(await process.stdout.readline())
                return answer
        except TimeoutError as error:
            reason = f"the gateway didn't answer within {deadline_s:g} s" if asked else "all helpers are busy: a gateway hangs"
            raise NotSent(reason + (": it may have gone out" if asked else ""), uncertain=asked) from error
        except (OSError, ValueError) as error:  # it died on the way
            raise NotSent("the helper process ended unexpectedly", uncertain=asked) from error

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        """A process for one order. It is kept when the order ended well, and ended otherwise: who knows what it is doing."""
        async with self._places:
            kept = self._take()
            process = kept or await _start()
            try:
                assert process.stdout is not None
                if kept is None and not await process.stdout.readline():  # it has read Apprise
                    raise OSError("it can't be started")
                yield process
            except BaseException:
                self._end(process)
                raise
            timer = asyncio.get_running_loop().call_later(IDLE_S, self._dismiss, process)
            self._idle.append((process, timer))

    def _take(self) -> Process | None:
        while self._idle:
            process, timer = self._idle.pop()
            timer.cancel()
            if process.returncode is None:
                return process
        return None

    def _dismiss(self, process: Process) -> None:
        self._idle = [kept for kept in self._idle if kept[0] is not process]
        self._end(process)

    def _end(self, process: Process) -> None:
        """Killed, and seen to be dead: only then its pipes are closed."""
        with suppress(ProcessLookupError):
            process.kill()
        task = asyncio.create_task(process.wait(), name="helper's end")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _not_sent(self, answer: dict[str, Any], url: str) -> NotSent:
        lines = [str(line) for line in answer.get("log", ())]
        secrets = secrets_of(url)
        if answer.get("unreadable"):
            return NotSent(
                "the URL can't be read: " + (said(lines[-1], secrets) if lines else "see Apprise's list"), permanent=True
            )
        words = said(" ".join([str(answer.get("reason", "")), *lines]), secrets) or "no reason given"
        found = STATUS.search(words)
        status = int(found.group(1)) if found else 0
        lost = not answer.get("unreached", True)
        return NotSent(
            f"the gateway did not take it: {words}" + (": it may have gone out" if lost else ""),
            permanent=400 <= status < 500 and status not in PASSING,
            uncertain=lost,
        )


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "telematics.alerts.channels.helper", stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
        limit=LONGEST_ANSWER, env=_environment(),
    )  # fmt: skip


def _environment() -> dict[str, str]:
    """Without our own settings, which hold secrets that a plugin needn't see."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("TELEMATICS_", "APPRISE_", "PG"))}


def secrets_of(url: str) -> list[str]:
    """The pieces of a URL that nobody should read in a reason, the longest first."""
    with suppress(ValueError):
        parts = urlsplit(url)
        found = [parts.username, parts.password, *parts.path.split("/"), *re.split(r"[&=]", parts.query), parts.netloc]
        pieces = {unquote(piece) for piece in found if piece} | {piece for piece in found if piece}
        return sorted((piece for piece in pieces if len(piece) >= 6), key=len, reverse=True)
    return [url]
