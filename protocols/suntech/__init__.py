"""Suntech over TCP and UDP: lines of text, or the same in bytes ("zip").

Line    fields parted by ";", CR at the end. The first field says which family and kind, the second is the tracker's id.
Legacy  SA200, ST300, ST340, ST500, ST600 … before the kind, and: id;[model;]version;yyyymmdd;hh:mm:ss;
        [cell;[mcc;mnc;lac;rssi;]]latitude;longitude;km/h;course;satellites;fix;odometer m;supply V;ignition, 3 inputs, 2 outputs
        STT  ;mode;number                      a report          EMG  ;emergency     see `text.EMERGENCIES`
        ALT  ;alert                            see `text.ALERTS`      EVT  ;event
        UEX  ;length;data;checksum             of a serial device: fuel and temperature sensors, driver's keys
        then, if it is set so: ;minutes of driving;backup V;0 late[;analog …][;driver;1 known]
        [;sensor:°C;sensor:°C;sensor:°C][;cell;mcc;mnc;dBm;lac]
        HTE  end of a trip, the driver last    ALV  alive        CMD;Res;id;version;words   the answer to a command
ST9xx   Location, Alert or Emergency;id;[version;]date;time;[cell;]latitude;longitude;km/h;course;fix;backup V
ST4xx   STT, ALT;id;version;model;seven cells of six fields;battery V;0 late;number;status;[network;]date;time;latitude;longitude;
        km/h;course;satellites;fix
        model 41: a field more behind model, and network;temperature;2 moves before the date
Universal  STT, ALT or UEX;id;mask, hex;fields of `text.read_universal`, one bit each from bit 1 on; BLE has a mask of
        its own and tags after it; RES;id;words answers a command; ALV alive; CRR a crash in parts
Old zip 02 | length u16 | kind u8 | id 9 digits BCD and a filler | `binary.OLD_ZIP` | what its kind has | 03
        the legacy report in bytes; kinds 10 STT, 11 EMG, 12 EVT, 13 ALT, 16 UEX (hex)
Zip     kind u8 (81 STT, 82 ALT) | length u16 | id 5 bytes BCD | mask u24 | the same fields   see `binary.read_zip`
Answer  over UDP ST300ACK;id, with the family that the tracker speaks (universal ACK;id); over TCP nothing
To it   legacy SA200CMD;id;02;Enable1 CR, with the family that the tracker speaks; universal CMD;id;04;01 CR
Source  Suntech, "ST300/340 Operation manual" 1.41, "ST3330 User manual", "Universal reporting guide" 1.62, "Universal commands"
        1.60; what becomes of undocumented fields: as Traccar reads them

The length of a UEX counts line ends within its data, which therefore don't end the line.
"""

from __future__ import annotations

from functools import partial

from protocols.frames import Frame
from protocols.reports import Report, decode_each
from protocols.session import Codec
from protocols.suntech.binary import read_crash, read_old_zip, read_zip
from protocols.suntech.link import LARGEST_FRAME_BYTES, Link
from protocols.suntech.text import read_legacy, read_st4, read_st9, read_universal, words_of


def read(frame: Frame) -> list[Report]:
    """The reports of one frame. Raises CantRead, or IndexError and ValueError for a field that isn't there or is no number."""
    if frame.kind == "zip":
        return [read_zip(frame.payload)]
    if frame.kind == "old zip":
        return [read_old_zip(frame.payload)]
    if frame.kind == "crash":
        return read_crash(frame.payload)
    fields = words_of(frame.payload).split(";")
    match frame.kind:
        case "universal":
            return [read_universal(fields)]
        case "response":
            return [Report(attributes={"type": fields[0][-3:], "result": ";".join(fields[3:])})]
        case "ST9":
            return [read_st9(fields)]
        case "ST4":
            return [read_st4(fields)]
    return [read_legacy(fields)]


CODEC = Codec(
    name="suntech",
    port=5011,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=partial(Link, whole=True),
    decode=decode_each(read),
    makers="Suntech International",
    models="SA200, ST200, ST215, ST300, ST310U, ST340, ST410, ST500, ST600, ST910, ST3300, ST4300, ST8310",
    source="Suntech, “ST300/340 Operation manual” 1.41, “Universal reporting guide” 1.62, “Universal commands” 1.60",
    reads="ignition, inputs, outputs, supply, battery, odometer, driving time, fuel, temperatures, drivers, tags, alarms",
    commands=(
        "custom",
        "alarmArm",
        "alarmDisarm",
        "alarmDismiss",
        "engineResume",
        "engineStop",
        "factoryReset",
        "outputControl",
        "positionSingle",
        "rebootDevice",
    ),
)
