"""Trackers that speak HTTP: requests in, responses in their order out. What a request says is the protocol's own.

A protocol brings `read_request(request) -> [(unique id, reports), …]`, which raises CantRead with a sentence for whoever wrote
the client. It is read once, by the session, so that it can be refused with a 400; the frame carries the reports as JSON, and
`decode` only lays them out in columns.

Answer  200 when stored, 404 when nobody has such a tracker, 400 and a line of text that says what to put right, 405, 413, 431
        when it is not such a request at all. All of them are frames: no answer may overtake an earlier request's, which waits
        for its commit.

h11 judges what HTTP is, at some 50 µs a request. What trackers really send, one request that fits into one read, is so plain that
a pattern can vouch for it (`plain_request`): that goes past h11 and is answered in the same bytes.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import unquote

import h11
import msgspec

from protocols.errors import BadFrame
from protocols.frames import ANSWER, Frame
from protocols.reports import CantRead, Report, columns_of
from protocols.session import Decoded, Received, Unreadable

LARGEST_HEAD_BYTES = 16 << 10  # what browsers and proxies keep to
LARGEST_BODY_BYTES = 64 << 10  # about 150 locations of Traccar Client, which sends one at a time
LONGEST_ID = 128
MOST_PARAMETERS = 500


class Request(msgspec.Struct):
    """A whole request."""

    target: bytes
    headers: Sequence[tuple[bytes, bytes]]  # names in small letters
    body: bytes

    @property
    def query(self) -> bytes:
        return self.target.partition(b"?")[2]

    def header(self, name: bytes) -> str:
        """Its value, empty when it isn't sent."""
        return next((value for known, value in self.headers if known == name), b"").decode("latin-1")


PLAIN = re.compile(  # no more than what h11 takes as it stands
    rb"(GET|POST) ([!-~]+) HTTP/1\.1\r\n((?:[A-Za-z][A-Za-z0-9-]*: ?[!-~](?:[ -~]*[!-~])?\r\n)+)\r\n"
)
LONGEST_PLAIN_BYTES = 4096
FRAMING = frozenset((b"transfer-encoding", b"expect", b"upgrade", b"proxy-connection", b"te", b"trailer"))  # h11's business


def plain_request(data: bytes) -> Request | None:
    """The request, if these bytes are one whole request and nothing else; None: let h11 say what they are."""
    if len(data) > LONGEST_PLAIN_BYTES:
        return None
    found = PLAIN.match(data)
    if found is None:
        return None
    _, target, lines = found.groups()
    headers, length, hosts = [], -1, 0
    for line in lines[:-2].split(b"\r\n"):
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.lstrip(b" ")
        if name == b"content-length":
            if length >= 0 or not value.isdigit() or len(value) > 4:
                return None
            length = int(value)
        elif name == b"host":
            hosts += 1
        elif name in FRAMING or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        headers.append((name, value))
    if hosts != 1 or len(data) - found.end() != max(0, length):
        return None
    return Request(target, headers, data[found.end() :])


Said = tuple[str, Sequence[Report]]  # whose reports, and the reports
Reader = Callable[[Request], Sequence[Said]]


def identity(name: str) -> str:
    """A tracker's id as it is known to us. Raises CantRead."""
    name = name.strip()
    if not 0 < len(name) <= LONGEST_ID or not name.isprintable():
        raise CantRead(f"an id has at most {LONGEST_ID} printable characters" if name else "the tracker's id is missing")
    return name


# --- Session -----------------------------------------------------------------------------------------------------------------


