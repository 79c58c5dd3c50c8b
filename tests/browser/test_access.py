"""Can everybody use the pages? axe-core (https://github.com/dequelabs/axe-core, a package of dashboards/web) looks for what keeps
people with a screen reader, weak eyes or only a keyboard out; a walk by Tab shows that every page can be gone through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.api.conftest import World
from tests.browser.conftest import DESKTOP, PHONE, Gt06, Visits
from tests.browser.test_pages import ALMATY, add_tracker
from tests.test_web import WEB

pytestmark = pytest.mark.asyncio(loop_scope="module")
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
MORE_STOPS = 20  # a date field has four stops, and the map and the list have one each
VISIT = "document.activeElement !== document.body && (document.activeElement.dataset.visited = 'yes')"
MISSED = """[...document.querySelectorAll('a, button, input, select, summary')]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.tabIndex >= 0)
    .filter((one) => !one.dataset.visited).map((one) => one.outerHTML)"""
FAULTS = """axe.run().then(({ violations }) =>
    violations.flatMap(({ id, impact, nodes }) => nodes.map(({ html }) => [impact, id, html])))"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def device_id(world: World) -> AsyncIterator[int]:
    """Of a vehicle that moves and raises no alarm."""
    imei = "863000000000109"
    device_id = await add_tracker(world, imei, "Accessible lorry")
    async with Gt06(world, imei) as tracker:
        await tracker.report(*ALMATY)
        yield device_id


async def faults(page: Page) -> list[Any]:
    """Of those that keep somebody out."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    return [fault for fault in await page.evaluate(FAULTS) if fault[0] in ("serious", "critical")]


@pytest.mark.parametrize(
    ("scheme", "size", "language"),
    [
        pytest.param("light", DESKTOP, "en-US", id="light, desktop"),
        pytest.param("dark", PHONE, "ru-RU", id="dark, phone, Russian"),
    ],
)
async def test_nobody_is_kept_out(
    visits: Visits, device_id: int, scheme: Literal["light", "dark"], size: dict[str, int], language: str
) -> None:
    async with visits.visitor(scheme=scheme, size=size, language=language) as page:
        await page.goto("/login")
        assert await faults(page) == []
    async with visits.signed_in("admin", scheme=scheme, size=size, language=language) as page:
        if size is PHONE:
            await page.click("#panel-toggle")
        await expect(page.locator("#list .row").first).to_be_visible()
        assert await faults(page) == []
        await page.goto(f"/?device={device_id}")
        await expect(page.locator("#card")).to_be_visible()
        await page.click("#events-button")
        assert await faults(page) == []
        await page.goto(f"/history?device={device_id}")
        await expect(page.locator("#player")).to_be_visible()
        assert await faults(page) == []
        await page.goto("/trackers")
        assert await faults(page) == []
        await page.click("#add")
        await expect(page.locator("#tracker-form")).to_be_visible()
        assert await faults(page) == []
        await page.goto("/account")
        await page.click(".account-button")
        assert await faults(page) == []


@pytest.mark.parametrize("address", ["/", "/history", "/trackers", "/account"])
async def test_tab_goes_through_a_page_and_out_of_it(visits: Visits, device_id: int, address: str) -> None:
    """A trap would never let the focus come to the page's end; and what can be clicked can be reached."""
    async with visits.signed_in("anna") as page:
        await page.goto(f"{address}?device={device_id}")
        if address in ("/", "/history"):
            await expect(page.locator("#card-follow" if address == "/" else "#player")).to_be_visible()
        for _ in range(await page.locator("a, button, input, select, summary").count() + MORE_STOPS):
            await page.keyboard.press("Tab")
            if not await page.evaluate(VISIT):
                break
        else:
            pytest.fail("the focus doesn't leave the page")
        assert await page.evaluate(MISSED) == []
