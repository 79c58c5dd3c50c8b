"""TK103 (KX402, BP05 protocol) over TCP and UDP: text in round brackets.

Message   (id TYPE data)            id 12 digits, the end of the IMEI; TYPE two letters and two more
          (id,TYPE,fields)          the family with commas (TLT, CCTR …): id any digits, dates as ddmmyy
          a pair of $ holds free text, in which ) ends nothing
Position  [digits]yymmdd A ddmm.mmmmN dddmm.mmmmE speed hhmmss course PIabcfffLmmmmmmmm[+ttt.t]
          A valid, V not; speed km/h, five characters; course six or two; P 0 on external power; I ignition; a b c masks of
          inputs and outputs, hex; fff fuel, hex; m mileage in m, hex; t temperature. Months past 12 and days of 0 are counted on
          from the year's begin, since some clones send them
  BP05    login, its digits are the IMEI      answer AP05             BP00  handshake                   answer AP01HSO
  BO01    alarm, its digit says which         answer AS01 and it      BQ81  ,ALARM,type,value,position  harsh driving
  BR00    regular, BP04 asked for             no answer               ZCxx DWxx  with commas, the type is the event
Others    ZC20 ddmmyy,hhmmss,bars,battery 10 mV,power 100 mV,installed      ZC03 ddmmyy,hhmmss,$answer to a command$
          BZ00 mcc,mnc,area hex,cell hex,…     BZ00 or BP05 [imei],{mcc,mnc,area,cell}…,mileage hex     BV00 VIN
          DW5x mcc,mnc,area,cell,count,(mac*signal*channel,)*ddmmyy,hhmmss  cells and access points
          BS50 a battery's own bytes, hex; BS51 its CAN messages, as id:hex,…
Commands  (id word), or [begin]sms2,*word*,[end] to the family with commas
Source    "KX402 GPRS protocol" V1.5; the family with commas, BS50 and BS51 as in Traccar's Tk103ProtocolDecoder
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from protocols.commands import Answer, CannotSend, Command
from protocols.fields import minutes, time_ms
from protocols.frames import Frame
from protocols.reports import NAN, CantRead, Report, decode_each
from protocols.session import Codec, Received
from protocols.streams import MORE, Buffer, Stream

LARGEST_FRAME_BYTES = 2048  # a battery of 24 cells is the longest message with some 250; free text comes in SMS lengths
DAY_MS = 86_400_000
HEAD = re.compile(rb"\(?(\d{5,20}|[^(),]{4,32}(?=,)|[^(),]{12})(,?)([A-Z]{2}[0-9A-Za-z]{2}),?")
BLANKS = b"\r\n \0"
ALARM_TYPES = {1: "accident", 2: "sos", 3: "vibration", 4: "lowspeed", 5: "overspeed", 6: "geofenceExit"}  # of BO01
DRIVING = {0: "lowBattery", 1: "overspeed", 2: "idle", 3: "hardAcceleration", 4: "hardBraking", 5: "temperature"}  # of BQ81
EVENTS: dict[str, str] = {}  # a type's own alarm, of three families
for names, alarm in (
    (("ZC11", "DW31", "DW51"), "movement"),
    (("ZC12", "DW32", "DW52"), "lowBattery"),
    (("ZC13", "DW33", "DW53"), "powerCut"),
    (("ZC17", "DW37", "DW57"), "removing"),
    (("ZC25", "DW3E", "DW5E"), "sos"),
    (("ZC26", "DW3F", "DW5F"), "tampering"),
    (("ZC27", "DW40", "DW60"), "lowPower"),
):
    EVENTS |= dict.fromkeys(names, alarm)
IGNITION = dict.fromkeys(("ZC15", "DW35", "DW55", "ZC29", "DW42", "DW62"), 1.0) | dict.fromkeys(("ZC16", "DW36", "DW56"), 0.0)
BARS = {6: 100, 5: 80, 4: 50, 3: 20, 2: 10}
ANSWERS = ("BP07", "BP12", "BT00", "BV00", "BV01", "BX01", "ZC03")  # to commands, whatever they hold

POSITION = re.compile(
    r"(?:(\d{0,20})|,?ALARM,(\d),\d{1,9},)(\d\d)(\d\d)(\d\d),?([AV]),?"
    r" {0,3}(\d{0,4}\d\d\.\d{1,9})([NS]),? {0,3}(\d{0,4}\d\d\.\d{1,9})([EW]),?"
    r"([ \d.]{1,5})(?:\d{0,9},)?(\d\d)(\d\d)(\d\d),?"
    r"(?:(?:([ \d.]{6})|(\d\d)),?([01])([01])([0-9A-Fa-f])([0-9A-Fa-f])([0-9A-Fa-f])([0-9A-Fa-f]{3})L([0-9A-Fa-f]{1,12})"
    r"([+-]\d{3}\.\d)?|(\d{1,5}\.\d{1,9}))?",
    re.ASCII,
)
CELL = re.compile(r"\{(\d{1,5}),(\d{1,5}),(\d{1,9}),(\d{1,10})\}", re.ASCII)


class Link(Stream):
    largest_frame_bytes = LARGEST_FRAME_BYTES

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(whole=whole)
        self.commas = False  # the tracker is of the family with commas

    def cut(self, data: Buffer, at: int) -> int:
        if data[at] in BLANKS:
            return at + 1
        if data[at : at + 1] != b"(" and not (self.whole and at == 0):
            begin = data.find(b"(", at)
            return at - (begin if begin >= 0 else len(data))
        start, end = at, self.find(data, b")", at)
        while end >= 0:
            text = data.find(b"$", start, end)
            if text < 0:
                return end + 1
            start = data.find(b"$", text + 1) + 1
            if start == 0:
                return MORE
            if start > end:  # it was in the text
                end = data.find(b")", start)
        return len(data) if self.whole and b"$" not in data[at:] else MORE

    def hear(self, message: bytes, received: Received) -> None:
        if not message.strip(BLANKS):
            return
        head = HEAD.match(message)
        if head is None:
            self.reject("no id and type in a message", message, received)
            return
        name, comma, kind = head[1].decode("ascii", "replace"), head[2], head[3].decode()
        if not self.speaks(name, message, received):
            return
        self.commas = bool(comma)
        if kind == "BP00":
            received.reply += b"(%bAP01HSO)" % head[1]
            return
        body = message[head.end() :].removesuffix(b")")
        if kind == "BP05" and (not body or body.isdigit()) and not comma:
            received.reply += _ack(kind, head[1], body)
            return
        if kind in ANSWERS and not (kind == "BV00" and len(body) == 17):
            received.answers.append(Answer(_text(body).strip("$")))
        received.frames.append(Frame(kind, message, b"" if comma else _ack(kind, head[1], body)))

    def command(self, command: Command, serial: int, password: str) -> bytes:
        if self.commas:
            return b"[begin]sms2,%b,[end]" % _comma_words(command, password or "123456").encode()
        return b"(%b%b)" % (self.tracker.encode(), _words(command).encode())


def _ack(kind: str, name: bytes, body: bytes) -> bytes:
    if kind == "BP05":
        return b"(%bAP05)" % name
    if kind == "BO01":
        return b"(%bAS01%b)" % (name, body[:1])
    return b""


# --- Commands

WORDS = {
    "engineResume": "AV011",
    "engineStop": "AV010",
    "getVersion": "AP07",
    "positionSingle": "AP00",
    "positionStop": "AR0000000000",
    "rebootDevice": "AT00",
}
COMMA_WORDS = {
    "deviceIdentification": "999999",
    "getDeviceStatus": "*status*",
    "getVersion": "*about*",
    "positionPeriodic": "*routetrack*99*",  # for 99 days, at the interval that is set
    "positionSingle": "*getposl*",
    "positionStop": "*routetrackoff*",
    "powerOff": "*turnoff*",
    "rebootDevice": "88888888",
}
COMMANDS = (
    "custom",
    *sorted(
        {*WORDS, *COMMA_WORDS, "alarmSos", "modeDeepSleep", "modePowerSaving", "outputControl", "setConnection", "setOdometer"}
        | {"sosNumber"}
    ),
)
UNANSWERED = ("positionPeriodic", "positionSingle", "positionStop", "rebootDevice", "setOdometer")  # but by what they ask for


def _words(command: Command) -> str:
    if command.type in WORDS:
        return WORDS[command.type]
    match command.type:
        case "custom":
            return str(command["data"])
        case "positionPeriodic":
            if command["frequency"] > 0xFFFF:
                raise CannotSend("the interval has at most 65535 s")
            return f"AR00{command['frequency']:04X}0000"
        case "outputControl":
            return f"AV00{command['data']}"
        case "setOdometer":
            if command["data"]:
                raise CannotSend("the mileage can only be set to 0")
            return "AX01"
    raise CannotSend(f"this tracker has no {command.type}; it has {', '.join(sorted([*WORDS, 'positionPeriodic']))}")


def _comma_words(command: Command, password: str) -> str:
    if command.type in COMMA_WORDS:
        return COMMA_WORDS[command.type]
    match command.type:
        case "custom":
            return str(command["data"])
        case "modeDeepSleep":
            return "*sleep*2*" if command["enable"] else "*sleepoff*"
        case "modePowerSaving":
            return "*sleepv*" if command["enable"] else "*sleepoff*"
        case "alarmSos":
            return "*soson*" if command["enable"] else "*sosoff*"
        case "setConnection":
            return f"*setip*{command['server'].replace('.', '*')}*{command['port']}*"
        case "sosNumber":
            return f"*master*{password}*{command['phone']}*"
    raise CannotSend(f"this tracker has no {command.type}; it has {', '.join(sorted(COMMA_WORDS))}")


# --- Reports


def read(frame: Frame) -> list[Report]:
    """The report of one message. Raises CantRead."""
    head = HEAD.match(frame.payload)
    if head is None:
        raise CantRead("no id and type")
    kind, body = frame.kind, _text(frame.payload[head.end() :].removesuffix(b")"))
    if "{" in body and "}" in body:
        return [_towers(body)]
    if reader := READERS.get(kind):
        return [reader(body)]
    found = POSITION.match(body)
    if found is not None:
        return [_position(kind, found, by_day=bool(head[2]))]
    if kind.startswith(("DW5", "DW6")):
        return [_around(kind, body)]
    if kind in ANSWERS:
        return [Report(attributes={"result": body[:1000]})]
    raise CantRead(f"no place in a message of type {kind}")


def _position(kind: str, found: re.Match[str], *, by_day: bool) -> Report:
    (data, alarm, first, second, third, valid, north, ns, east, ew, speed, hour, minute, second_s, course, short_course, external,
     ignition, inputs, high, low, fuel, mileage, temperature, bare_course) = found.groups()  # fmt: skip
    year, day = (third, first) if by_day else (first, third)
    report = Report(
        time_ms=_time(int(year), int(second), int(day), int(hour), int(minute), int(second_s)),
        valid=valid == "A",
        latitude=minutes(north, ns),
        longitude=minutes(east, ew),
        speed_kmh=float(speed.strip() or 0),
        course_deg=float((course or short_course or bare_course or "nan").strip() or 0),
        attributes={},
    )
    if kind == "BQ81":
        name = DRIVING.get(int(alarm or data or 99))
    else:
        name = ALARM_TYPES.get(int(data[0])) if kind == "BO01" and data else None
    if name is not None:
        report.alarm(name)
    _event(report, kind)
    if mileage is not None:
        report.ignition, report.odometer_m = float(ignition == "1"), float(int(mileage, 16))
        report.attributes |= {"charge": external == "0", **_masks(int(inputs, 16), int(high, 16), int(low, 16))}
        report.attributes["fuel"] = int(fuel, 16)
        if temperature:
            report.attributes["temp1"] = float(temperature)
    return report


def _event(report: Report, kind: str) -> None:
    if kind in EVENTS:
        report.alarm(EVENTS[kind])
    report.ignition = IGNITION.get(kind, NAN)


def _masks(inputs: int, high: int, low: int) -> dict[str, int]:
    """Names as Traccar's; of the sensors only those that are on."""
    told = {"in2": inputs & 1, "panic": inputs >> 1 & 1, "out2": inputs >> 2 & 1}
    told |= {"blocked": 1} if inputs & 8 else {}
    told |= {f"hs{3 - bit}": 1 for bit in range(3) if high >> bit & 1}
    told |= {"door": 1} if high & 8 else {}
    return told | {f"ls{4 - bit}": 1 for bit in range(1, 4) if low >> bit & 1}


