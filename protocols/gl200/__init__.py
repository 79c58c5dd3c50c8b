"""Queclink's @Track, as text and as binary messages, over TCP and UDP.

Text    +RESP:GTFRI,version,id,name,…,send time,count$      a report; +BUFF: one that could not be sent in time
        +ACK:GTRTO,version,id,name,…,serial,time,count$     the answer to a command
        +ACK:GTHBD,version,id,name,time,count$              heartbeat
Place   accuracy (HDOP, 0: the last known place) | speed km/h | course degrees | altitude m | longitude, latitude degrees with six
        decimals | time yyyymmddhhmmss UTC | mcc | mnc | lac hex | cell hex | odometer km, or a mask of what follows, or nothing
FRI     name | power mV or report id | type | count | places | odometer km | hours h:mm:ss | analog inputs mV | battery % |
        status: state, inputs, outputs, hex | rpm | consumption | fuel %     (fewer fields on trackers without wires)
Binary  `binary.py`
Reply   +SACK:count$ once the report is stored, +SACK:GTHBD,version,count$ to a heartbeat. Trackers told to want no
        acknowledgement pass over it. The binary protocol is acknowledged in text too, as it is commanded in text.
Source  Queclink, "@Track Air Interface Protocol": GL200 (TRACGL200AN001), GL300 1.02, GV200 5.01, GV300CAN 12.00, GV350M 4.03,
        GV500CG 3.02; names of attributes, and which model has which fields where the manuals differ, as Traccar reads them

There is no login: each message says its IMEI. `models.py` says what differs by model, `text.py` reads the envelope and the place,
`reports.py` FRI and ERI, `canbus.py` engine data, `kinds.py` all other types.
"""

from __future__ import annotations

from protocols.gl200.kinds import read
from protocols.gl200.stream import COMMANDS, LARGEST_FRAME_BYTES, Link, sms
from protocols.reports import decode_each
from protocols.session import Codec

CODEC = Codec(
    name="gl200",
    port=5004,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=lambda: Link(whole=True),
    decode=decode_each(read),
    makers="Queclink",
    source='Queclink, "@Track Air Interface Protocol" of GL200, GL300, GV200, GV300CAN, GV350M and GV500CG',
    models="GL200, GL300, GL320M, GL500, GL530, GV50, GV55, GV56, GV58, GV65, GV75, GV200, GV300, GV310, GV350, GV355, GV500, "
    "GV600, GV800, GB100, GMT100, GT501, CV100, CV200",
    reads="ignition, motion, power, battery, odometer, engine hours, inputs and outputs, analog inputs, fuel sensors, 1-wire and "
    "Bluetooth sensors, driver, CAN and OBD, alarms",
    commands=COMMANDS,
    sms=sms,
)
