"""A typical position of every protocol, for `bench/decoding.py`: what a tracker that drives sends all day.

Where there is a simulator it builds the message; where there is none, a row below does, from the layout in the protocol's own
docstring. `conversation` is what a tracker says first, then its messages.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import reduce
from math import radians
from operator import xor

from fastcrc import crc16

from telematics.simulator.fix import Fix
from telematics.simulator.wires import WIRES

IMEI = "864700000000001"
START = datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)
RECORDS = {"teltonika": 10}  # positions in a message, where it isn't one
KMH_PER_KNOT = 1.852

Build = Callable[[Fix, int], bytes]  # a fix, and how many were before it


def drive(count: int) -> list[Fix]:
    """So many fixes on the road, two seconds apart: BCE counts no single ones."""
    return [
        Fix(
            time=START + timedelta(seconds=2 * number),
            latitude=43.2 + number * 9e-5,
            longitude=76.9 + number * 1e-6,
            altitude_m=790.0,
            speed_kmh=36.5,
            course_deg=float(number % 360),
            odometer_m=12_345_678 + number * 10,
        )
        for number in range(count)
    ]


def conversation(protocol: str, count: int) -> tuple[bytes, list[bytes]]:
    """The login, if there is one, and so many messages of one tracker."""
    fixes = drive(count * RECORDS.get(protocol, 1))
    if protocol in WIRES:
        tracker, size = WIRES[protocol](IMEI), RECORDS.get(protocol, 1)
        hello = tracker.hello()
        return hello, [tracker.report(fixes[at : at + size]) for at in range(0, len(fixes), size)]
    hello, build = BUILT[protocol]
    return hello, [build(fix, number) for number, fix in enumerate(fixes)]


# --- What several write alike ------------------------------------------------------------------------------------------------


def _angle(degrees: float, digits: int) -> str:
    """ddmm.mmmm, of northern and eastern places."""
    whole, rest = divmod(round(degrees * 600_000), 600_000)
    return f"{whole:0{digits}d}{rest // 10_000:02d}.{rest % 10_000:04d}"


def _north(fix: Fix) -> str:
    return _angle(fix.latitude, 2)


def _east(fix: Fix) -> str:
    return _angle(fix.longitude, 3)


def _xor(data: bytes) -> int:
    return reduce(xor, data)


def _rmc(fix: Fix, talker: str = "GPRMC") -> str:
    knots = fix.speed_kmh / KMH_PER_KNOT
    body = f"{talker},{fix.time:%H%M%S}.000,A,{_north(fix)},N,{_east(fix)},E,{knots:.2f},{fix.course_deg:.1f},{fix.time:%d%m%y},,"
    return f"{body}*{_xor(body.encode()):02X}"


def _clock(fix: Fix) -> bytes:
    """YYMMDDhhmmss in BCD."""
    return bytes.fromhex(f"{fix.time:%y%m%d%H%M%S}")


def _seconds(fix: Fix) -> int:
    return int(fix.time.timestamp())


# --- Text --------------------------------------------------------------------------------------------------------------------


def _opengts(fix: Fix, number: int) -> bytes:
    return f"GET /gprmc/Data?id={IMEI}&alt=790.5&batt=87&code=0xF020&gprmc=${_rmc(fix)} HTTP/1.1\r\nHost: server\r\n\r\n".encode()


def _t55(fix: Fix, number: int) -> bytes:
    return f"${_rmc(fix)}\r\n".encode()


def _xexun(fix: Fix, number: int) -> bytes:
    told = f"{fix.time:%y%m%d%H%M%S},13800000000,{_rmc(fix)},F,, imei:{IMEI},05,790.5,F:4.15V,1,132,40512,401,02,2531,647E"
    return f"{told}\r\n".encode()


def _totem(fix: Fix, number: int) -> bytes:
    tail = f"00AB0CDE1119{round(fix.course_deg):03d}{round(fix.speed_kmh):03d}00.9{fix.odometer_m // 1000:07d}"
    place = f"{_north(fix)}N{_east(fix)}E"
    body = f"$$0000AA{IMEI}|50004000{fix.time:%y%m%d%H%M%S}41120311{tail}{place}{number % 10_000:04d}".encode()
    body = body.replace(b"0000", b"%04d" % (len(body) + 2), 1)
    return body + b"%02X\r\n" % _xor(body)


def _tk103(fix: Fix, number: int) -> bytes:
    place = f"A{_north(fix)}N{_east(fix)}E{fix.speed_kmh:05.1f}{fix.time:%H%M%S}{fix.course_deg:06.2f}"
    return f"(013600000001BR00{fix.time:%y%m%d}{place}01000000L{fix.odometer_m:08X})".encode()


def _gps103(fix: Fix, number: int) -> bytes:
    local = fix.time + timedelta(hours=5)
    place = f"F,{fix.time:%H%M%S}.000,A,{_north(fix)},N,{_east(fix)},E,{fix.speed_kmh / KMH_PER_KNOT:.2f},{fix.course_deg:.1f}"
    return f"imei:{IMEI},tracker,{local:%y%m%d%H%M},,{place},790.5,1,0,45.16%,3.50%,+22;".encode()


def _watch(fix: Fix, number: int) -> bytes:
    place = f"{fix.latitude:.6f},N,{fix.longitude:.6f},E,{fix.speed_kmh:.1f},{fix.course_deg:.0f},790.5,11,60,90,1000,50,00000010"
    body = f"UD,{fix.time:%d%m%y,%H%M%S},A,{place},1,1,401,2,21065,10203,131,0".encode()
    return b"[3G*8800000001*%04X*%s]" % (len(body), body)


def _mqtt(fix: Fix, number: int) -> bytes:
    told = {
        "id": IMEI, "time": _seconds(fix), "latitude": round(fix.latitude, 6), "longitude": round(fix.longitude, 6),
        "altitude_m": fix.altitude_m, "speed_kmh": fix.speed_kmh, "course_deg": fix.course_deg, "satellites": 12,
        "ignition": True, "power_v": 12.6, "odometer_m": fix.odometer_m,
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":")).encode()


# --- Binary ------------------------------------------------------------------------------------------------------------------


def _xexun2(fix: Fix, number: int) -> bytes:
    def minutes(degrees: float) -> float:
        return int(degrees) * 100 + degrees % 1 * 60

    precise = struct.pack(
        ">ddBBBHHf", minutes(fix.longitude), minutes(fix.latitude), 1, 12, 40, round(fix.speed_kmh * 10),
        round(fix.course_deg * 10), fix.altitude_m,
    )  # fmt: skip
    place = b"\x80" + struct.pack(">HcH", 3 + len(precise), b"G", len(precise)) + precise
    record = struct.pack(">BIBHB", number % 256, _seconds(fix), 27, 88, 0x02) + place
    payload = struct.pack(">BH", 1, len(record)) + record
    head = struct.pack(">HH", 0x14, number & 0xFFFF) + bytes.fromhex(IMEI + "0")
    body = head + struct.pack(">HH", 0x4000 | len(payload), ~sum(payload) & 0xFFFF) + payload
    return b"\xfa\xaf" + body.replace(b"\xfb\xbf", b"\xfb\xbf\x02").replace(b"\xfa\xaf", b"\xfb\xbf\x01") + b"\xfa\xaf"


def _bce(fix: Fix, number: int) -> bytes:
    stamp = (_seconds(fix) - 0x47798280) // 2 % 0x0FFFFFFF << 4 | 7  # since 2008, begun anew when it was full
    place = struct.pack(
        "<ffBBBHI", fix.longitude, fix.latitude, round(fix.speed_kmh), 0x1C, round(fix.course_deg) // 2, 790, fix.odometer_m
    )
    structure = struct.pack("<IH", stamp, 0x0007) + place + struct.pack("<HH", 1, 1260)
    block = bytes((0xA5, number & 0x7F, len(structure))) + structure
    frame = struct.pack("<QH", int(IMEI), len(block)) + block
    return frame + bytes((sum(frame) & 0xFF,))


def _navis(fix: Fix, number: int) -> bytes:
    t = fix.time
    clock = bytes((t.hour, t.minute, t.second, t.day, t.month - 1, t.year - 2000))
    head = struct.pack("<IH", number, 5001) + clock + bytes((0x08, 0x35, 17))
    io = struct.pack("<BBHHHHII", 2, 129, 12600, 4100, 100, 200, 5, 6)
    place = struct.pack(
        "<fffHffHH", radians(fix.latitude), radians(fix.longitude), fix.speed_kmh, round(fix.course_deg),
        fix.odometer_m / 1000, 0.5, 60, 60,
    )  # fmt: skip
    return _ntcb(b"*>T\x05" + head + io + b"\x02" + clock + place)


def _ntcb(data: bytes) -> bytes:
    head = b"@NTC" + struct.pack("<IIHB", 1, 300, len(data), _xor(data))
    return head + bytes((_xor(head),)) + data


def _castel(fix: Fix, number: int) -> bytes:
    t = fix.time
    now = struct.pack("<I", _seconds(fix))
    state = bytes(4) + now + struct.pack("<IIIHI", fix.odometer_m, 77, 88, 9, 1 << 18) + bytes(8)
    place = struct.pack(
        "<6BIIHHB", t.day, t.month, t.year - 2000, t.hour, t.minute, t.second, round(fix.latitude * 3_600_000),
        round(fix.longitude * 3_600_000), round(fix.speed_kmh / 0.036), round(fix.course_deg * 10), 0xBF,
    )  # fmt: skip
    body = b"\x04" + b"213XY2026000001".ljust(20, b"\0") + b"\x40\x01\x00" + state + b"\x01" + place
    body = b"@@" + (len(body) + 8).to_bytes(2, "little") + body
    return body + crc16.ibm_sdlc(body).to_bytes(2, "little") + b"\r\n"


def _calamp(fix: Fix, number: int) -> bytes:
    options = b"\x83\x08" + bytes.fromhex(IMEI + "f") + b"\x01\x02"
    place = struct.pack(
        ">IIiiiIhBBHhBBBB", _seconds(fix), _seconds(fix), round(fix.latitude * 1e7), round(fix.longitude * 1e7), 79_000,
        round(fix.speed_kmh / 0.036), round(fix.course_deg), 11, 0, 401, -75, 15, 12, 0x01, 3,
    )  # fmt: skip
    return options + struct.pack(">BBH", 1, 2, number & 0xFFFF) + place + bytes((4, 77, 2, 0)) + struct.pack(">II", 12600, 8)


def _cellocator(fix: Fix, number: int) -> bytes:
    t = fix.time
    place = struct.pack(
        "<iiiIH", round(radians(fix.longitude) * 1e8), round(radians(fix.latitude) * 1e8), 79_000,
        round(fix.speed_kmh / 0.036), round(radians(fix.course_deg) * 1000),
    )  # fmt: skip
    head = struct.pack("<4sBIHBBBxBxBBB", b"MCGP", 0, 54321, 8, number & 0xFF, 20, 36, 0x5A, 7, 31, 2)
    told = bytes.fromhex("21800080 00 01020304 d20400 010203040506 1100 00 04 02 0b")
    body = head + told + place + struct.pack("<5BH", t.second, t.minute, t.hour, t.day, t.month, t.year)
    return body + bytes((sum(body[4:]) & 0xFF,))


def _arnavi(fix: Fix, number: int) -> bytes:
    movement = bytes((round(fix.course_deg) // 2, 79, 0x47, round(fix.speed_kmh / KMH_PER_KNOT)))
    tags = struct.pack("<BHHBfBfB", 1, 4100, 12600, 3, fix.latitude, 4, fix.longitude, 5) + movement
    tags += struct.pack("<BI", 53, fix.odometer_m)
    summed = struct.pack("<I", _seconds(fix)) + tags
    record = struct.pack("<BH", 1, len(tags)) + summed + bytes((sum(summed) & 0xFF,))
    return bytes((0x5B, number % 250 + 1)) + record + b"\x5d"


def _eelink(fix: Fix, number: int) -> bytes:
    place = struct.pack(
        ">IBiihHHB", _seconds(fix), 3, round(fix.latitude * 1_800_000), round(fix.longitude * 1_800_000), 790,
        round(fix.speed_kmh), round(fix.course_deg), 11,
    )  # fmt: skip
    cell = struct.pack(">HHHIB", 401, 1, 0x56, 0x1234, 40)
    rest = struct.pack(">HHHHIHHHH", 0x0007, 4100, 337, 0, fix.odometer_m, 5, 6, 7, 8)
    content = place + cell + rest
    return struct.pack(">2sBHH", b"gg", 0x12, len(content) + 2, number & 0xFFFF) + content


def _eelink_login() -> bytes:
    content = bytes.fromhex("0" + IMEI) + b"\x01\x20"
    return struct.pack(">2sBHH", b"gg", 1, len(content) + 2, 1) + content


def _t800x(fix: Fix, number: int) -> bytes:
    settings = bytes.fromhex("003c 0384 23 07d0 801f 4b 000501000000 4180 0089 0717 00 00")
    place = struct.pack("<fff", fix.altitude_m, fix.longitude, fix.latitude)
    place += bytes.fromhex(f"{round(fix.speed_kmh * 10):04d}") + struct.pack(">H", round(fix.course_deg))
    content = settings + struct.pack(">IB", fix.odometer_m, 0x55) + _clock(fix) + place + b"\x12\x34"
    return struct.pack(">HBHH", 0x2525, 2, 15 + len(content), number & 0xFFFF) + bytes.fromhex("0" + IMEI) + content


def _gpsgate_line(body: str) -> bytes:
    return f"${body}*{_xor(body.encode()):02X}\r\n".encode()


def _gpsgate(fix: Fix, number: int) -> bytes:
    return f"${_rmc(fix)}\r\n".encode()


BUILT: dict[str, tuple[bytes, Build]] = {  # what is said first, and a message; of the protocols that nobody simulates
    "arnavi": (b"\xff\x22" + int(IMEI).to_bytes(8, "little"), _arnavi),
    "bce": (b"#BCE#\r\n", _bce),
    "calamp": (b"", _calamp),
    "castel": (b"", _castel),
    "cellocator": (b"", _cellocator),
    "eelink": (_eelink_login(), _eelink),
    "gps103": (f"##,imei:{IMEI},A;".encode(), _gps103),
    "gpsgate": (_gpsgate_line(f"FRLIN,IMEI,{IMEI},"), _gpsgate),
    "mqtt": (b"", _mqtt),
    "navis": (_ntcb(b"*>S:" + IMEI.encode()), _navis),
    "opengts": (b"", _opengts),
    "t55": (_gpsgate_line(f"PGID,{IMEI}"), _t55),
    "t800x": (b"", _t800x),
    "tk103": (b"", _tk103),
    "totem": (b"", _totem),
    "watch": (b"", _watch),
    "xexun": (b"", _xexun),
    "xexun2": (b"", _xexun2),
}
