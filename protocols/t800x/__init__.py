"""TopFlyTech over TCP: T8608 and T8801 (2323), T8806 and kin (2525), OBD trackers (2626), personal and asset trackers (2727).

Packet  mark u16 | kind u8 | length u16 of all | serial u16 | IMEI, BCD 8 (a leading 0 and 15 digits) | content
        numbers are big-endian, floats little-endian; times are YYMMDDhhmmss in BCD, UTC
01 login, 03 heartbeat     answered at once with the same head
02 position, 04 alarm, 13 and 14 the same with more: `packets._position`   05 and 06 of 2626: harsh driving
05 of 2727, 11: operator, technology, band, IMSI, ICCID: length u8 and text       10, 12 beacons and sensors: `assets.beacons`
17, 27 locks     20 geofences     24, 25 access points     26 temperatures     62, 64 data with numbers     all of 2727
81      answer to a command: kind u8 | text in UTF-16, little-endian
Reply   mark | kind | length | serial (2323: 1) | IMEI, and the alarm's code when it was one; once the report is stored

Positions and harsh driving are acknowledged always, though trackers ask for it only when they are told to: who doesn't wait for
it passes it over. A packet of 62 or 64 has a checksum: CRC-8 of all behind it (polynomial 31 hex, starts with FF).

Source  TopFlyTech, "Communication protocol" of TLW1, TLP1, T8806+, TLD1 and TLW2 and "SolarGuardX, asset tracker protocol"; names
        of attributes, and what reserved fields are skipped, as in Traccar's T800xProtocolDecoder
"""

from protocols.reports import decode_each
from protocols.session import Codec
from protocols.t800x.packets import read
from protocols.t800x.stream import LARGEST_FRAME_BYTES, Link

__all__ = ["CODEC", "Link", "decode"]

decode = decode_each(read)

CODEC = Codec(
    name="t800x",
    port=5094,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=None,
    decode=decode,
    makers="TopFlyTech",
    source="TopFlyTech, “Communication protocol” of T8806+, TLW1, TLW2, TLD1, TLP1 and of SolarGuardX",
    models="T8608, T8801, T8803, T8806, T8808, TLW1, TLW2, TLD1, TLD2, TLP1, TLP2, PioneerX, SolarGuardX",
    reads="ignition, inputs, outputs, adc, odometer, supply, battery, satellites, signal, alarms, OBD, tires, beacons, locks",
    commands=("custom",),
)
