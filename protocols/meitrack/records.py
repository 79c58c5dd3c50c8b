"""CCC: records of one layout, little-endian."""

from __future__ import annotations

import struct

from protocols.cursor import Around
from protocols.meitrack.text import ALARMS
from protocols.reports import NAN, CantRead, Report

RECORD = struct.Struct(
    "<B"  # event
    "ii"  # latitude, longitude, 1e-6 degree
    "I"  # seconds since 2000, UTC
    "BBB"  # valid, satellites, GSM
    "HHHh"  # km/h, course, HDOP in tenths, altitude m
    "II"  # odometer m, run time s
    "4H"  # cell
    "H"  # inputs and outputs
    "HHH"  # analog input, battery in hundredths of a volt, power the same
    "I"  # fence
)
CCC_HEAD_BYTES = 8
SINCE_2000_MS = 946_684_800_000


def count_of_fixed(content: bytes) -> int:
    """How many records a CCC holds."""
    head = content.split(b",", 3)
    return max(0, len(head[3]) - CCC_HEAD_BYTES) // RECORD.size if len(head) > 3 else 0


def fixed_records(data: bytes) -> list[Report]:
    if len(data) < CCC_HEAD_BYTES:
        raise CantRead("a list shorter than its head")
    size = int.from_bytes(data[2:4], "little")
    if size != RECORD.size:
        raise CantRead(f"records of {size} bytes: only those of {RECORD.size} are known")
    end = CCC_HEAD_BYTES + (len(data) - CCC_HEAD_BYTES) // size * size
    return [_record(*values) for values in RECORD.iter_unpack(data[CCC_HEAD_BYTES:end])]


def _record(
    event: int, latitude: int, longitude: int, time: int, valid: int, satellites: int, gsm: int, speed: int, course: int,
    hdop: int, altitude: int, odometer: int, runtime: int, mcc: int, mnc: int, lac: int, cell: int, status: int, analog: int,
    battery: int, power: int, fence: int,
) -> Report:  # fmt: skip
    report = Report(
        SINCE_2000_MS + time * 1000,
        valid == 1,
        0,
        latitude / 1e6,
        longitude / 1e6,
        altitude,
        speed,
        course,
        NAN,
        satellites,
        power_v=power / 100,
        battery_v=battery / 100,
        odometer_m=odometer,
        gsm=gsm,
        attributes={"event": event, "hdop": hdop / 10, "runtime": runtime, "status": status, "adc1": analog},
    )
    if event in ALARMS:
        report.alarm(ALARMS[event])
    if not report.valid:
        around = Around()
        around.cell(mcc, mnc, lac, cell, gsm)
        report.attributes.update(around.network())
    return report
