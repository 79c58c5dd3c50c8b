"""The cabinet: money comes by a provider's page and its signed callback, tariffs change, trackers are unblocked, statements add
up."""

from __future__ import annotations

import asyncio
import csv
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Page, Route, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route as Path

from billing.book import open_book
from billing.payments import by_hand
from billing.payments.webhook import key
from billing.tariffs import NewVersion, add, change
from billing.topup import top_up
from billing.trackers import block, block_by_administrator
from telematics.config import BillingSettings, MapSettings, ProviderSettings, Settings
from tests.api.conftest import LISTENERS, World, eventually, password_hash, running
from tests.browser.conftest import DESKTOP, PHONE, Visits
from tests.browser.test_access import faults
from tests.conftest import new_database

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBjYWJpbmV0"
BANK = "Example LLP, KZ86 125K ZT50 0410 0100"


@dataclass
class Shop:
    """A payment provider: its page, and what it says to the server before it sends the customer back."""

    port: int
    callback: str = ""
    ids: int = 0

    async def page(self, request: Request) -> Response:
        asked = request.query_params
        return HTMLResponse(
            f"<title>Pay</title><link rel=icon href=data:,><h1>{asked['amount']} {asked['currency']}</h1>"
            f"<form action=/done method=post><input type=hidden name=asked value='{json.dumps(dict(asked))}'>"
            "<button name=status value=paid>Pay</button><button name=status value=failed>No money</button></form>"
        )

    async def done(self, request: Request) -> Response:
        form = await request.form()
        asked = json.loads(str(form["asked"]))
        self.ids += 1
        said = {
            "id": f"t{self.ids}",
            "reference": asked["reference"],
            "status": form["status"],
            "amount": asked["amount"],
            "currency": asked["currency"],
            "reason": "not_enough_money",
        }
        body, now, event = json.dumps(said), datetime.now(UTC), f"e{self.ids}"
        headers = {
            "webhook-id": event,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": key(SECRET).sign(event, now, body),
        }
        async with httpx.AsyncClient() as client:
            for _ in range(2):  # providers repeat themselves
                assert (await client.post(self.callback, content=body, headers=headers)).status_code == 200
        return RedirectResponse(asked["return_url"], 303)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop() -> AsyncIterator[Shop]:
    listening = socket.create_server(("127.0.0.1", 0))
    shop = Shop(listening.getsockname()[1])
    app = Starlette(routes=[Path("/pay", shop.page), Path("/done", shop.done, methods=["POST"])])
    web = uvicorn.Server(uvicorn.Config(app, log_level="error", log_config=None, lifespan="off"))
    task = asyncio.create_task(web._serve(sockets=[listening]))
    await eventually(lambda: web.started)
    try:
        yield shop
    finally:
        web.should_exit = True
        await task
        listening.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory, shop: Shop) -> AsyncIterator[World]:
    """The server with a way to pay and three tariffs."""
    page_url = f"http://127.0.0.1:{shop.port}/pay?reference={{reference}}&amount={{amount}}&currency={{currency}}&return_url={{return_url}}"
    card = ProviderSettings(kind="webhook", title="Bank card", webhook_secret=SECRET, page_url=page_url)
    with new_database(server_url, template) as url:
        settings = Settings(
            database_url=url,
            data_dir=tmp_path_factory.mktemp("data"),
            protocols=tuple(LISTENERS),
            listeners=LISTENERS,
            map=MapSettings(style_url="", style_url_dark=""),
            billing=BillingSettings(providers={"card": card}, bank_details=BANK),
        )
        async with running(settings) as world:
            shop.callback = f"{world.url}/api/billing/payments/callback/card"
            await _tariffs(world)
            yield world


async def _tariffs(world: World) -> None:
    begin = date(2020, 1, 1)
    versions = {
        "Basic": NewVersion(begin, 300, 15, history_days=90, zones=2, proximities=5, reports=False, api=False),
        "Pro": NewVersion(begin, 500, 10, history_days=365, zones=200),
    }
    async with world.server.database.pool.connection() as connection:
        await connection.execute("UPDATE billing_defaults SET currency = 'EUR'")
        for name, version in versions.items():
            world.ids[name] = (await add(connection, name, f"{name}, described", "EUR", version)).id


