"""From a rule's sentence to a toast, an e-mail and an entry in the feed: real packets, a real mail server, a real browser."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, Envelope, Session
from playwright.async_api import Page, expect

from telematics.config import MailSettings, MapSettings, Settings
from tests.api.conftest import LISTENERS, World, eventually, running
from tests.browser.conftest import DESKTOP, PHONE, Gt06, Visits
from tests.browser.test_access import faults
from tests.browser.test_pages import ALMATY, add_tracker
from tests.browser.test_zones import add, clicks, save, stored, zones_page
from tests.conftest import new_database as database_copy

pytestmark = pytest.mark.asyncio(loop_scope="module")
PNG = b"\x89PNG\r\n\x1a\n"
LONGEST_S = 30.0  # for a mail, beside other tests on a slow machine


class Box:
    """A mail server that takes everything."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def about(self, name: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if name in str(mail["Subject"])]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def box() -> Box:
    return Box()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory, box: Box) -> AsyncIterator[World]:
    """The server with a mail server, and without a map server."""
    loop = asyncio.get_running_loop()
    post = await loop.create_server(lambda: SMTP(box, enable_SMTPUTF8=True), "127.0.0.1", 0)
    mail = MailSettings(host="127.0.0.1", port=post.sockets[0].getsockname()[1], security="none", sender="gps@example.com")
    offline = MapSettings(style_url="", style_url_dark="")
    try:
        with database_copy(server_url, template) as url:
            data = tmp_path_factory.mktemp("data")
            async with running(
                Settings(database_url=url, data_dir=data, protocols=tuple(LISTENERS), listeners=LISTENERS, map=offline, mail=mail)
            ) as world:
                yield world
    finally:
        post.close()


async def part(page: Page, slot: str) -> None:
    """Opens a part of the sentence."""
    await page.click(f"[data-slot={slot}]")
    await expect(page.locator(".bubble")).to_be_visible()


async def choose(page: Page, slot: str, *labels: str) -> None:
    await part(page, slot)
    for label in labels:
        await page.locator(".bubble .choice", has_text=re.compile(f"^{re.escape(label)}")).first.click()
    await page.keyboard.press("Escape")
    await expect(page.locator(f"[data-slot={slot}]")).to_be_focused()


async def stored_rule(page: Page, name: str) -> dict[str, Any]:
    (found,) = [rule for rule in await (await page.request.get("/api/notifications")).json() if rule["description"] == name]
    return dict(found)


async def add_rule(page: Page, **rule: Any) -> None:
    answer = await page.request.post(
        "/api/notifications", data=rule, headers={"Origin": page.url.split("/", 3)[0] + "//" + page.url.split("/", 3)[2]}
    )
    assert answer.ok, await answer.text()


async def alarm(world: World, unique_id: str, kind: str, *, ago_s: float = 0) -> None:
    time = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=ago_s)
    assert await world.report(unique_id, time, *ALMATY, alarm=kind) == 200


async def test_a_rule_is_a_sentence_and_its_alert_is_told_seen_to_and_commented(visits: Visits, world: World) -> None:
    unique_id = "sos-van"
    device_id = await add_tracker(world, unique_id, "Rescue van")
    async with visits.signed_in("anna", at="/rules") as page, visits.signed_in("rita", at="/alerts") as other:
        await page.click("#add-rule")
        await choose(page, "who", "Rescue van")
        await choose(page, "what", "raises an alarm")
        await choose(page, "alarms", "SOS button")
        await choose(page, "people", "Anna")
        await choose(page, "urgency", "Urgent")
        told = "When Rescue van raises the alarm “SOS button” at any time, tell Anna on the page."
        await expect(page.locator("#sentence")).to_have_text(told)
        await expect(page.locator("#preview-short")).to_contain_text("Rescue van: SOS")
        await page.click("#test")
        await expect(page.locator(".alert-toast[data-urgent]")).to_contain_text("A test: nothing has happened")
        await page.fill("#rule-name", "Rescue")
        await page.click("#rule-save")
        await expect(page.locator(".rule", has_text="Rescue")).to_contain_text(told)
        rule = await stored_rule(page, "Rescue")
        assert (rule["types"], rule["alarms"], rule["deviceIds"], rule["allDevices"]) == (["alarm"], ["sos"], [device_id], False)
        assert (rule["userIds"], rule["channels"], rule["urgent"]) == ([world.ids["anna"]], ["web"], True)

        await page.goto("/trackers")  # whatever page one is on
        await other.goto("/alerts")
        await alarm(world, unique_id, "sos")
        toast = page.locator(".alert-toast[data-urgent]")
        await expect(toast).to_contain_text("Rescue van: SOS")
        assert await toast.get_attribute("role") == "alert"
        await expect(page.locator("#alerts-open")).to_have_text("1")
        await expect(other.locator("#feed")).to_contain_text("Rescue van: SOS")  # by itself
        await expect(other.locator("#feed [data-tone=urgent]")).to_be_visible()
        assert await other.locator(".alert-toast").count() == 0  # the rule names Anna alone
        assert await other.locator("[data-acknowledge]").count() == 0  # Rita may only look

        await toast.locator(".alert-text").click()
        await expect(page.locator("#alert-title")).to_have_text(re.compile("Rescue van: SOS"))
        await expect(page.locator("#alert-deliveries")).to_contain_text("Anna")
        await page.fill("#comment-form textarea", "Calling <b>the driver</b>")
        await page.click("#comment-form [type=submit]")
        await expect(page.locator(".comments")).to_contain_text("Calling <b>the driver</b>")
        await page.click("#alert-facts [data-acknowledge]")
        await expect(page.locator("#alert-facts")).to_contain_text("acknowledged by Anna")
        await expect(page.locator("#alerts-open")).to_be_hidden()
        await expect(other.locator("#feed")).to_contain_text("nobody has seen to")
        await page.select_option("[name=state]", "acknowledged")
        await expect(page.locator(".feed-row")).to_contain_text("1 comment")
        assert "state=acknowledged" in page.url
        await page.click(".feed-row a")
        await page.get_by_role("link", name="See the moment on the map").click()
        await expect(page.locator("#player")).to_be_visible()
        assert await page.input_value("#device") == "Rescue van"


