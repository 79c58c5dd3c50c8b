"""The system's Chromium against the real server with real trackers. A page that complains on its console fails its test.

Chromium is looked for in PATH, or named by TELEMATICS_CHROMIUM. Where there is none, these tests are left out, but not in CI.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from telematics.config import MapSettings, Settings
from telematics.simulator import gt06
from telematics.simulator.fix import Fix
from tests.api.conftest import LISTENERS, PASSWORD, World, cheap_argon2, running
from tests.conftest import new_database as database_copy

__all__ = ["cheap_argon2"]

CHROMIUM = os.environ.get("TELEMATICS_CHROMIUM") or next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
ARGUMENTS = [
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        if CHROMIUM is None and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip("there is no Chromium; install it, or name one with TELEMATICS_CHROMIUM"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The server without a map server: the offline base map is what these tests see."""
    offline = MapSettings(style_url="", style_url_dark="")
    with database_copy(server_url, template) as url:
        settings = Settings(
            database_url=url,
            data_dir=tmp_path_factory.mktemp("data"),
            protocols=tuple(LISTENERS),
            listeners=LISTENERS,
            map=offline,
        )
        async with running(settings) as world:
            yield world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    assert CHROMIUM, "CI needs Chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@dataclass
class Visits:
    """Opens pages as somebody, and sees to it that the console stays silent."""

    browser: Browser
    world: World

    @asynccontextmanager
    async def signed_in(
        self,
        name: str = "anna",
        *,
        at: str = "/",
        size: dict[str, int] = DESKTOP,
        language: str = "en-US",
        scheme: Literal["light", "dark"] = "light",
        **more: Any,
    ) -> AsyncIterator[Page]:
        async with self.visitor(size=size, language=language, scheme=scheme, **more) as page:
            await log_in(page, name, at=at)
            yield page

    @asynccontextmanager
    async def visitor(
        self,
        *,
        size: dict[str, int] = DESKTOP,
        language: str = "en-US",
        scheme: Literal["light", "dark"] = "light",
        quiet: bool = True,
        **more: Any,
    ) -> AsyncIterator[Page]:
        context = await self.browser.new_context(
            base_url=self.world.url,
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme=scheme,
            locale=language,
            device_scale_factor=0.5,  # the map is drawn without a graphics card: a quarter of the pixels, at the same places
            **more,
        )
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        try:
            yield page
        finally:
            await context.close()
        assert not quiet or complaints == []


@pytest_asyncio.fixture(loop_scope="module")
async def visits(browser: Browser, world: World) -> Visits:
    return Visits(browser, world)


async def log_in(page: Page, name: str, password: str = PASSWORD, *, at: str = "/") -> None:
    """By the form, which leads to where one wanted to go: a test that needs no live map shouldn't wait for one."""
    await page.goto(f"/login?next={quote(at, safe='')}")
    await page.fill("[name=email]", f"{name}@example.com")
    await page.fill("[name=password]", password)
    await page.click("#login [type=submit]")
    await page.wait_for_url(f"**{at}")


class Gt06:
    """A tracker on a real socket."""

    def __init__(self, world: World, imei: str) -> None:
        self.world, self.tracker = world, gt06.Tracker(imei)

    async def __aenter__(self) -> Gt06:
        port = self.world.server.listeners.ports["gt06"]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(self.tracker.hello())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def report(self, latitude: float, longitude: float, speed_kmh: float = 40, time: datetime | None = None) -> None:
        """Returns when the server has acknowledged it, so it is stored."""
        now = time or datetime.now(UTC).replace(microsecond=0)
        fix = Fix(time=now, latitude=latitude, longitude=longitude, speed_kmh=speed_kmh, course_deg=90)
        self.writer.write(self.tracker.report([fix]))
        acknowledged = 0
        async with asyncio.timeout(10):
            while acknowledged < 1:
                acknowledged += self.tracker.receive(await self.reader.read(4096))
