"""What people do on the pages, in a real browser, with packets through real sockets."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from playwright.async_api import Page, Route, expect

from telematics.simulator import gt06
from tests.api.conftest import World, eventually
from tests.browser.conftest import PHONE, Gt06, Visits, log_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
EMPTY = {"type": "FeatureCollection", "features": []}
Dress = Literal["light", "dark"]
ALMATY = (43.2389, 76.8897)
NOW = datetime.now(UTC).replace(microsecond=0)


async def add_tracker(world: World, imei: str, name: str, account: str = "Anna Ltd") -> int:
    device_id = await world._insert(
        "INSERT INTO devices (account_id, unique_id, name) VALUES (%s, %s, %s) RETURNING id", world.ids[account], imei, name
    )
    await world.server.refresh_device(device_id)
    return device_id


async def test_a_wrong_password_is_told_and_a_right_one_lets_in(visits: Visits) -> None:
    async with visits.visitor(quiet=False) as page:  # Chromium itself logs each 401
        await page.goto("/history?device=1")
        assert "/login?next=" in page.url
        await page.fill("[name=email]", "anna@example.com")
        await page.fill("[name=password]", "wrong")
        await page.press("[name=password]", "Enter")
        await expect(page.locator("#login-error")).to_have_text("The e-mail or the password is wrong.")
        await page.fill("[name=password]", "correct horse")
        await page.press("[name=password]", "Enter")
        await page.wait_for_url("**/history?device=1")


async def test_login_does_not_lead_to_other_sites(visits: Visits) -> None:
    async with visits.visitor() as page:
        for trap in ("//evil.example/", "/\\evil.example/", "https://evil.example/", "/\t/evil.example/"):
            await page.goto(f"/login?next={trap}")
            assert await page.get_attribute("#login", "data-next") == "/"


async def test_a_vehicle_moves_when_a_packet_arrives(visits: Visits, world: World) -> None:
    imei = "863000000000018"
    await add_tracker(world, imei, "Moving van")
    latitude, longitude = ALMATY
    async with Gt06(world, imei) as tracker, visits.signed_in() as page:
        await tracker.report(latitude, longitude, time=NOW - timedelta(seconds=5))
        row = page.locator("#list .row", has_text="Moving van")
        await expect(row).to_contain_text("40 km/h")
        await row.click()
        card = page.locator("#card")
        await expect(card.locator("#card-name")).to_have_text("Moving van")
        assert float(await card.get_attribute("data-longitude") or 0) == pytest.approx(longitude, abs=1e-4)
        await expect(card.locator("#card-place")).to_have_text("Almaty", timeout=30_000)
        await tracker.report(latitude, longitude + 0.001, 57, NOW)
        await expect(card.locator("#card-speed")).to_have_text("57 km/h")
        assert float(await card.get_attribute("data-longitude") or 0) == pytest.approx(longitude + 0.001, abs=1e-4)
        await expect(row).to_have_attribute("aria-selected", "true")


async def test_a_vehicle_of_another_account_is_not_seen(visits: Visits, world: World) -> None:
    imei = "863000000000026"
    device_id = await add_tracker(world, imei, "Boris's lorry", "Boris Ltd")
    async with Gt06(world, imei) as tracker, visits.signed_in("anna") as page:
        await tracker.report(*ALMATY)
        await expect(page.locator("#list .row").first).to_be_visible()
        await expect(page.locator("#list")).not_to_contain_text("Boris")
        await page.goto(f"/history?device={device_id}")
        await expect(page.locator("#note")).to_contain_text("Choose a vehicle")
        assert await page.input_value("#device") == ""


async def test_search_and_states_filter_the_list(visits: Visits, world: World) -> None:
    imei = "863000000000034"
    await add_tracker(world, imei, "Needle 7")
    async with Gt06(world, imei) as tracker, visits.signed_in() as page:
        await tracker.report(*ALMATY, speed_kmh=80)
        await expect(page.locator("#list .row", has_text="Needle 7")).to_contain_text("80 km/h")
        await page.press("body", "/")
        await page.keyboard.type("needle")
        await expect(page.locator("#list .row:visible")).to_have_count(1)
        await page.click("#states [data-state=offline]")
        await expect(page.locator("#list-empty")).to_contain_text("No vehicle matches")
        await page.click("#clear-filter")
        await expect(page.locator("#list .row", has_text="Truck a1")).to_be_visible()


async def test_history_plays(visits: Visits, world: World) -> None:
    imei = "863000000000042"
    device_id = await add_tracker(world, imei, "Historic bus")
    start = NOW - timedelta(minutes=30)
    async with Gt06(world, imei) as tracker:
        for minute in range(20):
            await tracker.report(43.2 + minute * 0.003, 76.9, 30 + minute, start + timedelta(minutes=minute))
    async with visits.signed_in(at="/account") as page:
        day = f"from={(NOW - timedelta(hours=2)).isoformat()[:19]}Z&to={(NOW + timedelta(hours=1)).isoformat()[:19]}Z"
        await page.goto(f"/history?device={device_id}&{day}")
        await expect(page.locator("#total-distance")).to_have_text("6.3 km")
        await expect(page.locator("#total-top")).to_have_text("49 km/h")
        await expect(page.locator("#now-speed")).to_have_text("30 km/h")
        await page.select_option("#rate", "1000")
        await page.click("#play")
        await expect(page.locator("#now-speed")).to_have_text("49 km/h", timeout=15_000)
        assert await page.get_attribute("#player", "data-time") == str(int((start + timedelta(minutes=19)).timestamp() * 1000))
        async with page.expect_download() as download:
            await page.click("#export-gpx")
        gpx = (await (await download.value).path()).read_text()
        assert gpx.count("<trkpt") == 20


async def test_an_unknown_tracker_is_adopted(visits: Visits, world: World) -> None:
    imei = "863000000000059"
    async with visits.signed_in("admin") as page:
        _reader, writer = await _knock(world, imei)
        await eventually(lambda: _is_listed(page, imei), 30)
        writer.close()
        await page.click(f"#unknown li:has-text('{imei}') button")
        await page.fill("#tracker-form [name=name]", "Adopted lorry")
        await page.select_option("#tracker-form [name=accountId]", label="Anna Ltd")
        await page.click("#tracker-form [type=submit]")
        await expect(page.locator("#trackers")).to_contain_text("Adopted lorry")
        await expect(page.locator("#unknown")).not_to_contain_text(imei)
    async with Gt06(world, imei) as tracker, visits.signed_in("anna") as page:
        await tracker.report(*ALMATY)
        await expect(page.locator("#list .row", has_text="Adopted lorry")).to_contain_text("40 km/h")


async def _knock(world: World, imei: str) -> tuple[object, asyncio.StreamWriter]:
    """An unknown tracker says who it is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.listeners.ports["gt06"])
    writer.write(gt06.Tracker(imei).hello())
    await writer.drain()
    return reader, writer