@dataclass
class Customer:
    world: World
    name: str
    account_id: int
    devices: list[int]

    async def balance(self) -> int:
        async with open_book(self.world.server.database, self.account_id) as book:
            return book.balance

    async def states(self) -> list[str | None]:
        async with self.world.server.database.pool.connection() as connection:
            rows = await connection.execute("SELECT blocked FROM devices WHERE account_id = %s ORDER BY id", (self.account_id,))
            return [row[0] for row in await rows.fetchall()]


async def customer(
    world: World, *, trackers: int = 0, money: int = 0, tariff: str | None = None, days_ago: float = 0, readonly: bool = False
) -> Customer:
    """A new account with a user, who began some days ago: money first, then the tariff."""
    name = f"c{uuid4().hex[:10]}"
    account_id = await world._insert("INSERT INTO accounts (name) VALUES (%s) RETURNING id", f"Customer {name}")
    await world._insert(
        "INSERT INTO users (account_id, email, name, password_hash, readonly) VALUES (%s, %s, 'Customer', %s, %s) RETURNING id",
        *(account_id, f"{name}@example.com", password_hash(), readonly),
    )
    then = datetime.now(UTC) - timedelta(days=days_ago)
    database = world.server.database
    devices = [
        await world._insert(
            "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id",
            *(account_id, f"{name}-{i}", f"Lorry {i + 1}"),
        )
        for i in range(trackers)
    ]
    async with database.pool.connection() as connection:
        await connection.execute("UPDATE billed_trackers SET connected_at = %s WHERE account_id = %s", (then, account_id))
    async with open_book(database, account_id, now=then) as book:
        if money:
            await top_up(book, money, way="bank", key=f"begin:{account_id}")
        if tariff:
            await change(book, world.ids[tariff])
    async with open_book(database, account_id):
        pass  # the days until now are charged
    return Customer(world, name, account_id, devices)


@asynccontextmanager
async def cabinet(visits: Visits, who: Customer, path: str, **more: Any) -> AsyncIterator[Page]:
    async with visits.signed_in(who.name, at=path, **more) as page:
        yield page


async def test_money_comes_by_the_provider_s_page(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=3, money=500, tariff="Basic")  # one can be connected, two are blocked
    assert await who.states() == [None, "unpaid", "unpaid"]
    async with cabinet(visits, who, "/billing") as page:
        await expect(page.locator("#balance")).to_have_text("€2.00")
        await expect(page.locator("#working")).to_have_text("1")
        await expect(page.locator("#warning")).to_contain_text("2 trackers are blocked")
        await expect(page.locator("#warning")).to_contain_text("€4.00 more would let all of them work again today")
        await expect(page.locator("#balance-sign")).to_have_text("Balance: €2.00 2 trackers blocked")
        await page.locator("#warning").get_by_role("link", name="Top up").click()
        await expect(page.locator("#topup-form [name=amount]")).to_have_value("4.00")
        await expect(page.locator(".bank-details")).to_have_text(BANK)
        await page.get_by_role("button", name="To unblock all").click()
        await page.locator("#pay").dblclick()
        await expect(page.locator("h1")).to_have_text("4.00 EUR")
        assert await who.balance() == 200  # nothing before the provider says so
        await page.get_by_role("button", name="Pay").click()
        await expect(page.locator("#payment h2")).to_have_text("€4.00 is on your balance")
        assert "/billing/payments/" in page.url
        assert (await who.balance(), await who.states()) == (0, [None] * 3)
        await page.goto("/billing/payments")
        await expect(page.locator("[data-payment]")).to_have_count(1)  # of two clicks, and of a callback that came twice
        await expect(page.locator("[data-payment]")).to_contain_text("Bank card")
        await expect(page.locator("[data-payment] .bill-state")).to_have_text("Paid")
        await page.goto("/billing")
        await expect(page.locator("#working")).to_have_text("3")
        await expect(page.locator("#warning")).to_have_count(0)


