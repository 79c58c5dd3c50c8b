"""H02 over TCP and UDP: lines of text, and a binary record of the same.

Text    *maker,id,type,…#            maker: two letters, such as HQ or TH; id: ten digits of the IMEI, or all of it
  V1    hhmmss,A,ddmm.mmmm,N,dddmm.mmmm,E,knots,degrees,ddmmyy,status[,…]      a position, UTC; A valid, V not, B by compass
        status: 8 hex digits, a bit is set while nothing is wrong: 0 theft or shake, 1 and 18 sos, 2 overspeed, 19 external
        power cut; bit 10 is the ignition. Behind it: cells and the like (io1, io2 …), or odometer, temperature, fuel, altitude
  V4    command,…,time of the command, then as V1      answer to a command
  V2 V5 V6 V8 VI1 …  as V1                             ALRM  type, then as V1: 1 sos, 2 low battery, 3 geofence
  BC    hhmmss,length,(A,ddmm.mmmm,N,dddmm.mmmm,E,knots,degrees,ddhhmmss,status,…;)*     points from where there was no network
  VP1   A,ddmm.mmmm,N,dddmm.mmmm,E,knots,degrees,ddmmyy[,status], or V,mcc,mnc,area,cell,signalYarea,cell,signalY…
  NBR   hhmmss,mcc,mnc,delay,count,(area,cell,signal)*,ddmmyy,status           cells, where there is no sky
  V3    hhmmss,mccmnc,count,(area,cell,x,y)*,battery hex,restarts,X,ddmmyy,status
  LINK  hhmmss,signal,satellites,battery %,steps,turnovers,ddmmyy,status       HTBT, V0, XT  [battery %]    heartbeats
  SMS   text of an answer
Binary  $ | id 5 | hhmmss 3 | ddmmyy 3 | ddmmmmmm 4 | battery 1 | dddmmmmmm and flags 5 | knots, degrees 3 | status 4 | own 3
        two decimal digits a byte; flags: 8 east, 4 north, 2 valid. Some have an id of 8 bytes (15 digits), and some up to 16
        bytes more at the end, that no manual counts. X in place of $: mileage instead of the id, temperature instead of battery
Answers V1 and NBR: *maker,id,V4,type,yyyymmddhhmmss#  HTBT and V0: the first three fields back
        The time in them is the report's own: it tells the tracker which one is kept. HTBT without a battery is answered at once
Source  "Protocol ST-901, 901M, 902 …"; HuaSunTeK, "GPS Tracker Platform Communication Protocol" V1.0.5; LKGPS protocol; odd
        forms of degrees and the battery's bars as in Traccar's H02ProtocolDecoder

Commands go out under the maker's name that the tracker uses, since it obeys no other. Their time comes back in V4: it is the
serial, as seconds of a day.
"""

from functools import partial

from protocols.h02.reports import decode
from protocols.h02.stream import COMMANDS, LARGEST_FRAME_BYTES, UNANSWERED, Link, sms
from protocols.session import Codec

__all__ = ["CODEC", "Link", "decode"]

CODEC = Codec(
    name="h02",
    port=5013,
    transports=("tcp", "udp"),
    largest_frame_bytes=LARGEST_FRAME_BYTES,
    session=Link,
    datagram=partial(Link, whole=True),
    decode=decode,
    makers="Sinotrack, LKGPS, Cantrack, HuaSunTeK, Secumore, Reachfar and many unnamed clones",
    source='HuaSunTeK, "GPS Tracker Platform Communication Protocol" V1.0.5; "Protocol ST-901 …"',
    models="ST-901, ST-902, ST-906, LK109, LK209, LK210, MT-1, G02, TK-102B, A10",
    reads="ignition, status and its alarms, battery, odometer, fuel, temperature, signal, cells, steps",
    commands=COMMANDS,
    unanswered=UNANSWERED,
    sms=sms,
)
