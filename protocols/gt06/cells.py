"""GT06 reports of cells and access points, from trackers that can't see the sky."""

from __future__ import annotations

from protocols.cursor import Cursor
from protocols.gt06.fields import ALARM_CODES, ReadKind, Report, bcd_date_ms, date_ms


def cells(*, area: int = 2, tower: int = 3, count: int = 7, wifi: bool = False) -> ReadKind:
    """A reader of the date, a fixed number of cells with their signal, and perhaps access points."""

    def read_cells(r: Cursor, report: Report, zone_s: int) -> None:
        report.time_ms = date_ms(r, zone_s)
        mcc = r.u16()
        mnc = r.u16() if mcc & 0x8000 else r.u8()
        for _ in range(count):
            neighbour(r, report, mcc, mnc, area, tower)
        r.u8()  # timing advance
        if wifi:
            access_points(r, report)

    return read_cells


def neighbour(r: Cursor, report: Report, mcc: int, mnc: int, area: int, tower: int) -> None:
    report.cell(mcc, mnc, r.unsigned(area), r.unsigned(tower), -r.u8())


def access_points(r: Cursor, report: Report) -> None:
    for _ in range(r.u8()):
        report.access_point(r.take(6), r.u8())


def wanway_cells(r: Cursor, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    r.u8()  # timing advance
    mcc = r.u16()
    mnc = r.u16() if mcc & 0x8000 else r.u8()
    for _ in range(r.u8()):
        neighbour(r, report, mcc, mnc, 2, 3)


def sl4x_cells(r: Cursor, report: Report, zone_s: int) -> None:
    """0x34 of SL4X: as many cells as there is room for."""
    report.time_ms = date_ms(r, zone_s)
    r.u8()  # timing advance
    mcc, mnc = r.u16(), r.u16()
    while r.left >= 7:
        neighbour(r, report, mcc, mnc, 2, 4)


def wifi_alarm(r: Cursor, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    mcc = r.u16()
    mnc = r.u16() if mcc & 0x8000 else r.u8()
    area, tower = (4, 8) if r.u8() else (2, 3)
    for _ in range(r.u8()):
        neighbour(r, report, mcc, mnc, area, tower)
    r.u8()  # timing advance
    access_points(r, report)
    code, language = r.u8(), r.u8()
    report.alarm(ALARM_CODES.get((language >> 4) << 8 | code))


def wifi(r: Cursor, report: Report, zone_s: int) -> None:
    """The frames without a checksum; the session puts their count of access points first."""
    count = r.u8()
    report.time_ms = bcd_date_ms(r)
    for _ in range(count):
        report.access_point(r.take(6), r.u8())
    towers, mcc, mnc = r.u8(), r.u16(), r.u8()
    for _ in range(towers):
        report.cell(mcc, mnc, r.u16(), r.u16(), r.u8())


def wifi_macs(r: Cursor, report: Report, zone_s: int) -> None:
    report.time_ms = date_ms(r, zone_s)
    for _ in range(r.u8()):
        r.u16()
        report.access_point(r.take(6), None)