async def test_a_payment_that_failed_says_why(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=1, money=300, tariff="Basic")
    async with cabinet(visits, who, "/billing/topup") as page:
        await page.fill("#topup-form [name=amount]", "12,3x")
        await page.click("#pay")
        await expect(page.locator("#topup-form .form-error")).to_have_text("Write the amount like 1234.50.")
        await page.fill("#topup-form [name=amount]", "1 234,50")
        await page.click("#pay")
        await expect(page.locator("h1")).to_have_text("1234.50 EUR")
        await page.get_by_role("button", name="No money").click()
        await expect(page.locator("#payment")).to_contain_text("There is not enough money on the card.")
        await page.get_by_role("link", name="Try again").click()
        await expect(page.locator("#topup-form [name=amount]")).to_have_value("1234.50")
        await expect(page.locator("[data-payment]")).to_contain_text("There is not enough money on the card.")
        assert await who.balance() == 0


async def test_a_tariff_is_changed_after_its_consequences_were_shown(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=4, money=1000)
    async with cabinet(visits, who, "/billing/tariffs") as page:
        basic = page.locator(f"[data-tariff='{world.ids['Basic']}']")
        await basic.get_by_role("button").click()
        dialog = page.locator("#dialog")
        await expect(dialog).to_contain_text("3 trackers × €3.00")
        await expect(dialog).to_contain_text("Left on the balance€1.00")
        await expect(dialog).to_contain_text("1 tracker will be blocked")
        await expect(dialog).to_contain_text("Lorry 4")
        await expect(dialog).to_contain_text("History: 90 days in place of no limit")
        await expect(dialog).to_contain_text("No reports")
        await expect(dialog).to_contain_text("you may change once more this month")
        assert (await who.balance(), await who.states()) == (1000, [None] * 4)  # only shown
        await dialog.get_by_role("button", name="Change and pay €9.00").click()
        await expect(page.locator("#toasts")).to_contain_text("The tariff has been changed; 1 tracker is blocked")
        await expect(page.locator(".tariff[data-current] h2")).to_have_text("Basic")
        assert (await who.balance(), await who.states()) == (100, [None, None, None, "unpaid"])
        await page.locator(f"[data-tariff='{world.ids['Pro']}']").get_by_role("button").click()
        await expect(dialog).to_contain_text("Nothing is charged now")
        await dialog.get_by_role("button", name="Change the tariff").click()
        await expect(page.locator(".tariff[data-current] h2")).to_have_text("Pro")
        await basic.get_by_role("button").click()
        await expect(dialog.locator(".form-error")).to_contain_text("The tariff has been changed twice this month")
        await expect(dialog.locator(".form-error")).to_contain_text(re.compile(r"from 1 \w+ \d{4} on"))
        await expect(dialog.get_by_role("button", name="Change")).to_have_count(0)


async def test_a_tracker_is_added_as_the_test_tracker(visits: Visits, world: World) -> None:
    """The tick stays while the other fields are filled in: what is asked for anew would come without it."""
    who = await customer(world, money=1000, tariff="Basic")
    unique_id = f"t{uuid4().hex[:10]}"
    async with cabinet(visits, who, "/trackers") as page:
        await page.get_by_role("button", name="Add a tracker").click()
        await expect(page.locator("#connection")).to_contain_text("Connect for")
        await page.check("#connection [name=test]")
        await page.fill("#dialog [name=name]", "Tester")
        await page.fill("#dialog [name=uniqueId]", unique_id)
        await page.locator("#dialog [type=submit]").click()
        await expect(page.locator("#trackers")).to_contain_text("Tester")
        assert await who.balance() == 1000
        await page.get_by_role("button", name="Add a tracker").click()
        await expect(page.locator("#connection")).to_contain_text("Connect for")
        await expect(page.locator("#connection [name=test]")).to_have_count(0)