class Connection:
    """One connection. `stored`: the body of a 200; `tolerant`: strangers in a request don't keep it from being a 200."""

    def __init__(
        self, read_request: Reader, *, stored: str = "", tolerant: bool = False, largest_body_bytes: int = LARGEST_BODY_BYTES
    ) -> None:
        self._read_request, self._stored, self._tolerant = read_request, stored, tolerant
        self._largest_body_bytes = largest_body_bytes
        # Twice our own bound, which is judged on whole heads: so the answer doesn't depend on how the bytes were cut.
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * LARGEST_HEAD_BYTES)
        self._head: h11.Request | None = None
        self._plain = False  # the request that is being answered went past h11
        self._begun = False  # h11 holds bytes of a request
        self._between = False  # it has answered one, and hasn't begun the next
        self._body = bytearray()
        self._tracker = ""  # who was admitted last
        self._saying: deque[tuple[str, bytes]] = deque()  # what of the request is still to be handed over, as a frame has it
        self._asked = False
        self._over = False

    def receive(self, data: bytes) -> Received:
        received = Received()
        if not self._over and data:  # to h11 nothing means the end
            request = None if self._begun or self._asked else plain_request(data)
            if request is not None:
                self._plain = True
                self._whole(received, request)
                return received
            self._begun = True
            try:
                self._http.receive_data(data)
            except h11.ProtocolError:
                self._over = True
            self._go_on(received)
        return received

    def admit(self, known: bool) -> Received:
        received = Received()
        if not self._asked or self._over:
            return received
        self._asked = False
        if known:
            self._tracker = self._saying[0][0]
        else:
            self._tracker = ""
            stranger, _ = self._saying.popleft()
            if not self._saying:
                if self._tolerant:
                    self._answer(received, 200, self._stored)
                else:
                    self._answer(
                        received, 404, f"no tracker has the id {stranger}: add it on the server, or correct it in the app"
                    )
        self._hand_over(received)
        self._go_on(received)
        return received

    def _go_on(self, received: Received) -> None:
        while not self._asked and not self._over:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                # h11's own words depend on how the bytes were cut, so the client gets ours
                status = error.error_status_hint
                self._refuse(received, status, HEAD_TOO_LARGE if status == 431 else NOT_HTTP, str(error)[:200].encode())
                return
            if event is h11.NEED_DATA or event is h11.PAUSED:
                if self._between:  # looked at once a request, as looking copies
                    self._begun, self._between = bool(self._http.trailing_data[0]), False
                return
            self._between = False
            if isinstance(event, h11.Request):
                self._begin(received, event)
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._largest_body_bytes:
                    self._refuse(received, 413, self._body_too_large, bytes(self._body[:200]))
            elif isinstance(event, h11.EndOfMessage):
                if self._head is not None:
                    self._whole(received, Request(self._head.target, list(self._head.headers), bytes(self._body)))
            else:
                self._over = True

    def _begin(self, received: Received, head: h11.Request) -> None:
        self._head = head
        self._body.clear()
        length = next((int(value) for name, value in head.headers if name == b"content-length"), 0)
        if len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers) > LARGEST_HEAD_BYTES:
            self._refuse(received, 431, HEAD_TOO_LARGE, head.target[:200])
        elif length > self._largest_body_bytes:
            self._refuse(received, 413, self._body_too_large, head.target)
        elif head.method not in (b"GET", b"POST"):
            self._refuse(received, 405, "only GET and POST are answered here", head.target)
        elif self._http.they_are_waiting_for_100_continue:
            go_on = self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
            received.frames.append(Frame(ANSWER, b"", go_on))

    def _whole(self, received: Received, request: Request) -> None:
        try:
            said = self._read_request(request)
            self._saying.extend((identity(tracker), payload(reports)) for tracker, reports in said)
        except CantRead as error:
            self._saying.clear()
            received.rejects.append(BadFrame(str(error), request.target + b"\n" + request.body))
            self._answer(received, 400, str(error))
            return
        if not self._saying:
            self._answer(received, 200, self._stored)
        self._hand_over(received)

    def _hand_over(self, received: Received) -> None:
        """Reports as frames, up to a tracker that has to be asked for; the last one carries the answer to the request."""
        while self._saying:
            tracker, reports = self._saying[0]
            if tracker != self._tracker:
                self._asked, received.login = True, tracker
                return
            self._saying.popleft()
            ack, last = (b"", False) if self._saying else self._response(200, self._stored)
            received.frames.append(Frame("location", reports, ack, last=last))

    def _answer(self, received: Received, status: int, text: str) -> None:
        ack, last = self._response(status, text)
        received.frames.append(Frame(ANSWER, b"", ack, last=last))

    def _refuse(self, received: Received, status: int, text: str, frame: bytes) -> None:
        """Answer and hang up: what follows can't be, or isn't worth being, read."""
        received.rejects.append(BadFrame(text, frame))
        self._over = True
        self._body.clear()
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            ack, _ = self._response(status, text, close=True)
            received.frames.append(Frame(ANSWER, b"", ack, last=True))
        else:
            received.close = True

    def _response(self, status: int, text: str, *, close: bool = False) -> tuple[bytes, bool]:
        """The response's bytes, and whether the connection ends with it."""
        if self._plain and status == 200 and not text:
            self._plain = False
            return STORED, False
        json = status == 200  # who says something at all when all is well says it in JSON
        body = (text if json else f"{text}\n").encode() if text else b""
        headers = [("Content-Length", str(len(body)))]
        if body:
            headers.append(("Content-Type", "application/json" if json else "text/plain; charset=utf-8"))
        if status == 405:
            headers.append(("Allow", "GET, POST"))
        if close:
            headers.append(("Connection", "close"))
        if self._plain:
            self._plain = False
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode()
            return b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, REASONS[status], lines, body), False
        response = self._http.send(h11.Response(status_code=status, headers=headers, reason=REASONS[status])) or b""
        if body and not (self._head is not None and self._head.method == b"HEAD"):
            response += self._http.send(h11.Data(data=body)) or b""
        response += self._http.send(h11.EndOfMessage()) or b""
        self._head = None
        if not close and self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._between = True
            return response, False
        self._over = True
        return response, True

    @property
    def _body_too_large(self) -> str:
        return f"a body has at most {self._largest_body_bytes} bytes"