async def test_a_vehicle_drives_into_a_drawn_zone_and_a_toast_and_a_mail_arrive(visits: Visits, world: World, box: Box) -> None:
    """All of it: drawn with the mouse, told by a sentence, driven over a tracker's port."""
    imei = "863000000000208"
    await add_tracker(world, imei, "Delivery lorry")
    async with zones_page(visits) as page:
        await add(page, "circle")
        await clicks(page, (800, 400), (860, 400))
        await save(page, "Warehouse")
        zone = await stored(page, "Warehouse")
        longitude, latitude = zone["geometry"]["coordinates"]
        await page.goto("/rules/new")
        await choose(page, "who", "Delivery lorry")
        await choose(page, "what", "enters a zone")
        await choose(page, "zones", "Warehouse")
        await choose(page, "people", "Anna")
        await choose(page, "channels", "E-mail")
        await expect(page.locator("#warnings li")).to_have_count(0)
        await page.click("#rule-save")
        told = "When Delivery lorry enters the zone Warehouse at any time, tell Anna on the page and by e-mail."
        await expect(page.locator(".rule", has_text="Delivery lorry")).to_contain_text(told)
        await page.goto("/")
        async with Gt06(world, imei) as tracker:
            start = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)
            for seconds, away in ((0, 0.06), (20, 0.03), (40, 0.0), (50, 0.0005), (60, 0.001)):
                await tracker.report(latitude, longitude + away, time=start + timedelta(seconds=seconds))
        await expect(page.locator(".alert-toast")).to_contain_text("Delivery lorry entered Warehouse", timeout=LONGEST_S * 1000)
        await eventually(lambda: box.about("Delivery lorry"), LONGEST_S)
        (mail,) = box.about("Delivery lorry")
        assert "anna@example.com" in str(mail["To"])
        text = mail.get_body(("plain",))
        assert text is not None
        assert "Warehouse" in text.get_content()
        pictures = [part.get_payload(decode=True) for part in mail.walk() if part.get_content_type() == "image/png"]
        assert len(pictures) == 1
        assert bytes(pictures[0] or b"").startswith(PNG)
        await page.goto("/deliveries?channel=mail&state=sent")
        await expect(page.locator(".feed tbody tr", has_text="Delivery lorry")).to_contain_text("a…@example.com")


async def test_three_toasts_at_most_and_all_are_acknowledged_at_once(visits: Visits, world: World) -> None:
    unique_id = "noisy-van"
    await add_tracker(world, unique_id, "Noisy van")
    async with visits.signed_in("anna", at="/rules") as page:
        await add_rule(
            page, description="Noise", types=["alarm"], alarms=["door", "vibration", "tow", "fault", "jamming"], channels=["web"]
        )
        await page.goto("/trackers")
        for i, kind in enumerate(("door", "vibration", "tow", "fault", "jamming")):
            await alarm(world, unique_id, kind, ago_s=10 - i)
        await expect(page.locator(".alert-toast")).to_have_count(3)
        await expect(page.locator(".alert-more")).to_have_text("2 more alerts")
        await page.click(".alert-more")
        await page.wait_for_url("**/alerts")
        await expect(page.locator(".feed-row[data-open]", has_text="Noisy van")).to_have_count(5)
        await page.click("#acknowledge-shown")
        await expect(page.locator("#feed")).to_contain_text("nobody has seen to")
        await expect(page.locator("#alerts-open")).to_be_hidden()