async def _is_listed(page: Page, imei: str) -> bool:
    await page.goto("/trackers")
    return await page.locator("#unknown", has_text=imei).count() == 1


async def test_a_tracker_is_added_edited_and_removed(visits: Visits, world: World) -> None:
    async with visits.signed_in("anna", at="/trackers") as page:
        await page.get_by_role("button", name="Add a tracker").click()
        await page.fill("#tracker-form [name=name]", "New <b>van</b>")
        await page.fill("#tracker-form [name=uniqueId]", "863000000000067")
        await page.click("#tracker-form [type=submit]")
        row = page.locator("#trackers tr", has_text="New <b>van</b>")
        await expect(row).to_contain_text("863000000000067")
        await row.get_by_role("button", name="Edit").click()
        await page.fill("#tracker-form [name=name]", "Blue van")
        await page.fill("#tracker-form [name=speedLimit]", "90")
        await page.click("#tracker-form [type=submit]")
        row = page.locator("#trackers tr", has_text="Blue van")
        await row.get_by_role("button", name="Edit").click()
        await expect(page.locator("#tracker-form [name=speedLimit]")).to_have_value("90")
        await page.get_by_role("button", name="Cancel").click()
        await row.get_by_role("button", name="Remove").click()
        await page.locator("#remove-form [type=submit]").click()
        await expect(page.locator("#trackers")).not_to_contain_text("Blue van")


async def test_what_is_wrong_with_a_tracker_is_told(visits: Visits, world: World) -> None:
    async with visits.signed_in("anna", quiet=False, at="/trackers") as page:
        await page.get_by_role("button", name="Add a tracker").click()
        await page.click("#tracker-form [type=submit]")
        await expect(page.locator("#tracker-form .form-error")).to_have_text("A tracker needs a name and an id.")
        await page.fill("#tracker-form [name=name]", "Twice")
        await page.fill("#tracker-form [name=uniqueId]", "imei-a1")
        await page.click("#tracker-form [type=submit]")
        await expect(page.locator("#tracker-form .form-error")).to_be_visible()
        await expect(page.locator("#dialog")).to_be_visible()


