"""What a tariff doesn't allow is told on the pages before somebody tries, and in the reader's words where they do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.async_api import expect

from billing import tariffs
from billing.book import open_book
from tests.api.conftest import Tracker, World, eventually
from tests.browser.conftest import Visits

pytestmark = pytest.mark.asyncio(loop_scope="module")
SMALL = {"width": 1000, "height": 620}  # the map is drawn without a graphics card: each pixel takes its time
NOTHING = {"history_days": 7, "zones": 1, "proximities": 0, "reports": False, "api": False}


async def boris_with_little(world: World) -> Tracker:
    """On a tariff that allows little, with nothing to pay for: his trackers come after."""
    account = world.ids["Boris Ltd"]
    async with world.server.database.pool.connection() as connection:
        await connection.execute("DELETE FROM devices WHERE account_id = %s", [account])
        little = tariffs.NewVersion(since=date(2020, 1, 1), price=300, **NOTHING)  # type: ignore[arg-type]
        tariff = await tariffs.add(connection, "Little", "", "EUR", little)
    async with open_book(world.server.database, account) as book:
        await tariffs.change(book, tariff.id)
    allowances = world.app.state.dashboards.billing.allowances

    async def told() -> bool:
        return bool((await allowances.of(account)).tariff == "Little")

    await eventually(told)
    van = await world.tracker("Boris Ltd")
    now = datetime.now(UTC).replace(microsecond=0)
    for minute in range(5):
        await van.report(now - timedelta(minutes=10 - minute), 51.0 + minute / 100, 71.0, speed=30)
    return van


async def test_pages_say_what_the_tariff_does_not_allow(world: World, visits: Visits) -> None:
    van = await boris_with_little(world)
    async with visits.signed_in("boris", at=f"/history?device={van.id}", size=SMALL) as page:
        await expect(page.locator("#found")).to_be_visible()
        await expect(page.locator("#stops")).to_contain_text("Your tariff has no reports")
        # What was received while he was on Free is all there, which is older than seven days
        await expect(page.locator("#history-from")).to_be_hidden()
        await page.goto("/account")
        await expect(page.locator("#no-api")).to_contain_text("Your tariff has no API")
        await expect(page.locator("#token-form")).to_have_count(0)
        await page.goto("/zones")
        await expect(page.locator("#list-empty")).to_be_visible()
        zone = {"name": "Depot", "area": "CIRCLE (51 71, 300)"}
        assert (await page.request.post("/api/geofences", data=zone)).ok
        await page.reload()
        await expect(page.locator("#list-count")).to_have_text("1 of 1 zones that your tariff allows")
        await page.click("#add")
        await expect(page.locator(".toast")).to_contain_text("Zones that your tariff Little allows: 1.")
        await expect(page.locator("#zone-form")).to_be_hidden()
        await page.goto("/")
        await page.click(f"[data-id='{van.id}']")
        await expect(page.locator("#card-name")).to_have_text("Van")


async def test_the_history_says_since_when_it_is_shown(world: World, visits: Visits) -> None:
    account = world.ids["Anna Ltd"]
    async with world.server.database.pool.connection() as connection:  # as if it had been so always
        found = await connection.execute(
            "WITH new AS (INSERT INTO tariffs (name, currency) VALUES ('Week', 'EUR') RETURNING id)"
            " INSERT INTO tariff_versions (tariff_id, since, price, history_days) SELECT id, '2020-01-01', 300, 7 FROM new"
            " RETURNING tariff_id"
        )
        (tariff,) = await found.fetchone() or (0,)
        await connection.execute("UPDATE tariff_periods SET tariff_id = %s WHERE account_id = %s", [tariff, account])
        await connection.execute("UPDATE billing_accounts SET tariff_id = %s WHERE account_id = %s", [tariff, account])
    allowances = world.app.state.dashboards.billing.allowances

    async def told() -> bool:
        return bool((await allowances.of(account)).tariff == "Week")

    await eventually(told)
    day = datetime.now(UTC).date() - timedelta(days=7)
    async with visits.signed_in("anna", at="/history", size=SMALL, language="ru-RU", timezone_id="UTC") as page:
        await expect(page.locator("#history-from")).to_contain_text("Ваш тариф Week показывает историю с")
        await expect(page.locator("#history-from")).to_contain_text(f"{day.day} ")
        await expect(page.locator("#history-from")).to_contain_text(str(day.year))
