"""Teltonika: FMB, FMC, FMM, FMT, FMU, FMP, TAT, TMT, TFT, older FM and GH trackers, Codec 7, 8, 8 Extended and 12 to 16.

Over TCP (`framing.Stream`)

Login       length u16 | IMEI, ASCII                        answer 01: come in, 00: go away
Frame       00000000 | length u32 | body | crc u32          crc: CRC-16/ARC of the body, length: of the body
Answer      count u32: how many records we keep; the tracker then forgets them, or sends them all again when it differs
Keep-alive  FF                                              between frames; has no answer

Over UDP (`framing.Datagram`)

Packet      length u16 | packet id u16 | 01 | AVL packet id u8 | length u16 | IMEI, ASCII | body
Answer      0005 | packet id u16 | 01 | AVL packet id u8 | count u8

Body        codec u8 | count u8 | records or messages | count u8

codec       what it holds                                   read by
07          records of the GH3000, with masks               `gh3000`
08 8E 10    records (AVL data) of all other trackers        `records`, which has the layout; ids: `elements`
0C to 0F    what the tracker says to a command or hears on its serial port     `messages`; what it can be told: `commands`

Source      Teltonika wiki, "Teltonika Data Sending Protocols" (Codec 8, 8 Extended, 16, 12 to 15; TCP and UDP; revision 98062
            of its page "Codec" for records without a fix) and the tables "Teltonika Data Sending Parameters ID"; names of
            attributes, Codec 7 and the camera of Codec 12: as Traccar 6 reads them
"""

from protocols.session import Codec
from protocols.teltonika.commands import COMMANDS, sms
from protocols.teltonika.decoder import decode
from protocols.teltonika.framing import LARGEST_BODY_BYTES, Datagram, Stream

__all__ = ["CODEC"]

CODEC = Codec(
    name="teltonika",
    port=5027,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_BODY_BYTES + 12,
    session=Stream,
    datagram=Datagram,
    decode=decode,
    makers="Teltonika (FMB, FMC, FMM, FMT, FMU, FMP, TAT, TMT, TFT, FM, GH) and clones",
    source="Teltonika wiki: Teltonika Data Sending Protocols; Teltonika Data Sending Parameters ID",
    models="FMB9xx, FMB1xx, FMB640, FMC130, FMC650, FMM920, FMP100, FMT100, TAT100, TMT250, FM1100, FM4200, FM5300, GH3000",
    reads="all IO elements: ignition, motion, power, battery, odometer, fuel, CAN and OBD, beacons, drivers, alarms",
    commands=COMMANDS,
    sms=sms,
)