async def test_who_may_only_look_is_offered_nothing_else(visits: Visits) -> None:
    async with visits.signed_in("rita", at="/trackers") as page:
        await expect(page.locator("#trackers")).to_contain_text("Truck a1")
        assert await page.get_by_role("button", name="Add a tracker").count() == 0
        assert await page.locator("#trackers button").count() == 0


async def test_a_token_is_shown_once_and_works(visits: Visits, world: World) -> None:
    async with visits.signed_in("anna", at="/account") as page:
        await page.click("#token-form [type=submit]")
        token = await page.locator("#token").text_content() or ""
        await expect(page.locator("#token-result")).to_be_visible()
        token = await page.locator("#token").text_content() or ""
    async with world.visitor(headers={"Authorization": f"Bearer {token}"}) as script:
        assert (await script.get("/api/devices")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/history", "/trackers", "/account", "/nowhere"])
@pytest.mark.parametrize(
    ("size", "scheme", "language"), [(PHONE, "light", "ru-RU"), ({"width": 320, "height": 640}, "dark", "kk-KZ")]
)
async def test_nothing_sticks_out_on_a_phone(
    visits: Visits, path: str, size: dict[str, int], scheme: Dress, language: str
) -> None:
    async with visits.signed_in(
        "admin", at="/account", size=size, scheme=scheme, language=language, quiet=path != "/nowhere"
    ) as page:
        await page.goto(path)
        await page.wait_for_load_state("networkidle" if path != "/" else "load")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"]
        assert await page.evaluate("document.documentElement.lang") == language[:2]


async def test_the_choice_of_language_and_dress_stays(visits: Visits) -> None:
    async with visits.signed_in("anna") as page:
        await page.click(".account-button")
        await page.click("[data-theme-choice=dark]")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 21)"
        async with page.expect_navigation():
            await page.click("[data-language=ru]")
        await expect(page.locator(".tabs")).to_contain_text("История")
        await page.click(".account-button")
        async with page.expect_navigation():
            await page.click("[data-language=kk]")
        await expect(page.locator(".tabs")).to_contain_text("Тарих")
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def test_refusals_are_told_in_the_viewers_language(visits: Visits, world: World) -> None:
    """By their titles in the API: a title that has changed would be told in general terms, and fail here."""
    imei = "863000000000133"
    await add_tracker(world, imei, "First van")
    async with visits.signed_in("anna", language="ru-RU", quiet=False) as page:
        await page.goto("/trackers#add")
        await page.fill("#tracker-form [name=name]", "Двойник")
        error = page.locator("#tracker-form .form-error")
        for unique_id, text in [
            (imei, "Трекер с таким номером уже добавлен. Проверьте номер или удалите тот трекер."),
            ("a\u00011", "Сервер не принимает эти поля: Номер трекера"),
        ]:
            await page.fill("#tracker-form [name=uniqueId]", unique_id)
            await page.click("#tracker-form [type=submit]")
            await expect(error).to_have_text(text)
    async with visits.visitor(language="ru-RU", quiet=False) as page:
        await page.goto("/login")
        # Played, since real failures would slow the logins of the tests that follow
        await page.route("**/api/session", lambda route: route.fulfill(status=429, headers={"Retry-After": "90"}))
        await page.fill("[name=email]", "slowed@example.com")
        await page.fill("[name=password]", "wrong")
        await page.press("[name=password]", "Enter")
        await expect(page.locator("#login-error")).to_contain_text("Слишком много попыток")


async def test_the_trackers_page_tells_times_as_people_do(visits: Visits, world: World) -> None:
    imei = "863000000000117"
    await add_tracker(world, imei, "Timely van")
    async with Gt06(world, imei) as tracker, visits.signed_in("anna", timezone_id="Asia/Almaty") as page:
        await tracker.report(*ALMATY)
        await page.goto("/trackers")
        time = page.locator("#trackers tr", has_text="Timely van").locator("time")
        await expect(time).to_have_text(re.compile("^(just now|[0-9]+ s ago)$"))
        heard = datetime.fromisoformat(await time.get_attribute("datetime") or "") + timedelta(hours=5)
        assert f"{heard:%H:%M}" in (await time.get_attribute("title") or "")


