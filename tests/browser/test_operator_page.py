"""The operator's pages: money entered, corrected and imported, a tariff's next version, a block; customers get nowhere."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import FilePayload, Page, expect

from billing.numbers import account_number
from tests.api.conftest import World
from tests.api.test_scope import registered
from tests.browser.conftest import DESKTOP, PHONE, Visits
from tests.browser.test_access import faults

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRICE = 300_00


async def done(client: httpx.AsyncClient, method: str, path: str, **body: Any) -> Any:
    answer = await client.request(method, f"/api/billing/operator{path}", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def customer(world: World, name: str, *, trackers: int = 0, paid: bool = False) -> int:
    """An account in KZT; `paid`: on a tariff of 300.00, with blocked trackers, as it has no money."""
    async with world.signed_in("admin") as client:
        made = await client.post("/api/accounts", json={"name": name, "timeZone": "Asia/Almaty"})
        account_id = int(made.json()["id"])
        await done(client, "PUT", f"/accounts/{account_id}", currency="KZT")
        for no in range(trackers):
            tracker = {"name": f"{name} {no + 1}", "uniqueId": f"{account_id}-{no}", "accountId": account_id}
            assert (await client.post("/api/devices", json=tracker)).status_code == 200
        if paid:
            tariff_id = await tariff(client, f"Tariff of {name}")
            await done(client, "POST", f"/accounts/{account_id}/tariff", tariffId=tariff_id, reason="asked by phone")
    return account_id


async def tariff(client: httpx.AsyncClient, name: str) -> int:
    made = await done(client, "POST", "/tariffs", name=name, currency="KZT", since="2026-01-01", price=PRICE, smsPrice=15_00)
    return int(made["id"])


async def confirm(page: Page, question: str, *consequences: str) -> None:
    """The form says what will come of it; nothing is sent before that."""
    await page.click("#dialog [data-ask] [type=submit]")
    await expect(page.locator("#dialog-title")).to_have_text(question)
    for words in consequences:
        await expect(page.locator(".op-consequence")).to_contain_text(words)
    await page.click("#dialog [data-send] [type=submit]")
    await expect(page.locator("#dialog")).not_to_be_visible()


async def test_cash_unblocks_trackers_and_is_reversed(visits: Visits, world: World) -> None:
    account_id = await customer(world, "Cash Ltd", trackers=2, paid=True)
    async with visits.signed_in("admin", at=f"/operator/accounts/{account_id}") as page:
        await expect(page.locator(".op-account")).to_contain_text("blocked: 2")
        await page.get_by_role("button", name="Enter a payment").click()
        await page.fill("[name=amount]", "-5")
        await page.click("#dialog [type=submit]")
        await expect(page.locator("#dialog .form-error")).to_contain_text("This is no amount")
        await page.fill("[name=amount]", "450,50")
        await page.fill("[name=reference]", "Receipt 7")
        await confirm(
            page,
            "Enter ₸450.50 for Cash Ltd?",
            "₸0.00 → then ₸150.50",
            "1 tracker is charged now, ₸300.00 in all",
            "Works again: Cash Ltd 1",
        )
        await expect(page.locator("#balance")).to_have_text("₸150.50")
        await expect(page.locator(".op-account")).to_contain_text("blocked: 1")

        await page.get_by_role("link", name="Entries").click()
        connection, payment = page.locator("tr", has_text="Connection"), page.locator("tr", has_text="Top-up")
        await payment.get_by_role("button", name="Reverse").click()  # more than is left
        await page.fill("[name=reason]", "entered twice")
        await page.click("#dialog [type=submit]")
        await expect(page.locator("#dialog .form-error")).to_contain_text("₸450.50 are needed, ₸150.50 are there")
        await page.keyboard.press("Escape")
        await connection.get_by_role("button", name="Reverse").click()
        await page.fill("[name=reason]", "wrong tariff")
        await confirm(page, "Give ₸300.00 back to Cash Ltd?", "Reason: wrong tariff", "Works again: Cash Ltd 2")
        await expect(page.locator("tr", has_text="Correction")).to_contain_text("wrong tariff")
        await expect(connection.last).to_contain_text("reversed")
        await expect(page.locator("#balance")).to_have_text("₸150.50")

        await page.get_by_role("link", name="Audit log").last.click()
        await expect(page.locator(".op-audit")).to_contain_text("Entry reversed")
        await expect(page.locator(".op-audit")).to_contain_text("Payment entered")


async def test_a_bonus_can_be_thought_better_of_and_is_given_once(visits: Visits, world: World) -> None:
    account_id = await customer(world, "Bonus Ltd")
    async with visits.signed_in("admin", at=f"/operator/accounts/{account_id}", language="ru-RU", size=PHONE) as page:
        await page.get_by_role("button", name="Начислить бонус").click()
        await page.fill("[name=amount]", "100")
        await page.click("#dialog [type=submit]")
        await expect(page.locator("#dialog .form-error")).to_contain_text("Напишите причину")
        await page.fill("[name=reason]", "За ожидание")
        await page.click("#dialog [type=submit]")
        await expect(page.locator("#dialog-title")).to_contain_text("бонус 100,00")
        await page.get_by_role("button", name="Назад").click()
        await expect(page.locator("[name=reason]")).to_have_value("За ожидание")
        await page.click("#dialog [type=submit]")
        await page.locator("#dialog [data-send] [type=submit]").dblclick()
        await expect(page.locator("#dialog")).not_to_be_visible()
        await expect(page.locator("#balance")).to_contain_text("100,00")


async def test_a_tracker_is_blocked_with_a_reason_and_freed(visits: Visits, world: World) -> None:
    account_id = await customer(world, "Block Ltd", trackers=1)
    async with visits.signed_in("admin", at=f"/operator/accounts/{account_id}") as page:
        row = page.locator("tr", has_text="Block Ltd 1")
        await row.get_by_role("button", name="Block").click()
        await page.fill("[name=reason]", "Stolen")
        await confirm(page, "Block Block Ltd 1?", "No top-up lifts this block", "Its owner reads: Stolen")
        await expect(row).to_contain_text("By an administrator · Stolen")
        async with world.signed_in("admin") as client:
            (tracker,) = (await client.get("/api/billing/trackers", params={"accountId": account_id})).json()
            assert (tracker["blocked"], tracker["reason"]) == ("administrator", "Stolen")
        await row.get_by_role("button", name="Unblock").click()
        await expect(page.locator(".op-consequence")).to_contain_text("Works again: Block Ltd 1")
        await page.click("#dialog [data-send] [type=submit]")
        await expect(row).to_contain_text("Works")


async def test_a_bank_statement_is_seen_before_it_is_credited_and_counts_once(visits: Visits, world: World) -> None:
    matched, other = await customer(world, "Bank Ltd"), await customer(world, "Forgetful Ltd")
    day = (datetime.now(UTC) - timedelta(days=1)).strftime("%d.%m.%Y")
    statement = (
        "Дата;Сумма;Плательщик;Назначение платежа;Номер документа\r\n"
        f"{day};1500,00;ТОО Банк;Оплата по счёту {account_number(matched)};901\r\n"
        f"{day};250,00;Иванов <b>И.</b>;за трекеры;902\r\n"
    )
    file: FilePayload = {"name": "statement.csv", "mimeType": "text/csv", "buffer": statement.encode("cp1251")}
    async with visits.signed_in("admin", at="/operator/bank") as page:
        await page.fill("[name=currency]", "KZT")
        await page.set_input_files("#bank-file", files=[file])
        preview = page.locator("#bank-preview")
        await expect(preview).to_contain_text("1 transfer will be credited, ₸1,500.00 · 1 is nobody's")
        await expect(preview.locator("tr", has_text="ТОО Банк")).to_contain_text("Bank Ltd")
        nobodys = preview.locator("tr", has_text="Иванов <b>И.</b>")
        await expect(nobodys).to_contain_text("no account number found")
        await nobodys.locator("input").fill("99999999")
        await nobodys.locator("input").press("Enter")
        await expect(nobodys).to_contain_text("there is no such account")
        await nobodys.locator("input").fill(account_number(other))
        await nobodys.locator("input").press("Tab")
        await expect(nobodys).to_contain_text("Forgetful Ltd")
        await page.click("#bank-import")
        await expect(page.locator("#dialog-title")).to_have_text("Credit 2 transfers?")
        await page.click("#dialog [type=submit]")
        await expect(page.locator("#list")).to_contain_text("Forgetful Ltd")
        await page.set_input_files("#bank-file", files=[file])
        await expect(preview).to_contain_text("2 imported before")
        await expect(page.locator("#bank-import")).to_be_disabled()
        await page.goto(f"/operator/accounts/{other}")
        await expect(page.locator("#balance")).to_have_text("₸250.00")


async def test_a_transfer_that_is_nobodys_is_assigned_later(visits: Visits, world: World) -> None:
    account_id = await customer(world, "Late Ltd")
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    file: FilePayload = {"name": "b.csv", "mimeType": "text/csv", "buffer": f"Date,Amount,Payer\n{day},77.70,Somebody\n".encode()}
    async with visits.signed_in("admin", at="/operator/bank") as page:
        await page.fill("[name=currency]", "KZT")
        await page.set_input_files("#bank-file", files=[file])
        await page.click("#bank-import")
        await page.click("#dialog [type=submit]")
        await page.locator("tr", has_text="Somebody").get_by_role("button", name="Assign").click()
        await page.fill("[name=account]", account_number(account_id))
        await confirm(page, "Credit Late Ltd with ₸77.70?", "₸0.00 → then ₸77.70")
        await expect(page.locator("#list")).to_contain_text("Late Ltd")


async def test_a_tariff_gets_a_version_from_a_day_to_come(visits: Visits, world: World) -> None:
    async with world.signed_in("admin") as client:
        tariff_id = await tariff(client, "Growing")
    since = (datetime.now(UTC) + timedelta(days=40)).date()
    async with visits.signed_in("admin", at="/operator/tariffs") as page:
        block = page.locator(f"#tariff-{tariff_id}")
        await expect(block).to_contain_text("in force")
        await block.get_by_role("button", name="New version").click()
        await expect(page.locator("[name=price]")).to_have_value("300.00")
        await page.fill("[name=since]", datetime.now(UTC).date().isoformat())
        await page.click("#dialog [type=submit]")
        await expect(page.locator("#dialog .form-error")).to_contain_text("has begun somewhere already")
        await page.fill("[name=since]", since.isoformat())
        await page.fill("[name=price]", "310")
        await page.fill("[name=zones]", "25")
        await page.uncheck("[name=api]")
        question = f"Growing from {since.day} {since:%B %Y} on?"
        await confirm(page, question, "A tracker costs ₸310.00 a month, before ₸300.00", "0 trackers are on this tariff now")
        row = block.locator("tr", has_text="to come")
        await expect(row).to_contain_text("₸310.00")
        await expect(row).to_contain_text("25")
        await block.get_by_role("button", name="Edit").click()
        await page.uncheck("[name=offered]")
        await confirm(page, "Save Growing?", "Nobody can choose it any more")
        await expect(block).to_contain_text("no longer on offer")


async def test_accounts_are_found_by_name_number_and_state(visits: Visits, world: World) -> None:
    account_id = await customer(world, "Findable Ltd", trackers=1, paid=True)
    async with visits.signed_in("admin", at="/operator/accounts") as page:
        for words in ("findable", account_number(account_id), str(account_id)):
            await page.fill("[name=q]", words)
            await expect(page.locator(f"#account-{account_id}")).to_be_visible()
            await expect(page.locator(f"#account-{world.ids['Boris Ltd']}")).to_have_count(0)
        await page.fill("[name=q]", "boris@example")
        await expect(page.locator("tbody tr")).to_have_count(1)
        await page.fill("[name=q]", "")
        await page.select_option("[name=state]", "blocked")
        await expect(page.locator(f"#account-{account_id}")).to_contain_text("blocked: 1")
        await expect(page).to_have_url(re.compile("state=blocked"))
        await page.goto("/operator")
        await expect(page.locator(".op-tile", has_text="Blocked trackers")).to_be_visible()
        await expect(page.locator("#daily-run")).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "size", "paths"),
    [
        pytest.param("light", DESKTOP, ("", "/accounts", "/payments", "/refunds", "/bank", "/audit"), id="light, desktop"),
        pytest.param("dark", PHONE, ("", "/accounts/{}"), id="dark, phone"),
    ],
)
async def test_the_operators_pages_keep_nobody_out(
    visits: Visits, world: World, scheme: Literal["light", "dark"], size: dict[str, int], paths: tuple[str, ...]
) -> None:
    account_id = await customer(world, f"Access {scheme}", trackers=1, paid=True)
    async with visits.signed_in("admin", at="/operator/tariffs", scheme=scheme, size=size) as page:
        assert await faults(page) == []
        await page.locator("[hx-get$='/version']").first.click()
        await expect(page.locator("#dialog")).to_be_visible()
        assert await faults(page) == []
        for path in paths:
            await page.goto("/operator" + path.format(account_id))
            assert await faults(page) == [], path


async def test_customers_get_nowhere(world: World, visits: Visits) -> None:
    """Every address under /operator: a customer has none of them, and a guest is asked who it is."""
    filled = [
        (method, re.sub(r"\{\w+\}", str(world.ids["Anna Ltd"]), path))
        for method, _, path in (route.partition(" ") for route in registered(world.app))
        if path.startswith("/operator")
    ]
    assert len(filled) > 25
    async with world.signed_in("anna") as anna, world.visitor() as guest:
        for method, path in filled:
            answer = await anna.request(method, path, data={"amount": "1", "reason": "x"} if method == "POST" else None)
            assert answer.status_code in (403, 404), (method, path, answer.status_code)
            assert "Anna Ltd" not in answer.text
            answer = await guest.request(method, path)
            assert answer.status_code in (303, 401), (method, path, answer.status_code)
    async with visits.signed_in("anna", at="/account") as page:
        assert await page.locator("[href='/operator']").count() == 0
