"""Wire formats of trackers. The door is `codec(name)`; everything here is pure: bytes in, columns and replies out.

`session.py` says how a protocol meets the server, `columns.py` what it hands over, `errors.py` what can be wrong. Each other
module is one protocol and exports its `CODEC`.
"""

from protocols import (
    arnavi,
    bce,
    calamp,
    castel,
    cellocator,
    eelink,
    egts,
    flespi,
    galileo,
    gl200,
    gps103,
    gpsgate,
    gt06,
    h02,
    jt808,
    meitrack,
    mqtt,
    navis,
    opengts,
    osmand,
    owntracks,
    ruptela,
    suntech,
    t55,
    t800x,
    teltonika,
    tk103,
    totem,
    watch,
    wialon,
    xexun,
    xexun2,
)
from protocols.columns import ALARM_BIT, ALARMS, Columns, alarm_names
from protocols.commands import Answer, CannotSend, Command, WrongParameter
from protocols.errors import BadFrame, ProtocolError, UnknownProtocol
from protocols.frames import ANSWER, Frame
from protocols.session import Codec, Commanded, Decoded, Received, Session, Unreadable

__all__ = [
    "ALARMS",
    "ALARM_BIT",
    "ANSWER",
    "CODECS",
    "Answer",
    "BadFrame",
    "CannotSend",
    "Codec",
    "Columns",
    "Command",
    "Commanded",
    "Decoded",
    "Frame",
    "ProtocolError",
    "Received",
    "Session",
    "UnknownProtocol",
    "Unreadable",
    "WrongParameter",
    "alarm_names",
    "codec",
]

CODECS: tuple[Codec, ...] = (  # a codec's place is stored with each tracker's state: add at the end only
    gt06.CODEC,
    osmand.CODEC,
    teltonika.CODEC,
    wialon.CODEC,
    ruptela.CODEC,
    owntracks.CODEC,
    flespi.CODEC,
    opengts.CODEC,
    egts.CODEC,
    h02.CODEC,
    t55.CODEC,
    suntech.CODEC,
    mqtt.CODEC,
    gpsgate.CODEC,
    xexun.CODEC,
    galileo.CODEC,
    gl200.CODEC,
    totem.CODEC,
    tk103.CODEC,
    gps103.CODEC,
    watch.CODEC,
    xexun2.CODEC,
    bce.CODEC,
    jt808.CODEC,
    navis.CODEC,
    castel.CODEC,
    calamp.CODEC,
    cellocator.CODEC,
    arnavi.CODEC,
    eelink.CODEC,
    t800x.CODEC,
    meitrack.CODEC,
)


def codec(name: str) -> Codec:
    """The codec of that name. Raises UnknownProtocol, which lists the known ones."""
    for known in CODECS:
        if known.name == name:
            return known
    raise UnknownProtocol(name, tuple(known.name for known in CODECS))
