"""GT06: Concox, Jimi and their many clones, over TCP.

Short   7878 | length u8  | kind u8 | content | serial u16 | crc u16 | 0D0A
Long    7979 | length u16 | kind u8 | content | serial u16 | crc u16 | 0D0A
        length counts kind to crc; crc is CRC-16/X-25 of length to serial; numbers are big-endian
Wi-Fi   7878 | count u8 | 17 or 69 | content | 0D0A              (old clones: no serial, no crc)
Reply   7878 05 | kind | serial of what is answered | crc | 0D0A

Login   imei 8 BCD (a leading 0 and 15 digits) | type u16 | zone u16
        zone: hhmm as a decimal number in bits 15-4, west of Greenwich when bit 3 is set; then the tracker's times are local
Place   y m d h m s u8 each, from 2000 | satellites, low nibble | latitude u32 | longitude u32, 1/30000 minute
        | km/h u8 | flags u16: 15 ignition (when 14 is set), 12 fix, 11 west, 10 north, 9-0 course
Cell    mcc u16 | mnc u8, u16 when mcc has bit 15 | area u16 | cell u24; the 4G kinds have area u32 | cell u64
Status  flags u8: 7 oil cut, 5-3 alarm, 2 charging, 1 ignition | battery u8 | gsm u8 | alarm u8 | language u8
        battery: 0 to 6 is a bar of six, 7 to 100 are percent

`stream.py` cuts and answers; `reports.py` reads locations and heartbeats as arrays; `packets.py` lists who reads each other
kind packet by packet: `places.py`, `statuses.py`, `cells.py`, `words.py`, `modules.py`, with `fields.py` as what they share;
`commands.py` has what a tracker can be told.

Source  "GPS Tracker Communication Protocol (GT06)", Concox and Blueberry, sections IV and V; Jimi's "JM-VL0x communication
        protocol"; ids and lengths of clones compared with Traccar's Gt06ProtocolDecoder.

Where we read differently from Traccar, on purpose: the byte before the cell of an alarm counts itself, so the status behind
a wide (two byte) network code starts one byte earlier than there; VXT01 sends volts where others send a battery bar; the
supply comes before the battery in X1's packets; the odometer of 0x70 is big-endian like all the rest.
"""

from protocols.gt06.commands import COMMANDS, text_of
from protocols.gt06.reports import decode
from protocols.gt06.stream import LARGEST_FRAME_BYTES, Stream
from protocols.session import Codec

__all__ = ["CODEC", "Stream", "decode"]

CODEC = Codec(
    name="gt06",
    port=5023,
    transports=("tcp",),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Stream,
    datagram=None,
    decode=decode,
    makers="Concox, Jimi IoT, Wanway, Benway, SEEWORLD and most unnamed clones",
    source='"GPS Tracker Communication Protocol (GT06)", Concox',
    models="GT06N, TR06, GT100, GT300, JM-LL301, JM-VL01, VL03, VL103, WeTrack2, ET25, S20, WD-209",
    reads="ignition, power, battery, signal, odometer, alarms, Wi-Fi and cells, sensors, OBD, answers to commands",
    commands=COMMANDS,
    sms=text_of,
)
