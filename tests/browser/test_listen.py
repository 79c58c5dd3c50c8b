"""Listening to a tracker, and finding where it reports to: with real packets, in a real browser."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import WebSocketRoute, expect
from pydantic import SecretStr

import protocols
from telematics.commands.captures import talks_of
from telematics.commands.decode import read, wires_of
from telematics.commands.detect import guess
from telematics.config import MqttSettings
from tests.api.conftest import World, eventually
from tests.browser.conftest import PHONE, Gt06, Visits
from tests.browser.test_access import faults
from tests.browser.test_pages import ALMATY, add_tracker

pytestmark = pytest.mark.asyncio(loop_scope="module")
NARROW = {"width": 320, "height": 640}
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"


async def test_packets_are_seen_as_they_come_and_saved(visits: Visits, world: World, tmp_path: Path) -> None:
    imei = "863000000000208"
    device_id = await add_tracker(world, imei, "Odd box")
    async with visits.signed_in("rita", at="/trackers") as page:  # who may only look
        await page.click(f"#trackers [data-device='{device_id}'] a[href='/listen/{device_id}']")
        # Which protocol it speaks isn't known yet
        await expect(page.locator("#heard-empty a")).to_have_attribute("href", "/trackers#doors")
        await expect(page.locator("#heard-empty")).to_contain_text("It was never heard.")
        await expect(page.locator("#listen-state")).to_have_text("Listening")
        async with Gt06(world, imei) as tracker:
            await tracker.report(*ALMATY, 57)
            place = page.locator(".heard-place").first
            await expect(place).to_contain_text("43.23890, 76.88970")
            link = await place.locator("a").get_attribute("href") or ""
            assert link.startswith(f"/history?device={device_id}&at=20")
            await expect(page.locator(".heard-fields").first).to_contain_text("57 km/h")
            await expect(page.locator(".heard").first.locator(".heard-dump")).to_contain_text("0000  78 78")
            await page.click("[data-filter=out]")
            await expect(page.locator(".heard[data-way=in]")).to_have_count(0)
            answers = await page.locator(".heard").count()
            await page.click("[data-filter=all]")
            await page.click("#listen-pause")
            shown = await page.locator(".heard").count()
            assert shown > answers > 0
            await tracker.report(*ALMATY, 58)
            await expect(page.locator("#listen-pause")).to_have_text(re.compile(r"Go on \(\d new\)"))
            await expect(page.locator(".heard")).to_have_count(shown)
            tracker.writer.write(b"\x78\x78\x05\x13\x00\x01\xff\xff\x0d\x0a")  # its checksum is wrong
            await page.click("#listen-pause")
            await expect(page.locator(".heard-error").first).to_contain_text("checksum")
            await expect(page.locator(".heard-fields", has_text="58 km/h")).to_be_visible()
        assert await faults(page) == []
        async with page.expect_download() as download:
            await page.click("#listen-save")
        saved = tmp_path / (await download.value).suggested_filename
        await (await download.value).save_as(saved)
        await page.click("#listen-clear")
        await expect(page.locator("#heard-empty")).to_be_visible()
    (talk,) = talks_of(str(saved))
    assert guess(talk)[0].codec.name == "gt06"
    gt06 = protocols.codec("gt06")
    (wire,) = wires_of(gt06, str(saved))
    told = read(gt06, wire)
    assert [position["speed_kmh"] for position in told.positions] == [57.0, 58.0]
    assert len(told.rejects) == 1


async def test_a_page_keeps_the_last_rows_and_says_what_it_missed(visits: Visits, world: World) -> None:
    at = {"protocol": "wialon", "address": "192.0.2.1:1", "shared": False, "leftOut": 0, "errors": ["<b>no</b>"], "frames": []}

    def flood(socket: WebSocketRoute) -> None:
        for place in range(600):
            said = {
                **at,
                "at": "2026-11-22T10:00:00.000Z",
                "incoming": True,
                "bytes": 5,
                "hex": "3c623e0d0a",
                "text": f"<b>{place}\r\n",
            }
            socket.send(json.dumps(said))
        socket.send('{"missed": 77}')

    async with visits.signed_in("anna", at="/account", size=NARROW) as page:
        await page.route_web_socket(re.compile("/api/listen"), flood)
        await page.goto(f"/listen/{world.ids['a1']}")
        await expect(page.locator(".heard-gap")).to_have_text("77 more went by too fast to be shown.")
        await expect(page.locator(".heard")).to_have_count(500)
        await expect(page.locator(".heard-text").first).to_have_text("<b>599\\r\\n")
        await expect(page.locator(".heard-error").first).to_have_text("<b>no</b>")
        assert not await page.evaluate(SIDEWAYS)


async def test_an_administrator_listens_to_who_is_unknown(visits: Visits, world: World) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", world.server.listeners.ports["wialon"])
    writer.write(b"#L#odd&box/7;NA\r\n")
    writer.close()
    async with visits.signed_in("admin", at="/trackers", size=PHONE) as page:

        async def listed() -> bool:
            await page.reload()
            return await page.locator("#unknown", has_text="odd&box/7").count() > 0

        await eventually(listed)
        row = page.locator(".unknown li", has_text="odd&box/7")
        await expect(row).to_contain_text("1 packet · last from 127.0.0.1")
        await row.locator("a").click()
        await expect(page.locator("#listen-state")).to_have_text("Listening")
        await expect(page.locator("#heard-empty")).to_contain_text(f"localhost:{world.server.listeners.ports['wialon']}")
        _, writer = await asyncio.open_connection("127.0.0.1", world.server.listeners.ports["wialon"])
        writer.write(b"#L#odd&box/7;NA\r\n")
        await expect(page.locator(".heard[data-way=in] .heard-text")).to_have_text("#L#odd&box/7;NA\\r\\n")
        await expect(page.locator(".heard[data-way=out] .heard-text")).to_have_text("#AL#0\\r\\n")
        assert not await page.evaluate(SIDEWAYS)
        writer.close()
    async with visits.signed_in("anna", at="/account", quiet=False) as page:
        answer = await page.goto("/listen?unique_id=odd%26box%2F7")
        assert answer is not None
        assert answer.status == 404


async def test_who_may_not_listen_any_more_is_told(visits: Visits, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.api.listen.LOOK_AGAIN_S", 0.2)
    device_id = await add_tracker(world, "863000000000216", "To be sold")
    async with visits.signed_in("anna", at="/account") as page, world.signed_in("admin") as admin:
        await page.goto(f"/listen/{device_id}")
        await expect(page.locator("#listen-state")).to_have_text("Listening")
        assert (await admin.delete(f"/api/devices/{device_id}")).status_code == 204
        await expect(page.locator("#listen-state")).to_contain_text("It can't be listened to any more")


async def test_where_a_tracker_reports_to_is_found_by_its_model(visits: Visits, world: World) -> None:
    ports = world.server.listeners.ports
    async with visits.signed_in("anna", at="/trackers") as page:
        rows = page.locator("#doors-list li")
        assert {await row.get_attribute("data-protocol") for row in await rows.all()} == set(ports)
        await page.fill("#doors-search", "fmb 920")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(f"localhost:{ports['teltonika']}")
        await page.fill("#doors-search", "nobody's")
        await expect(page.locator("#doors-none")).to_be_visible()
        await page.click("#add")
        await page.fill("#tracker-form [name=model]", "GT06N")
        await expect(page.locator("#model-hint")).to_have_text(f"gt06: point it to localhost:{ports['gt06']} TCP")


async def test_an_account_is_published_by_a_switch_where_there_is_a_broker(
    visits: Visits, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = world.ids["Anna Ltd"]
    address = f"/operator/accounts/{account_id}"
    async with visits.signed_in("admin", at=address) as page:
        await expect(page.locator("[data-switch]")).to_have_count(0)
        mqtt = MqttSettings(url=SecretStr("mqtt://localhost"), prefix="fleet")
        monkeypatch.setattr(world.server, "settings", world.server.settings.model_copy(update={"mqtt": mqtt}))
        await page.reload()
        await expect(page.locator(".op-mqtt")).to_contain_text(f"fleet/{account_id}/…")
        await expect(page.locator("[data-switch=mqttDiscovery]")).to_be_disabled()
        await page.check("[data-switch=mqttPublish]")
        await page.check("[data-switch=mqttDiscovery]")
        await expect(page.locator("#toasts")).to_contain_text("Saved")
    async with world.signed_in("admin") as admin:

        async def saved() -> bool:
            account = (await admin.get(f"/api/accounts/{account_id}")).json()
            return bool(account["mqttPublish"] and account["mqttDiscovery"])

        await eventually(saved)
        await admin.put(f"/api/accounts/{account_id}", json={"mqttPublish": False, "mqttDiscovery": False})
