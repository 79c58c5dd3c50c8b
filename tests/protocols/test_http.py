"""HTTP: a plain request goes past h11 and means the same as through it."""

from __future__ import annotations

import time

import pytest

from protocols import Received, codec
from protocols.http import plain_request
from tests.protocols.laws import hear

QUERY = b"/?id=phone-1&lat=43.2&lon=76.9&timestamp=1772600768&note=a%20b+c&empty=&=x"
BODY = b'{"location": {"timestamp": "2026-03-04T05:06:08Z", "coords": {"latitude": 43.2, "longitude": 76.9}}, "device_id": "7"}'
HOST = b"Host: server:5055\r\n"
FORM = b"id=phone-1&lat=43.2&lon=76.9"


def get(headers: bytes = HOST, target: bytes = QUERY, version: bytes = b"1.1", body: bytes = b"") -> bytes:
    return b"GET %s HTTP/%s\r\n%s\r\n%s" % (target, version, headers, body)


def post(body: bytes, headers: bytes = b"Content-Type: application/json\r\n", length: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n%s%sContent-Length: %s\r\n\r\n%s" % (HOST, headers, length or b"%d" % len(body), body)


PLAIN = [
    pytest.param(get(), id="GET"),
    pytest.param(get(HOST + b"User-Agent: okhttp/4.9 (x; y)\r\nConnection: Keep-Alive\r\nAccept: */*\r\n"), id="as apps send it"),
    pytest.param(post(BODY), id="POST"),
    pytest.param(post(FORM, b"Content-Type: application/x-www-form-urlencoded\r\n"), id="a form"),
    pytest.param(get(target=b"/?lat=1&lon=2"), id="a 400"),
    pytest.param(get(target=b"/?id=stranger&lat=1&lon=2"), id="a 404"),
    pytest.param(post(b"{", b""), id="no JSON"),
    pytest.param(get(HOST + b"Content-Length: 0\r\n"), id="no body, and it says so"),
]
NOT_PLAIN = [
    pytest.param(get(b""), id="no host"),
    pytest.param(get(HOST + HOST), id="two hosts"),
    pytest.param(get(version=b"1.0"), id="1.0"),
    pytest.param(get(HOST + b"Connection: close\r\n"), id="the last one"),
    pytest.param(get(HOST + b"Expect: 100-continue\r\n"), id="expectations"),
    pytest.param(get(HOST + b"X: \xd0\xb6\r\n"), id="no ASCII"),
    pytest.param(get(HOST + b"X:  two\r\n folded\r\n"), id="a folded header"),
    pytest.param(get(HOST + b"X:\r\n"), id="an empty header"),
    pytest.param(get(HOST + b"X : y\r\n"), id="a blank before the colon"),
    pytest.param(get(body=get()), id="two requests"),
    pytest.param(b"\r\n" + get(), id="an empty line in front"),
    pytest.param(get().replace(b"\r\n", b"\n"), id="lone line feeds"),
    pytest.param(get().replace(b"GET", b"PUT"), id="PUT"),
    pytest.param(get()[:-1], id="not whole"),
    pytest.param(post(BODY, length=b"5"), id="more than its length"),
    pytest.param(post(BODY, length=b"5000"), id="less than its length"),
    pytest.param(post(BODY, b"Content-Length: 3\r\n"), id="two lengths"),
    pytest.param(post(BODY, length=b"+119"), id="a length with a sign"),
    pytest.param(post(b"3\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n"), id="chunks and a length"),
    pytest.param(get(HOST + b"X: %s\r\n" % (b"y" * 5000)), id="long"),
]


def outcome(pieces: list[bytes], *, known: bool = True) -> tuple[bytes, list[tuple[str, bytes, bytes, bool]], list[str], bool]:
    session = codec("osmand").session()
    heard = [hear(session, piece, known=known) for piece in pieces]
    frames = [(frame.kind, frame.payload, frame.ack, frame.last) for one in heard for frame in one.frames]
    rejects = [bad.reason for one in heard for bad in one.rejects]
    return b"".join(one.reply for one in heard), frames, rejects, any(one.close for one in heard)


@pytest.mark.parametrize("data", PLAIN)
def test_a_plain_request_means_the_same_as_through_h11(data: bytes) -> None:
    assert plain_request(data) is not None
    for known in (True, False):
        once = outcome([data], known=known)
        assert once[1], "an answer"
        assert once == outcome([data[:20], data[20:]], known=known), "h11 reads what comes in pieces"
        assert outcome([data, data[:9], data[9:], data, data + data], known=known)[1] == once[1] * 5, "and they take turns"


@pytest.mark.parametrize("data", NOT_PLAIN)
def test_anything_else_is_left_to_h11(data: bytes) -> None:
    assert plain_request(data) is None
    assert outcome([data])[1:] == outcome([data[at : at + 1] for at in range(len(data))])[1:]


def test_what_comes_while_a_login_waits_keeps_its_turn() -> None:
    session = codec("osmand").session()
    assert session.receive(get()).login == "phone-1"
    assert session.receive(get(target=b"/?id=phone-2&lat=1&lon=2")) == Received()
    first = session.admit(known=False)
    assert (first.login, [frame.ack[:12] for frame in first.frames]) == ("phone-2", [b"HTTP/1.1 404"])
    assert [frame.ack[:12] for frame in session.admit(known=True).frames] == [b"HTTP/1.1 200"]


@pytest.mark.parametrize("line", [b"X: y\r\n", b"X: " + b" y" * 40 + b" \r\n", b"A" * 90 + b"\r\n"])
def test_no_head_costs_more_than_its_length(line: bytes) -> None:
    data = (b"GET / HTTP/1.1\r\n" + line * 1000)[:4090] + b"\r\r\n"
    begun = time.perf_counter()
    for _ in range(100):
        plain_request(data)
    assert time.perf_counter() - begun < 0.5
