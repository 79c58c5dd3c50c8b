"""JT/T 808: China's standard of 2011, 2013 and 2019 for vehicle terminals, and what makers built on it; over TCP.

Message 7E | kind u16 | properties u16 | version u8 (2019) | number BCD 6 (2019: 10) | serial u16
        | parts u16, part u16 (fragments) | body | xor of all before it u8 | 7E
        between the marks 7E is sent as 7D 02 and 7D as 7D 01; numbers are big-endian
        E7 instead of 7E: number BCD 7; E7 is sent as E6 02, E6 as E6 01, 3D as 3E 02, 3E as 3E 01
        properties: 15 Jointech's wish for an answer, 14 with a version, 13 a fragment, 12-10 encrypted, 9-0 length of the body
        number: the SIM's or the tracker's; where it isn't BCD, an IMEI without its last digit as one number
0100    registration, answered with 8100: serial u16 | result u8 | code (we give it its own number)
0102    authentication, 0002 heartbeat, 0003 logout, 0506, 1007, 8888: answered at once with 8001
0109    question for the time (Huabao's), 0004 in 2019: answered with 8109, 8004
0200    position: alarms u32 | status u32 | latitude, longitude u32, 1e-6 degree | altitude i16, m | speed u16, 0.1 km/h
        | course u16, degrees | time BCD 6, Beijing's | items: number u8, length u8, value         (`decoder.py`, `items.py`)
0704    count u16 | 0 new, 1 late u8 | length u16, position …                  0210 length u8, position …
0900    transparent: makers' own (`transparent.py`)                            others: `messages.py`
0001    serial u16 | kind u16 | result u8: the answer to a command (`orders.py`); 0104, 0201, 0500, 0805, 1300 have its serial
0705    messages of the vehicle's bus, 0800 a photo was taken, 0108 an upgrade: `messages.py`
5501    Jointech's position, 5502 without a place: serial u8                   (…) Jointech's sentences
Reply   8001: serial u16 | kind u16 | result u8, once the message is stored    5501 has 4401: kind u16 | result u8

Some trackers escape nothing: where a message is shorter than it says and its checksum wrong, its length is tried. Some send
batches whose length runs into the bits of encryption: a body is encrypted only if it is as long as the lower bits say.

A fragment is acknowledged as it comes, the last one of a message once the message is stored. Photos and sounds (0801) are
acknowledged and not kept.

Source  JT/T 808-2011, -2013 and -2019; Concox' and Huabao's additions; Jointech, "JT701 protocol"; messages and items of makers
        whose manuals aren't public: as Traccar's Jt808ProtocolDecoder knows them, port and names as there (once "huabao")
"""

from protocols.jt808.decoder import decode
from protocols.jt808.orders import COMMANDS
from protocols.jt808.session import LARGEST_FRAME_BYTES, Link
from protocols.session import Codec

__all__ = ["CODEC", "Link", "decode"]

CODEC = Codec(
    name="jt808",
    port=5015,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode,
    makers="Huabao, Concox, Jimi IoT, Jointech, KingSword, BSJ, AOVX and most makers in China",
    source="JT/T 808-2011, JT/T 808-2013 and JT/T 808-2019, Ministry of Transport of China",
    models="HB-A8, BSJ-A6, JT701, GPS-404, JC371, JC450, VL300, GL100, MV810G, G-360P",
    reads="ignition, alarms, odometer, fuel, supply, battery, signal, satellites, temperatures, OBD, tires, locks, drivers",
    commands=COMMANDS,
)
