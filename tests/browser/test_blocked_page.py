"""A blocked vehicle on the pages: off the live map and back without a reload, and unblocked from the list of trackers."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from billing.rules import share
from tests.api.conftest import NOW, World
from tests.api.test_blocked import block, blocked, customer, pay, today, unblock
from tests.browser.conftest import Visits

pytestmark = pytest.mark.asyncio(loop_scope="module")
SOON_MS = 5_000  # a busy machine draws late; that the news comes within a second is tested at the socket


async def test_it_leaves_the_live_page_and_is_unblocked_for_the_price_on_the_button(visits: Visits, world: World) -> None:
    zoe = await customer(world)
    await zoe.van.report(NOW, 43.2, 76.9)
    price = f"€{share(30000, await today(world, zoe)) / 100:.2f}"
    async with visits.signed_in(zoe.name, quiet=False) as page:  # Chromium itself logs the refusal
        row = page.locator("#list .row", has_text="Van")
        await expect(row).to_be_visible()
        await block(world, zoe.van)
        await expect(row).to_be_hidden(timeout=SOON_MS)
        await expect(page.locator("#list-empty")).to_contain_text("All of your trackers are blocked")
        await unblock(world, zoe.van)
        await expect(row).to_be_visible(timeout=SOON_MS)
        await block(world, zoe.van)
        await page.goto("/trackers")
        line = page.locator(f"tr[data-device='{zoe.van.id}']")
        await expect(line.locator(".status-blocked")).to_have_text("Blocked")
        await expect(line).to_contain_text("the day could not be paid")
        button = line.get_by_role("button", name=f"Unblock for {price}: Van")
        await button.click()
        await expect(line.get_by_role("alert")).to_have_text(f"{price} are needed, and €0.00 is on the balance. Top up first.")
        assert blocked(world, zoe.van) == "unpaid"
        await block(world, zoe.van, "owner", instead=True)  # which money alone does not lift
        await pay(world, zoe, share(30000, await today(world, zoe)))
        await page.reload()
        await expect(line).to_contain_text("by yourselves")
        await button.click()
        await expect(line.locator("[data-status=online]")).to_be_visible()
        await expect(button).to_have_count(0)
        assert not blocked(world, zoe.van)