async def test_a_rule_is_switched_off_copied_and_removed(visits: Visits) -> None:
    async with visits.signed_in("anna", at="/rules") as page:
        await add_rule(page, description="Leaving", types=["ignitionOn"], channels=["web"], cooldownSeconds=600)
        await page.goto("/rules")
        rule = page.locator(".rule", has=page.get_by_role("heading", name="Leaving", exact=True))
        await rule.get_by_role("switch").uncheck()
        await expect(rule).to_have_attribute("data-off", "")
        await eventually(lambda: _is_off(page, "Leaving"))
        await rule.get_by_role("link", name=re.compile("Duplicate")).click()
        await expect(page.locator("#rule-name")).to_have_value("Leaving (copy)")
        await part(page, "hours")
        await page.click("[data-preset=nights]")
        await page.keyboard.press("Escape")
        await expect(page.locator("#sentence")).to_contain_text("between 20:00 and 06:00")
        await page.click("#rule-save")
        copy = page.locator(".rule", has_text="Leaving (copy)")
        await expect(copy).to_contain_text("at most once in 10 minutes")
        await copy.get_by_role("button", name=re.compile("Remove")).click()
        await page.click("#remove-form [type=submit]")
        await expect(copy).to_have_count(0)
        await expect(rule).to_have_count(1)


async def _is_off(page: Page, name: str) -> bool:
    return (await stored_rule(page, name))["enabled"] is False


async def test_what_is_wrong_with_a_rule_is_said(visits: Visits) -> None:
    async with visits.signed_in("anna", language="ru-RU", at="/rules/new") as page:
        await choose(page, "channels", "Вебхук")
        await page.click("#rule-save")
        await expect(page.locator("#rule-error")).to_contain_text("Вебхуку нужен адрес")
        await choose(page, "channels", "SMS, иначе письмо", "Вебхук")
        await expect(page.locator("#warnings")).to_contain_text("Этот сервер пока не отправляет SMS")
        await expect(page.locator("#sentence")).to_have_text(
            "Когда любая машина покидает любую зону в любое время, сообщить всем на странице и по SMS, иначе по почте."
        )


async def test_nearness_is_made_within_the_sentence(visits: Visits, world: World) -> None:
    device_id = await add_tracker(world, "near-van", "Visiting van")
    async with visits.signed_in("anna", at="/rules/new") as page:
        await choose(page, "what", "comes near a vehicle")
        await choose(page, "who", "Visiting van")
        await part(page, "whom")
        await page.locator(".bubble .choice", has_text="A place on the map").click()
        await page.get_by_label("Latitude").fill("43.25")
        await page.get_by_label("Longitude").fill("76.95")
        await page.get_by_label("What the place is called").fill("Customer 7")
        await page.keyboard.press("Escape")
        await part(page, "distance")
        await page.get_by_label("Near: closer than").fill("0.5")
        await page.keyboard.press("Escape")
        await expect(page.locator("#sentence")).to_contain_text("When Visiting van comes within 500 m of the place Customer 7")
        await page.fill("#rule-name", "Near")
        await page.click("#rule-save")
        await expect(page.locator(".rule", has_text="Near")).to_contain_text("of the place Customer 7")
        rule = await stored_rule(page, "Near")
        (near,) = await (await page.request.get("/api/proximities")).json()
        assert rule["attributes"]["proximityIds"] == [near["id"]]
        assert (near["deviceId"], near["latitude"], near["longitude"], near["enter"]) == (device_id, 43.25, 76.95, 500)


async def test_how_one_is_told_is_kept(visits: Visits, world: World) -> None:
    async with visits.signed_in("boris", at="/account") as page:
        await expect(page.locator("#alert-form")).to_have_attribute("aria-busy", "false")
        await page.fill("[name=phone]", "8 701")
        await page.click("#alert-form [type=submit]")
        await expect(page.locator("#alert-form .form-error")).to_contain_text("with its country")
        await page.fill("[name=phone]", "+7 701 123-45-67")
        await page.select_option("[name=timeZone]", "Asia/Almaty")
        await page.click("#quiet-hours [data-preset=nights]")
        await page.click("#alert-form [type=submit]")
        await expect(page.locator("#toasts")).to_contain_text("Saved")
        await page.reload()
        await expect(page.locator("[name=phone]")).to_have_value("+77011234567")
        await expect(page.locator("[name=timeZone]")).to_have_value("Asia/Almaty")
        await expect(page.locator("#quiet-hours [aria-pressed=true]")).to_have_text("Nights")


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [
        pytest.param(DESKTOP, "light", "en-US", id="light, desktop"),
        pytest.param(PHONE, "dark", "ru-RU", id="dark, phone, Russian"),
        pytest.param({"width": 320, "height": 640}, "light", "ru-RU", id="a small phone"),
    ],
)
async def test_everybody_can_use_them(
    visits: Visits, world: World, size: dict[str, int], scheme: Literal["light", "dark"], language: str
) -> None:
    async with visits.signed_in("anna", at="/rules", size=size, scheme=scheme, language=language) as page:
        for path in ("/rules", "/alerts?state=all", "/deliveries", "/account", "/rules/new"):
            await page.goto(path)
            await page.wait_for_load_state("networkidle" if path == "/account" else "load")
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], path
            assert await faults(page) == [], path
        for slot in ("who", "what", "hours", "people", "channels"):
            await part(page, slot)
            assert await faults(page) == [], slot
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
            await page.keyboard.press("Escape")
