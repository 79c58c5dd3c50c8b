"""Which reader takes which kind of GT06 frame, of those that are not ordinary locations or heartbeats.

A reader takes the cursor, the report to fill and the tracker's time zone, reads straight down the wire, and raises ValueError,
whose text is the reason, when the bytes can't be what their number says. What models do differently stands in VARIANTS, found
by kind and length, so that no model's name appears in a reader that others share.
"""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.gt06 import cells, modules, places, statuses, words
from protocols.gt06.fields import ReadKind, Report
from protocols.reports import CantRead


def read(kind: str, content: bytes, zone_s: int) -> Report | str:
    """What one frame reports, or why it can't be read."""
    reader = variant(kind, len(content)) or READERS.get(kind)
    if reader is None:
        return f"no manual of ours knows the kind {kind}"
    report = Report()
    try:
        reader(Cursor(content), report, zone_s)
    except ValueError as error:
        if not (isinstance(error, CantRead) and "latitude" in report.numbers):
            return str(error)
        report.more["incomplete"] = True  # clones leave fields out, and a place is worth more than what they say beside it
    return report


def variant(kind: str, size: int) -> ReadKind | None:
    """The reader of a model's own form of a kind, known by the length of its content."""
    known = VARIANTS.get((kind, size))
    if known is None:
        least = LONG_VARIANTS.get(kind)
        if least is not None and size >= least[0]:
            return least[1]
    return known


def picture(r: Cursor, report: Report, zone_s: int) -> None:
    raise ValueError("a piece of a picture; pictures are not taken in")


READERS: dict[str, ReadKind] = {
    "0x10": places.place_only,  # these seven come here only when they are shorter than any manual says
    "0x11": places.place_only,
    "0x12": places.place_only,
    "0x22": places.place_only,
    "0x2d": places.place_only,
    "0x31": places.place_only,
    "0xa0": places.place_only,
    "0x13": statuses.plain_status,
    "0x15": words.command_result,
    "0x16": statuses.alarm,
    "0x18": cells.cells(wifi=True),
    "0x19": statuses.cell_status,
    "0x1a": places.place_only,
    "0x1e": places.place_only,
    "0x21": words.long_command_result,
    "0x23": statuses.heartbeat_volts,
    "0x24": cells.cells(),
    "0x25": places.location_with_driver,
    "0x26": statuses.alarm,
    "0x27": statuses.fence_alarm,
    "0x28": cells.cells(),
    "0x2c": cells.cells(wifi=True),
    "0x2e": cells.cells(),
    "0x32": statuses.alarm,
    "0x33": cells.cells(tower=4, count=6, wifi=True),
    "0x34": places.x1_location,
    "0x35": picture,
    "0x36": statuses.module_status,
    "0x37": places.location_modules,
    "0x38": places.location_4g,
    "0x39": statuses.module_alarm,
    "0x40": words.battery_pack,
    "0x61": places.ibutton,
    "0x94": words.short_information,
    "0x95": statuses.camera_alarm,
    "0xa1": cells.cells(area=4, tower=8),
    "0xa2": cells.cells(area=4, tower=8, wifi=True),
    "0xa3": statuses.alarm,
    "0xa4": statuses.fence_alarm,
    "0xa5": statuses.cell_status_4g,
    "0xa7": statuses.cell_only_4g,
    "0xa9": cells.wifi_alarm,
    "0xb2": words.bluetooth_clock,
    "0xf3": cells.wifi_macs,
    "wifi": cells.wifi,
    "0x13 long": statuses.plain_status,
    "0x21 long": words.long_command_result,
    "0x32 long": statuses.az735_location,
    "0x33 long": statuses.az735_alarm,
    "0x36 long": picture,
    "0x41 long": picture,
    "0x70 long": modules.modular,
    "0x8c long": words.obd,
    "0x94 long": words.information,
    "0x95 long": statuses.camera_alarm,
    "0x9b long": words.transparent,
    "0x9c long": words.transparent,
    "0xf1 long": modules.device_status,
    "0xf2 long": modules.peripheral,
}
VARIANTS: dict[tuple[str, int], ReadKind] = {  # by kind and bytes of content
    ("0x12", 28): places.benway_location,
    ("0x12", 31): places.vxt01_location,
    ("0x12", 34): places.location_with_imei,
    ("0x12", 36): places.wetrust_location,
    ("0x12", 38): places.s5_location,
    ("0x13", 14): statuses.obd6_status,
    ("0x13", 16): statuses.temperature_status,
    ("0x16", 31): places.vxt01_location,
    ("0x17", 35): places.rfid_location,
    ("0x22", 42): places.seeworld_location,
    ("0x24", 41): places.sr411_location,
    ("0x24", 44): cells.wanway_cells,
    ("0x31", 37): places.sl4x_location,
    ("0x32", 36): statuses.alarm_with_altitude,
    ("0x34", 50): cells.sl4x_cells,
    ("0xa2", 59): places.lw4g_location,
    ("0xa3", 7): statuses.plain_status,
}
LONG_VARIANTS: dict[str, tuple[int, ReadKind]] = {  # from that many bytes of content on
    "0x12": (108, places.card_location),
    "0x19": (18, statuses.cells_of_space10x),
    "0x22": (54, places.nt_location),
    "0x25": (54, places.nt_location),
}