async def test_trackers_are_blocked_and_unblocked(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=3, money=2000, tariff="Basic", days_ago=40)
    async with open_book(world.server.database, who.account_id) as book:
        await block(book, who.devices[0], "In the garage")
        await block_by_administrator(book, who.devices[1], "Papers")
    async with cabinet(visits, who, "/billing/trackers") as page:
        rows = [page.locator(f"tr[data-device='{device}']") for device in who.devices]
        await expect(rows[0]).to_contain_text("by yourselves: In the garage")
        await expect(rows[1]).to_contain_text("by the provider: ask there: Papers")
        await expect(rows[1].locator("[data-act=unblock]")).to_have_count(0)
        before = await who.balance()
        button = rows[0].locator("[data-act=unblock]")  # blocked today, which it has paid for
        await expect(button).to_have_text("Unblock")
        await button.click()
        await expect(page.locator("#dialog")).to_contain_text("It costs nothing now.")
        await page.locator("#dialog [type=submit]").dblclick()
        await expect(page.locator("#toasts")).to_contain_text("It works again")
        await expect(rows[0]).to_have_attribute("data-state", "working")
        assert await who.balance() == before
        await rows[2].locator("[data-act=test]").click()
        await expect(page.locator("#dialog")).to_contain_text("charges its connection: €3.00 at today's price")
        await page.locator("#dialog [type=submit]").click()
        await expect(rows[2]).to_have_attribute("data-state", "test")
        await rows[0].locator("[data-act=test]").click()
        await expect(page.locator("#dialog .form-error")).to_contain_text("one test tracker, and that is Lorry 3")
        await page.locator("#dialog [data-close]").click()
        await rows[2].locator("[data-act=test]").click()
        await page.locator("#dialog").get_by_role("button", name="Pay €3.00").click()
        await expect(rows[2]).to_have_attribute("data-state", "working")
        assert await who.balance() == before - 300
        await rows[0].locator("[data-act=block]").click()
        await page.fill("#dialog [name=reason]", "Sold")
        await page.locator("#dialog [type=submit]").click()
        await expect(rows[0]).to_contain_text("by yourselves: Sold")
        await page.select_option("[name=state]", "blocked")
        await expect(page.locator("[data-device]")).to_have_count(2)


async def test_without_money_unblocking_is_refused_and_says_what_is_missing(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=2, money=300, tariff="Basic")
    async with cabinet(visits, who, "/billing/trackers?state=blocked") as page:
        await page.get_by_role("button", name="Unblock for €3.00: Lorry 2").click()
        await expect(page.locator("#dialog .form-error")).to_have_text(
            "€3.00 are needed, and €0.00 is on the balance. Top up first."
        )
        await page.locator("#dialog").get_by_role("link", name="Top up").click()
        await expect(page.locator("#topup-form [name=amount]")).to_have_value("3.00")


async def test_a_statement_adds_up_unfolds_and_is_exported(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=3, money=5000, tariff="Basic", days_ago=40)
    async with cabinet(visits, who, "/billing/statement?period=all") as page:
        balance = await who.balance()
        await expect(page.locator("#opening")).to_have_text("€0.00")
        await expect(page.locator("#came-in")).to_have_text("+€50.00")
        await expect(page.locator("#closing")).to_have_text(f"€{balance / 100:.2f}")
        daily = page.locator("[data-kind=daily]").first
        await expect(daily).to_contain_text("3 trackers")
        assert await page.locator(".lines tr:visible").count() == 0
        await daily.locator(".fold").click()
        await expect(page.locator(".lines tr:visible")).to_have_count(3)
        await expect(page.locator(".lines tr:visible").first).to_contain_text("Lorry 1")
        await daily.locator(".fold").press("Enter")
        await expect(page.locator(".lines tr:visible")).to_have_count(0)
        async with page.expect_download() as download:
            await page.click("#csv")
        text = (await (await download.value).path()).read_text("utf-8-sig")
        assert sum("Lorry" in line for line in text.splitlines()) == 3 + 3 * await page.locator("[data-kind=daily]").count()
        assert list(csv.reader(text.splitlines(), delimiter=";" if ";" in text.splitlines()[0] else ","))
        await page.select_option("[name=tracker]", label="Lorry 2")
        await expect(page.locator("[data-kind]").first).to_contain_text("Lorry 2")
        await expect(page.locator(".fold")).to_have_count(0)
        await expect(page.locator("#came-in")).to_have_text("€0.00")
        await page.select_option("[name=kind]", "connection")
        await expect(page.locator("[data-kind]")).to_have_count(1)
        await expect(page.locator("#went-out")).to_have_text("−€3.00")
        async with page.expect_download() as download:
            await page.click("#xlsx")
        assert (await (await download.value).path()).read_bytes()[:2] == b"PK"