async def test_a_session_that_ends_leads_to_the_login_and_back(visits: Visits, world: World) -> None:
    device_id = await add_tracker(world, "863000000000125", "Returning van")
    async with visits.signed_in("anna", quiet=False) as page:
        await page.goto(f"/?device={device_id}")
        await expect(page.locator("#card")).to_be_visible()
        await page.context.clear_cookies()
        await page.reload()
        await page.fill("[name=email]", "anna@example.com")
        await page.fill("[name=password]", "correct horse")
        await page.press("[name=password]", "Enter")
        await expect(page.locator("#card-name")).to_have_text("Returning van")
        await page.request.delete("/api/session", headers={"Origin": world.url})
        await page.wait_for_url(f"**/login?next=%2F%3Fdevice%3D{device_id}")


async def test_a_fleet_without_trackers_leads_to_its_first(visits: Visits, world: World) -> None:
    async with visits.signed_in("anna", size=PHONE) as page:
        await page.route("**/api/devices*", lambda route: route.fulfill(json=[]))
        await page.route_web_socket("**/api/socket", lambda _: None)
        await page.goto("/")
        await page.click("#list-empty a")
        await expect(page.locator("#tracker-form [name=name]")).to_be_focused()


async def test_the_list_is_usable_by_keyboard(visits: Visits, world: World) -> None:
    async with visits.signed_in("anna") as page:
        await expect(page.locator("#list .row", has_text="Truck a1")).to_be_visible()
        await page.focus("#list")
        await page.keyboard.press("Home")
        first = await page.locator("#card-name").text_content()
        await page.keyboard.press("ArrowDown")
        await expect(page.locator("#card-name")).not_to_have_text(first or "")
        await page.keyboard.press("Escape")
        await expect(page.locator("#card")).to_be_hidden()


async def test_a_lost_line_is_told_and_comes_back(visits: Visits, world: World) -> None:
    async with visits.signed_in("anna", quiet=False) as page:
        await expect(page.locator("#link")).to_be_hidden()
        await page.context.set_offline(True)
        await page.evaluate("window.dispatchEvent(new Event('offline'))")
        await expect(page.locator("#link")).to_contain_text("Reconnecting", timeout=20_000)
        await page.context.set_offline(False)
        await expect(page.locator("#link")).to_be_hidden(timeout=40_000)


@pytest.mark.parametrize(
    ("answer", "offline"),
    [
        pytest.param("style", False, id="the style can be had"),
        pytest.param("nothing", True, id="nothing answers, in time"),
        pytest.param("no tiles", True, id="the style can be had, but no tile"),
    ],
)
async def test_the_offline_map_is_a_fallback(visits: Visits, world: World, answer: str, offline: bool) -> None:
    """The map server is played by the browser's own interception."""
    tiles = {"type": "raster", "tiles": ["https://tiles.test/{z}/{x}/{y}.png"], "tileSize": 128}
    sources = {"paper": tiles} if answer == "no tiles" else {"paper": {"type": "geojson", "data": EMPTY}}
    kind = "raster" if answer == "no tiles" else "line"
    style = {"version": 8, "sources": sources, "layers": [{"id": "paper", "type": kind, "source": "paper"}]}

    async def play(route: Route) -> None:
        if route.request.url.endswith("style.json") and answer != "nothing":
            await route.fulfill(json=style, headers={"Access-Control-Allow-Origin": "*"})
        elif answer != "nothing":
            await route.abort()  # and of a style nobody sends, not even the refusal comes

    async def configure(route: Route) -> None:
        response = await route.fetch()
        body = (await response.text()).replace('"styleUrl": ""', '"styleUrl": "https://tiles.test/style.json"')
        await route.fulfill(response=response, body=body)

    async with visits.visitor(quiet=False) as page:
        await page.route("https://tiles.test/**", play)
        await page.route(f"{world.url}/", configure)
        await log_in(page, "anna")
        await page.wait_for_selector("#map.is-offline" if offline else "#map:not(.is-offline) .vehicle-canvas", timeout=8_000)
        await page.wait_for_timeout(500)
        assert await page.locator("#map.is-offline").count() == offline
        assert await page.locator(".map-note:visible").count() == offline


async def test_logging_out_ends_it(visits: Visits) -> None:
    async with visits.visitor() as page:
        await log_in(page, "anna")
        await page.click(".account-button")
        await page.click("#log-out")
        await expect(page).to_have_url(re.compile("/login$"))
        await page.goto("/trackers")
        assert "/login" in page.url