def _time(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    years, month = divmod(month - 1, 12)
    return time_ms(2000 + year + years, month + 1, 1, hour, minute, second) + (day - 1) * DAY_MS


def _day_and_time(date: str, clock: str) -> int:
    if len(date) != 6 or len(clock) != 6:
        raise CantRead(f"no time: {date[:20]} {clock[:20]}")
    return time_ms(int(date[4:]), int(date[2:4]), int(date[:2]), int(clock[:2]), int(clock[2:4]), int(clock[4:]))


def _battery(body: str) -> Report:
    """ZC20. A battery of 255 bars or 65535 is none."""
    date, clock, bars, battery, power = body.split(",")[:5]
    return Report(
        time_ms=_day_and_time(date, clock),
        battery_percent=BARS.get(int(bars), NAN),
        battery_v=int(battery) * 0.01 if battery != "65535" else NAN,
        power_v=int(power) * 0.1 if power != "65535" else NAN,
    )


def _result(body: str) -> Report:
    """ZC03."""
    date, clock, text = body.split(",", 2)
    return Report(time_ms=_day_and_time(date, clock), attributes={"result": text.strip("$")[:1000]})


def _vin(body: str) -> Report:
    return Report(attributes={"vin": body} if len(body) == 17 else {"result": body[:1000]})


def _cell(mcc: str, mnc: str, area: int, cell: int) -> dict[str, Any]:
    return {"mobileCountryCode": int(mcc), "mobileNetworkCode": int(mnc), "locationAreaCode": area, "cellId": cell}


def _network(body: str) -> Report:
    """BZ00 with one cell that counts, and its neighbours."""
    mcc, mnc, area, cell = body.split(",")[:4]
    return Report(attributes={"network": {"cellTowers": [_cell(mcc, mnc, int(area, 16), int(cell, 16))]}})


def _towers(body: str) -> Report:
    """Cells in curly brackets, a line each, and the mileage."""
    cells = [_cell(mcc, mnc, int(area), int(cell)) for mcc, mnc, area, cell in CELL.findall(body)]
    return Report(odometer_m=float(int(body.rpartition(",")[2], 16)), attributes={"network": {"cellTowers": cells}})


def _around(kind: str, body: str) -> Report:
    """DW5x: a cell, and the access points that are seen."""
    fields = body.split(",")
    mcc, mnc, area, cell, count = fields[:5]
    report = Report(time_ms=_day_and_time(*fields[-2:]), attributes={})
    network: dict[str, Any] = {"cellTowers": [_cell(mcc, mnc, int(area), int(cell))]}
    points = [point.split("*") for point in fields[5:-2]]
    if points and len(points) == int(count) and all(len(point) == 3 for point in points):
        network["wifiAccessPoints"] = [
            {"macAddress": mac.lower(), "signalStrength": int(signal), "channel": int(channel)} for mac, signal, channel in points
        ]
    report.attributes["network"] = network
    _event(report, kind)
    return report


def _little(data: bytes, at: int, size: int = 2) -> int:
    if at + size > len(data):
        raise CantRead(f"the battery's message has only {len(data)} bytes")
    return int.from_bytes(data[at : at + size], "little")


def _accumulator(body: str) -> Report:
    """BS50: header 3, count, 24 cells in mV, then the whole; temperatures are 40 too high."""
    data = bytes.fromhex(body)
    cells = min(_little(data, 3, 1), 24)
    told: dict[str, Any] = {f"battery{cell + 1}": _little(data, 4 + 2 * cell) / 1000 for cell in range(cells)}
    told |= {"charge": _little(data, 52, 1) == 0, "current": _little(data, 53) / 10}
    for at, name in enumerate(("batteryOverheat", "chargeProtection", "dischargeProtection"), 58):
        told[name] = _little(data, at, 1) > 0
    told |= {"cycles": _little(data, 63), "faultAlarm": _little(data, 65, 1)}
    told |= {"powerTemp": _little(data, 73, 1) - 40, "equilibriumTemp": _little(data, 74, 1) - 40}
    told |= {f"batteryTemp{probe + 1}": _little(data, 75 + probe, 1) - 40 for probe in range(min(_little(data, 72, 1), 7))}
    told |= {"calibrationCapacity": _little(data, 82) / 100, "dischargeCapacity": _little(data, 84, 4)}
    return Report(battery_v=_little(data, 55) / 100, battery_percent=float(_little(data, 57, 1)), attributes=told)


def _can(body: str) -> Report:
    """BS51: CAN messages of a battery, id:data, both hex."""
    told: dict[str, Any] = {}
    for part in body.split(","):
        key, _, text = part.partition(":")
        data = bytes.fromhex(text)
        match int(key, 16):
            case 0x90:
                told |= {"cumulativeVoltage": _little(data, 0) / 10, "gatherVoltage": _little(data, 2) / 10}
                told |= {"current": (_little(data, 4) - 30000) / 10, "soc": _little(data, 6) / 10}
            case 0x91:
                told |= {"maxCellVoltage": _little(data, 0) / 1000, "maxCellVoltageCount": _little(data, 2, 1)}
                told |= {"minCellVoltage": _little(data, 3) / 1000, "minCellVoltageCount": _little(data, 5, 1)}
            case 0x92:
                told |= {"maxTemp": _little(data, 0, 1) - 40, "maxTempCount": _little(data, 1, 1)}
                told |= {"minTemp": _little(data, 2, 1) - 40, "minTempCount": _little(data, 3, 1)}
            case 0x96:
                told |= {f"cellTemp{probe}": data[probe] - 40 for probe in range(1, min(len(data), 64))}
    return Report(attributes=told)


READERS: dict[str, Callable[[str], Report]] = {
    "ZC20": _battery,
    "ZC03": _result,
    "BV00": _vin,
    "BZ00": _network,
    "BS50": _accumulator,
    "BS51": _can,
}


def _text(data: bytes) -> str:
    return data.decode("ascii", "replace")


CODEC = Codec(
    name="tk103",
    port=5002,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=partial(Link, whole=True),
    decode=decode_each(read),
    makers="Coban, Xexun, KingSword, TLT, Gator, Watcher and many unnamed clones",
    source='"KX402 GPRS protocol" V1.5',
    models="TK103, TK103-2, GPS103-A, KX402, CCTR-800, TT12",
    reads="ignition, alarms, inputs, fuel, mileage, temperature, batteries and their cells, VIN, cells and access points",
    commands=COMMANDS,
    unanswered=UNANSWERED,
)