async def test_a_tracker_is_connected_for_its_price(visits: Visits, world: World) -> None:
    who = await customer(world, money=500, tariff="Basic")
    async with cabinet(visits, who, "/trackers") as page:
        await page.click("#add")
        await expect(page.locator("#connection")).to_contain_text("Connect for €3.00 now?")
        await expect(page.locator("#connection")).to_contain_text("On the balance: €5.00")
        for i in range(2):
            if i:
                await page.click("#add")
                await expect(page.locator("#connection")).to_contain_text("It will stay blocked until you top up.")
            await page.fill("#tracker-form [name=name]", f"Bus {i}")
            await page.fill("#tracker-form [name=uniqueId]", f"{who.name}-bus-{i}")
            await page.click("#tracker-form [type=submit]")
            await expect(page.locator("#trackers")).to_contain_text(f"Bus {i}")
        assert await who.balance() == 200
        assert await who.states() == [None, "unpaid"]


async def test_a_refund_is_asked_once_even_when_its_answer_is_lost(visits: Visits, world: World) -> None:
    who = await customer(world)
    async with open_book(world.server.database, who.account_id) as book:
        await by_hand.enter(book, "bank", 2000, reference=f"transfer {who.name}")
    async with visits.visitor(quiet=False) as page:  # Chromium logs the request that failed
        await page.goto("/login?next=%2Fbilling%2Frefund")
        await page.fill("[name=email]", f"{who.name}@example.com")
        await page.fill("[name=password]", "correct horse")
        await page.click("#login [type=submit]")
        await page.wait_for_url("**/billing/refund")
        await page.fill("#refund-form [name=amount]", "21")
        await page.click("#refund-form [type=submit]")
        await expect(page.locator("#refund-form .form-error")).to_have_text("At most €20.00 can be given back.")
        keys: list[str] = []

        async def lose(route: Route) -> None:
            keys.append(route.request.headers["idempotency-key"])
            await route.fetch()
            await route.abort()

        await page.route("**/api/billing/refunds", lose)
        await page.fill("#refund-form [name=amount]", "12")
        await page.click("#refund-form [type=submit]")
        await expect(page.locator("#refund-form .form-error")).to_contain_text("The server can't be reached")
        await page.unroute("**/api/billing/refunds")
        await page.reload()
        page.on("request", lambda request: keys.append(request.headers.get("idempotency-key", "")))
        await page.fill("#refund-form [name=amount]", "12.00")
        await page.click("#refund-form [type=submit]")
        await expect(page.locator("#toasts")).to_contain_text("The refund has been requested")
        await expect(page.locator("[data-refund]")).to_have_count(1)
        assert len({one for one in keys if one}) == 1
        assert await who.balance() == 800
        await page.click("[data-cancel-refund]")
        await expect(page.locator("[data-refund]")).to_contain_text("Taken back")
        assert await who.balance() == 2000