HEAD_TOO_LARGE = f"address and headers have at most {LARGEST_HEAD_BYTES} bytes"
STORED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NOT_HTTP = "this is not HTTP/1.1"
REASONS = {
    200: b"OK", 400: b"Bad Request", 404: b"Not Found", 405: b"Method Not Allowed", 413: b"Content Too Large",
    431: b"Request Header Fields Too Large", 501: b"Not Implemented",
}  # fmt: skip


# --- Frames ------------------------------------------------------------------------------------------------------------------

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Report]).decode


def payload(reports: Sequence[Report]) -> bytes:
    """Reports as a frame of kind "location" carries them: JSON, by the names of `Report`. Raises CantRead."""
    try:
        return _encode(reports)
    except (OverflowError, RecursionError, ValueError, TypeError):  # numbers past 64 bits, towers of lists
        raise CantRead("an attribute's value is too large") from None


def decode(frames: Sequence[Frame]) -> Decoded:
    """One row per report, in the order of the requests. Only a payload that no session wrote is unreadable."""
    places: list[int] = []
    reports: list[Report] = []
    unreadable: list[Unreadable] = []
    for place, frame in enumerate(frames):
        if frame.kind == ANSWER:
            continue
        try:
            found = _decode(frame.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            unreadable.append(Unreadable(place, f"not a report: {error}"))
            continue
        reports += found
        places += [place] * len(found)
    return Decoded(columns_of(reports, places), unreadable)


# --- Values ------------------------------------------------------------------------------------------------------------------


def json_of(body: bytes) -> object:
    """What a body of JSON says. Raises CantRead."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CantRead(f"the body is not JSON: {str(error)[:200]}") from None


def parameters(text: bytes) -> list[tuple[str, str]]:
    """Names and values of a query or a form, without what isn't given. Raises CantRead."""
    if text.count(b"&") >= MOST_PARAMETERS:
        raise CantRead(f"a request has at most {MOST_PARAMETERS} parameters")
    pairs = (field.partition("=") for field in text.decode("utf-8", "replace").strip().split("&"))
    return [(_unquoted(name), _unquoted(value)) for name, _, value in pairs if value]


def _unquoted(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        text = unquote(text, errors="replace")
    return text.replace("\0", "") if "\0" in text else text  # Postgres keeps no NUL in text
