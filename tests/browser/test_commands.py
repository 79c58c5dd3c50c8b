"""Telling trackers something, on the pages: real trackers on real sockets, a real browser."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from playwright.async_api import Page, expect

from tests.api.conftest import PASSWORD, World, eventually, online
from tests.browser.conftest import DESKTOP, PHONE, Gt06, Visits
from tests.browser.test_access import faults
from tests.browser.test_pages import ALMATY, add_tracker

pytestmark = pytest.mark.asyncio(loop_scope="module")
SMALL = {"width": 800, "height": 600}  # of the map, which is drawn without a graphics card


async def ask(page: Page, world: World, method: str, path: str, **body: Any) -> Any:
    answer = await page.request.fetch(path, method=method, data=body or None, headers={"Origin": world.url})
    assert answer.ok, await answer.text()
    return await answer.json() if answer.status != 204 else None


async def open_for(page: Page, name: str) -> None:
    """The dialog, from the list of trackers."""
    await page.click(f"[data-command][data-name='{name}']")
    await expect(page.locator("#command-choice")).to_be_visible()


async def test_an_engine_is_stopped_only_after_a_second_question_and_not_at_speed(visits: Visits, world: World) -> None:
    imei = "863000000000711"
    device_id = await add_tracker(world, imei, "Truck 7")
    async with Gt06(world, imei) as tracker, visits.signed_in(at=f"/?device={device_id}", size=SMALL) as page:
        await tracker.report(*ALMATY, speed_kmh=62)
        await expect(page.locator("#card-speed")).to_have_text("62 km/h")
        await page.click("#card-command")
        await page.select_option("#command-choice", "engineStop")
        await page.click(".command-form [type=submit]")
        question = page.locator(".command-question")
        await expect(question.locator("h3")).to_have_text("Stop the engine of Truck 7?")
        await expect(question.locator(".command-speed")).to_have_text("It goes 62 km/h now.")
        await expect(question.locator("[value=slow]")).to_be_checked()
        await question.get_by_role("button", name="Stop the engine").click()
        words = page.locator(".command-words")
        await expect(words).to_contain_text("The vehicle is moving. The command leaves when it stands or goes at most 10 km/h")
        await expect(page.locator(".command-past li")).to_contain_text("Stop the engine")
        await page.locator(".command-status").get_by_role("button", name="Take back").click()
        await expect(words).to_have_text("Withdrawn before it was sent.")
        await expect(page.get_by_role("button", name="Another command")).to_be_focused()
        (told,) = await ask(page, world, "GET", f"/api/commands/log?deviceId={device_id}")
        assert (told["type"], told["whenSlow"], told["state"]) == ("engineStop", True, "withdrawn")
        # A vehicle that slows down is told at once
        await page.get_by_role("button", name="Another command").click()
        await page.select_option("#command-choice", "engineStop")
        await page.click(".command-form [type=submit]")
        await page.click(".command-question [type=submit]")
        await expect(words).to_contain_text("The vehicle is moving.")
        await tracker.report(*ALMATY, speed_kmh=3)
        await expect(words).to_have_text("Sent; the tracker has not answered yet.")
        await expect(page.locator(".command-steps [data-step=sent]")).to_have_attribute("data-done", "")


async def test_the_trackers_own_words_come_into_the_dialog_and_the_log(visits: Visits, world: World) -> None:
    device_id = await add_tracker(world, "cmd-wialon", "Answering van")
    async with online(world, "cmd-wialon") as (reader, writer), visits.signed_in(at="/trackers") as page:
        await open_for(page, "Answering van")
        await page.select_option("#command-choice", "custom")
        await page.click(".command-form [type=submit]")
        await expect(page.locator(".command-fields small")).to_have_text("This has to be given.")
        await expect(page.locator(".command-fields input")).to_be_focused()
        await page.fill(".command-fields input", "#M#hello")
        await page.press(".command-fields input", "Enter")
        await expect(page.locator(".command-asked")).to_have_text("Send “#M#hello” to Answering van?")
        await page.get_by_label("At once").check()
        await page.get_by_role("button", name="Send it").click()
        async with asyncio.timeout(10):
            assert await reader.readline() == b"#M#hello\r\n"
        writer.write(b"#AM#1\r\n")
        await expect(page.locator(".command-status")).to_have_attribute("data-state", "answered")
        await expect(page.locator(".command-status .command-answer")).to_have_text("1")
        await page.goto(f"/commands?device={device_id}")
        row = page.locator("#feed tbody tr")
        await expect(row).to_contain_text("Answered")
        await expect(row).to_contain_text("#M#hello")
        await expect(row).to_contain_text("Anna")
        # The log is live
        await page.click("#new-command")
        await page.select_option("#command-choice", "rebootDevice")
        await page.click(".command-form [type=submit]")
        await page.locator(".command-dialog").get_by_role("button", name="Close").click()
        await expect(row).to_have_count(2)
        await expect(row.first).to_contain_text("Restart the tracker")
        async with asyncio.timeout(10):
            assert await reader.readline() == b"reboot\r\n"
        await expect(row.first.locator(".command-chip")).to_contain_text("Sent")
        await page.select_option("[name=state]", "failed")
        await expect(page.locator("#feed")).to_contain_text("No command fits this filter.")


async def test_a_saved_command_is_made_changed_sent_to_a_group_and_removed(visits: Visits, world: World) -> None:
    async with visits.signed_in(at="/commands/saved") as page:
        group = (await ask(page, world, "POST", "/api/groups", name="Night shift"))["id"]
        for number in (1, 2):
            device_id = await add_tracker(world, f"cmd-night-{number}", f"Night {number}")
            await ask(page, world, "PUT", f"/api/devices/{device_id}", groupId=group)
        await page.reload()
        await page.click("#add-saved")
        form = page.locator(".command-form")
        await form.get_by_label("Name").fill("Report often")
        await form.locator("select").first.select_option("positionPeriodic")
        await form.get_by_label("Interval, s").fill("0")
        await expect(form.locator(".is-wrong")).to_have_text("From 1 to 604,800")
        await form.get_by_role("button", name="Save").click()
        await expect(form.get_by_label("Interval, s")).to_be_focused()
        await form.get_by_label("Interval, s").fill("30")
        await form.get_by_role("button", name="Save").click()
        row = page.locator("#saved tbody tr", has_text="Report often")
        await expect(row).to_contain_text("Interval 30 s")
        await row.get_by_role("button", name="Edit Report often").click()
        await form.get_by_label("Interval, s").fill("60")
        await form.get_by_role("button", name="Save").click()
        await expect(row).to_contain_text("Interval 60 s")
        await row.get_by_role("button", name="Send Report often").click()
        await page.locator(".command-to [value=group]").check()
        await page.get_by_label("Group", exact=True).select_option("Night shift")
        await form.get_by_role("button", name="Send").click()
        await expect(page.locator(".command-results li")).to_have_count(2)
        await expect(page.locator(".command-results")).to_contain_text("Night 1")
        await expect(page.locator(".command-results li").first).to_contain_text("the tracker is not connected")
        await page.keyboard.press("Escape")
        await row.get_by_role("button", name="Remove Report often").click()
        await page.locator(".command-dialog").get_by_role("button", name="Remove").click()
        await expect(row).to_have_count(0)
        assert "Report often" not in [one["description"] for one in await ask(page, world, "GET", "/api/commands")]


async def test_a_rule_tells_the_vehicle_and_answers_are_events(visits: Visits, world: World) -> None:
    device_id = await add_tracker(world, "cmd-rule", "Rule van")
    async with visits.signed_in(at="/commands/saved") as page:
        saved = await ask(
            page, world, "POST", "/api/commands", description="Say hello", type="custom", attributes={"data": "#M#hi"}
        )
        await page.goto("/rules/new")
        await page.click("[data-slot=what]")
        await page.locator(".bubble .choice", has_text="answers a command").click()
        await page.keyboard.press("Escape")
        await page.click("[data-slot=command]")
        await page.locator(".bubble .choice", has_text="Say hello").click()
        await page.keyboard.press("Escape")
        await expect(page.locator("#warnings")).to_contain_text("the vehicle is told nothing more")
        await page.click("[data-slot=what]")
        await page.locator(".bubble .choice", has_text="raises an alarm").click()
        await page.keyboard.press("Escape")
        await expect(page.locator("#sentence")).to_contain_text("tell everybody on the page, and tell the vehicle “Say hello”.")
        await page.fill("#rule-name", "Greeter")
        await page.click("#rule-save")
        await page.wait_for_url("**/rules")
        await expect(page.locator(".rule", has_text="Greeter")).to_contain_text("and tell the vehicle “Say hello”")
        (rule,) = [one for one in await ask(page, world, "GET", "/api/notifications") if one["description"] == "Greeter"]
        assert rule["commandId"] == saved["id"]
        await eventually(lambda: world.server.alerts.rules.get(rule["id"]) is not None)
        await page.goto(f"/commands?device={device_id}")
        assert await world.report("cmd-rule", datetime.now(UTC), *ALMATY, alarm="sos") == 200
        await expect(page.locator("#feed tbody tr")).to_contain_text("Rule: Greeter")
        await page.goto("/alerts?type=commandResult&state=all")
        await expect(page.locator("[name=type]")).to_have_value("commandResult")


async def test_who_may_not_send_sees_no_way_to(visits: Visits, world: World) -> None:
    device_id = await add_tracker(world, "cmd-rights", "Guarded van")
    email = {"saved": "sven@example.com", "none": "nora@example.com"}
    async with visits.signed_in("admin", at="/account") as page:
        for right, address in email.items():
            new = {"name": right, "email": address, "password": PASSWORD, "accountId": world.ids["Anna Ltd"], "commands": right}
            await ask(page, world, "POST", "/api/users", **new)
    async with visits.signed_in("anna", at="/account") as page:
        await ask(page, world, "POST", "/api/commands", description="Reboot it", type="rebootDevice", attributes={})
    for name in ("rita", "nora"):
        async with visits.signed_in(name, at="/trackers") as page:
            await expect(page.locator(f"[data-device='{device_id}']")).to_be_visible()
            for path in ("/trackers", f"/?device={device_id}", "/commands", "/commands/saved"):
                if (name, path[1:2]) == ("nora", "?"):
                    continue  # the map takes its time, and one look is enough
                await page.goto(path)
                buttons = page.locator("[data-command], #card-command, [data-send], [data-withdraw], #add-saved, #new-command")
                await expect(buttons).to_have_count(0)
    async with visits.signed_in("sven", at="/trackers") as page:
        await open_for(page, "Guarded van")
        options = await page.locator("#command-choice option").all_inner_texts()
        assert options == ["Choose…", *[one["description"] for one in await ask(page, world, "GET", "/api/commands")]]
        await page.select_option("#command-choice", label="Reboot it")
        await page.click(".command-form [type=submit]")
        await expect(page.locator(".command-words")).to_contain_text("The tracker is not connected.")
        await page.goto("/commands/saved")
        await expect(page.locator("[data-send]").first).to_be_visible()
        await expect(page.locator("#add-saved, [data-edit], [data-remove]")).to_have_count(0)


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [
        pytest.param(DESKTOP, "light", "en-US", id="light, desktop"),
        pytest.param(PHONE, "dark", "ru-RU", id="dark, phone, Russian"),
        pytest.param({"width": 320, "height": 640}, "light", "kk-KZ", id="a small phone, Kazakh"),
    ],
)
async def test_everybody_can_use_them(
    visits: Visits, world: World, size: dict[str, int], scheme: Literal["light", "dark"], language: str
) -> None:
    name = f"Van of {size['width']} points and a rather long name"
    await add_tracker(world, f"cmd-{size['width']}", name)
    async with visits.signed_in("admin", at="/trackers", size=size, scheme=scheme, language=language) as page:

        async def fine(where: str) -> None:
            assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"], where
            tabs = "document.querySelector('.tabs').scrollWidth - document.querySelector('.tabs').clientWidth"
            assert await page.evaluate(tabs) <= 0, where
            assert await faults(page) == [], where

        await open_for(page, name)
        await page.select_option("#command-choice", "setConnection")
        await fine("the form")
        await page.locator(".command-fields input").nth(0).fill("gps.example.com")
        await page.locator(".command-fields input").nth(1).fill("5023")
        await page.click(".command-form [type=submit]")
        await fine("the question")
        await page.click(".command-question [type=submit]")
        await expect(page.locator(".command-status")).to_be_visible()
        await fine("what became of it")
        await page.keyboard.press("Escape")
        await expect(page.locator(".command-dialog")).to_have_count(0)
        await ask(page, world, "POST", "/api/commands", description="Reboot it", type="rebootDevice", attributes={})
        for path in ("/commands", "/commands/saved"):
            await page.goto(path)
            await fine(path)
        await page.locator("[data-send]").first.click()
        await expect(page.locator("#spread-options li").first).to_be_visible()
        await fine("to whom")


async def test_refusals_are_told_in_the_viewers_language(visits: Visits, world: World) -> None:
    """By their titles in the API: a title that has changed would be told in general terms, and fail here."""
    async with visits.signed_in(at="/commands/saved", language="ru-RU", quiet=False) as page:  # Chromium logs each refusal
        await ask(page, world, "POST", "/api/commands", description="Спросить", type="positionSingle", attributes={})
        await ask(page, world, "POST", "/api/groups", name="Пустая")
        await page.reload()
        await page.get_by_role("button", name="Отправить: Спросить").click()
        await page.locator(".command-to [value=group]").check()
        await page.locator(".command-form > select").select_option("Пустая")
        await page.click(".command-form [type=submit]")
        await expect(page.locator(".command-form .form-error")).to_have_text(
            "В этой группе нет машин, которым можно отправить команду."
        )
        await page.keyboard.press("Escape")
        await add_tracker(world, "cmd-phone", "Телефон")
        assert await world.report("cmd-phone", datetime.now(UTC), *ALMATY) == 200  # by OsmAnd, which takes no commands
        await page.goto("/commands/saved")
        await page.get_by_role("button", name="Отправить: Спросить").click()
        await page.fill("[aria-controls=spread-options]", "Телефон")
        await page.press("[aria-controls=spread-options]", "Enter")
        await page.click(".command-form [type=submit]")
        await expect(page.locator(".command-form .form-error")).to_have_text(
            "Телефон: трекер с протоколом osmand не принимает эту команду."
        )