async def test_who_withdraws_gets_all_of_it_back(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=1)
    async with open_book(world.server.database, who.account_id) as book:
        await by_hand.enter(book, "bank", 1000, reference=f"first of {who.name}")
        await change(book, world.ids["Basic"])
    assert await who.balance() == 700
    async with cabinet(visits, who, "/billing/refund") as page:
        form = page.locator("#withdraw-form")
        await expect(page.locator(".bill-facts")).to_contain_text("You get back€10.00")
        await expect(form.locator("[type=submit]")).to_be_disabled()
        assert await who.balance() == 700  # only shown
        await form.locator("[name=sure]").check()
        await form.locator("[type=submit]").click()
        await expect(page.locator("#toasts")).to_contain_text("You have withdrawn")
        await expect(page.locator("[data-refund]")).to_contain_text("Withdrawal")
        await expect(page.locator("[data-refund] .money")).to_have_text("€10.00")
        await expect(page.locator("[data-cancel-refund]")).to_have_count(0)
        assert await who.balance() == 0
        await page.goto("/billing/tariffs")
        await expect(page.locator(".tariff[data-current] h2")).to_have_text("Free")


async def test_whoever_may_only_look_sees_everything_and_no_buttons(visits: Visits, world: World) -> None:
    who = await customer(world, trackers=2, money=500, tariff="Basic", readonly=True)
    async with cabinet(visits, who, "/billing") as page:
        for path in ("", "/statement", "/topup", "/payments", "/refund", "/tariffs", "/trackers"):
            await page.goto(f"/billing{path}")
            await expect(page.locator("#billing h1")).to_be_visible()
            acting = page.locator("#billing :is([data-act], [type=submit]:not(#calculator *), [data-tariff] button, #top-up)")
            assert await acting.count() == 0, path
            assert await page.locator("#billing a[href*=topup]").count() == 0, path


async def test_an_operator_sees_a_customer_s_cabinet_and_others_don_t(visits: Visits, world: World) -> None:
    who, other = await customer(world, trackers=1, money=1234, tariff="Basic"), await customer(world)
    async with visits.signed_in("admin", at=f"/billing?accountId={who.account_id}") as page:
        await expect(page.locator("#balance")).to_have_text("€9.34")
        await expect(page.locator(".notice")).to_contain_text(f"The account of Customer {who.name}")
        await page.get_by_role("link", name="Statement").first.click()
        await expect(page.locator("#closing")).to_have_text("€9.34")
    async with visits.visitor(quiet=False) as page:
        await page.goto("/login?next=%2Fbilling")
        await page.fill("[name=email]", f"{other.name}@example.com")
        await page.fill("[name=password]", "correct horse")
        await page.click("#login [type=submit]")
        await page.wait_for_url("**/billing")
        entry = await world._insert("SELECT min(id)::int FROM ledger_entries WHERE account_id = %s", who.account_id)
        for path, status in (
            (f"?accountId={who.account_id}", 404),
            (f"/trackers/{who.devices[0]}/unblock", 404),
            (f"/payments/{uuid4()}", 404),
        ):
            answer = await page.request.get(f"/billing{path}")
            assert answer.status == status, path
        assert "<tr>" not in await (await page.request.get(f"/billing/statement/{entry}")).text()


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [
        pytest.param(DESKTOP, "light", "en-US", id="light, desktop"),
        pytest.param(PHONE, "dark", "ru-RU", id="dark, phone, Russian"),
        pytest.param({"width": 320, "height": 640}, "light", "kk-KZ", id="a small phone, Kazakh"),
    ],
)
async def test_everybody_can_use_it(
    visits: Visits, world: World, size: dict[str, int], scheme: Literal["light", "dark"], language: str
) -> None:
    who = await customer(world, trackers=4, money=1000, tariff="Basic", days_ago=3)
    async with cabinet(visits, who, "/billing", size=size, scheme=scheme, language=language) as page:
        for path in ("", "/statement?period=all", "/topup", "/refund", "/tariffs", "/trackers"):
            await page.goto(f"/billing{path}")
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            assert await page.evaluate("document.querySelector('main').scrollWidth") <= size["width"], path
            assert await faults(page) == [], path
        for path, button in (("/tariffs", ".tariff button"), ("/trackers", "[data-act=test]")):
            await page.goto(f"/billing{path}")
            await page.locator(button).first.press("Enter")
            await expect(page.locator("#dialog form")).to_be_visible()
            assert await faults(page) == [], button
