"""The live bus: who hears of what, and who isn't even asked."""

from __future__ import annotations

from datetime import UTC, datetime

from telematics.devices import Device, Devices
from telematics.live import EVENTS_KEPT, Bus
from telematics.store.records import Event

AT = datetime(2026, 3, 1, tzinfo=UTC)


def bus_of(accounts: dict[int, int]) -> Bus:
    devices = Devices()
    devices.put(
        Device(id=device_id, account_id=account, unique_id=str(device_id), name="") for device_id, account in accounts.items()
    )
    return Bus(devices)


async def test_positions_of_other_accounts_are_not_even_looked_at() -> None:
    bus, asked = bus_of({1: 10, 2: 10, 3: 20}), list[int]()

    def sees(device_id: int) -> bool:
        asked.append(device_id)
        return device_id == 1

    with bus.subscribe(sees, account_id=10) as mine, bus.subscribe(lambda _: True) as everything:
        bus.publish(positions=[1, 2, 3, 4])
        assert asked == [1, 2]
        assert (await mine.wait()).positions == {1}
        assert (await everything.wait()).positions == {1, 2, 3, 4}
        bus.publish(devices=[3, 1])  # a device that has just been given to another account is news to both
        assert (await mine.wait()).devices == {1}
    bus.publish(positions=[1])
    assert len(bus) == 0


async def test_a_slow_viewer_finds_the_newest_and_a_bounded_number_of_events() -> None:
    bus = bus_of({1: 10})
    with bus.subscribe(lambda _: True, account_id=10) as feed:
        for number in range(EVENTS_KEPT + 5):
            bus.publish(positions=[1], events=[Event(1, AT, "alarm", str(number))])
        news = await feed.wait()
    assert news.positions == {1}
    assert [news.events[0].subject, news.events[-1].subject, len(news.events)] == ["5", str(EVENTS_KEPT + 4), EVENTS_KEPT]
