"""SMS through a real SMPP gateway, one that behaves and ones that don't."""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme

from telematics.alerts.channels import Message, NotSent, Sent, gsm
from telematics.alerts.channels.helpers import Helpers
from telematics.alerts.channels.phones import normalised
from telematics.alerts.channels.smpp import Gateway
from telematics.alerts.channels.sms import Sms
from telematics.config import SmsSettings
from tests.channels import smsc as centre
from tests.channels.smsc import Smsc, serving

PHONE = "+77011234567"
CYRILLIC = "Камаз А 123 ВС: въезд в «Склад на Сейфуллина», 14:05"
KAZAKH = "Камаз: «Қойма» аймағына кірді, жылдамдығы 90 км/сағ, шегі 60 км/сағ, 14:05 " * 2


def message(text: str, delivery_id: int = 300) -> Message:
    return Message(delivery_id=delivery_id, subject="", text="", short=text)


@asynccontextmanager
async def channel(smsc: Smsc, options: str = "", source: str = "Fleet") -> AsyncIterator[Sms]:
    url = f"smpp://fleet:secret@127.0.0.1:{smsc.port}/{source}/{{phone}}{options}"
    sms = Sms(SmsSettings(url=url), Helpers())
    assert sms.configured is None
    try:
        yield sms
    finally:
        await sms.close()


async def send(smsc: Smsc, text: str, deadline_s: float = 2.0, **more: str) -> Sent:
    async with serving(smsc), channel(smsc, **more) as sms:
        return await sms.send(PHONE, message(text), deadline_s=deadline_s)


@pytest.mark.parametrize(
    ("text", "coding", "lengths"),
    [
        pytest.param("Truck 7 entered Depot, 14:05", 0, [28], id="Latin: the default alphabet"),
        pytest.param("[50%] {a} ~ 5 €|^\\", 0, [27], id="letters of the extension, two septets each"),
        pytest.param("a" * 160, 0, [160], id="160 letters: one part"),
        pytest.param("a" * 161, 0, [159, 14], id="161: two"),
        pytest.param("a" * 152 + "€" + "b" * 20, 0, [158, 28], id="an escape isn't torn from its letter"),
        pytest.param(CYRILLIC, 8, [104], id="Cyrillic: UCS-2"),
        pytest.param("Ж" * 70, 8, [140], id="70 letters: one part"),
        pytest.param("Ж" * 71, 8, [140, 14], id="71: two"),
        pytest.param(KAZAKH, 8, [140, 140, 36], id="Kazakh, three parts"),
        pytest.param("Ж" * 66 + "🚚" + "Ж" * 10, 8, [138, 30], id="a surrogate pair isn't torn"),
        pytest.param("naïve `quoted`", 8, [28], id="what the default alphabet lacks: UCS-2"),
    ],
)
async def test_a_text_arrives_whole(text: str, coding: int, lengths: list[int]) -> None:
    smsc = Smsc()
    sent = await send(smsc, text)
    assert [len(part.octets) for part in smsc.received] == lengths
    assert {part.data_coding for part in smsc.received} == {coding}
    assert "".join(part.text for part in smsc.received) == text.strip()
    assert sent == Sent(provider_id="id-1", parts=len(lengths))
    headers = [part.header for part in smsc.received]
    assert headers == ([None] if len(lengths) == 1 else [(300 % 256, len(lengths), n + 1) for n in range(len(lengths))])
    assert gsm.count_parts(text.strip()) == len(lengths)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Fleet", (5, 0, "Fleet")),
        ("%2B77270001122", (1, 1, "77270001122")),
        ("7070", (3, 0, "7070")),
    ],
)
async def test_whom_it_is_from_and_for(source: str, expected: tuple[int, int, str]) -> None:
    smsc = Smsc()
    await send(smsc, "hello", source=source)
    (part,) = smsc.received
    assert part.source == expected
    assert part.destination == (1, 1, "77011234567")
    assert (part.esm_class, part.protocol_id, part.priority, part.registered) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("options", "text", "coding"),
    [
        ("?alphabet=ucs2", "hello", 8),
        ("?alphabet=latin1", "Größe @ 5 $", 3),
        ("?alphabet=latin1", "Ж", 8),
        ("?alphabet=gsm", "@ $", 0),
    ],
)
async def test_the_alphabet_can_be_chosen(options: str, text: str, coding: int) -> None:
    smsc = Smsc()
    await send(smsc, text, options=options)
    assert [(part.data_coding, part.text) for part in smsc.received] == [(coding, text)]


@pytest.mark.parametrize(
    ("smsc", "permanent", "uncertain", "words"),
    [
        pytest.param(Smsc(statuses=[centre.THROTTLED]), False, False, "0x00000058", id="throttled"),
        pytest.param(Smsc(statuses=[centre.QUEUE_FULL]), False, False, "Message Queue is full", id="queue full"),
        pytest.param(Smsc(statuses=[centre.INVALID_DESTINATION]), True, False, "Invalid Dest", id="no such number"),
        pytest.param(Smsc(statuses=[0x0427]), True, False, "0x00000427", id="a status of the gateway's own"),
        pytest.param(Smsc(password="other"), True, False, "Invalid Password", id="wrong password"),
        pytest.param(Smsc(hang_at="connect"), False, False, "didn't answer within 0.3 s", id="hangs at once"),
        pytest.param(Smsc(hang_at="bind"), False, False, "didn't answer", id="hangs at the bind"),
        pytest.param(Smsc(hang_at="submit"), False, True, "may have gone out", id="hangs after the message"),
        pytest.param(Smsc(late_s=0.2), False, True, "may have gone out", id="answers too late"),
        pytest.param(Smsc(die_at="bind"), False, False, "closed", id="dies at the bind"),
        pytest.param(Smsc(die_at="submit"), False, True, "may have gone out", id="dies after the message"),
        pytest.param(Smsc(garbage=b"HTTP/1.1 400 Bad Request\r\n"), False, True, "PDU of", id="speaks something else"),
        pytest.param(Smsc(garbage=b"\xff" * 64), False, True, "PDU of 4294967295 bytes", id="a monstrous PDU"),
        pytest.param(
            Smsc(garbage=struct.pack(">IIII", 16, 0x80000000, 3, 2)), True, False, "Invalid Command ID", id="generic_nack"
        ),
    ],
)  # fmt: skip
async def test_a_gateway_that_misbehaves(smsc: Smsc, permanent: bool, uncertain: bool, words: str) -> None:
    began = time.monotonic()
    with pytest.raises(NotSent) as told:
        await send(smsc, "hello", deadline_s=0.3)
    assert time.monotonic() - began < 1.8  # the goodbye of a gateway that hangs among it
    assert (told.value.permanent, told.value.uncertain) == (permanent, uncertain), told.value.reason
    assert words in told.value.reason
    assert "secret" not in told.value.reason


async def test_nobody_there() -> None:
    smsc = Smsc()
    async with serving(smsc):
        pass
    async with channel(smsc) as sms:
        with pytest.raises(NotSent, match="connection with the SMS gateway failed") as told:
            await sms.send(PHONE, message("hello"), deadline_s=1)
    assert not told.value.permanent
    assert not told.value.uncertain


async def test_a_gateway_that_recovers_is_used_again() -> None:
    """A hung connection is given up, not kept."""
    smsc = Smsc(hang_at="submit")
    async with serving(smsc), channel(smsc) as sms:
        with pytest.raises(NotSent):
            await sms.send(PHONE, message("one"), deadline_s=0.2)
        smsc.hang_at = ""
        assert (await sms.send(PHONE, message("two"), deadline_s=1)).provider_id == "id-2"
    assert smsc.binds == 2


async def test_many_share_one_bind_and_it_is_given_back() -> None:
    smsc = Smsc(late_s=0.01)
    async with serving(smsc):
        async with channel(smsc) as sms:
            sent = await asyncio.gather(*(sms.send(PHONE, message(f"m{n}", n), deadline_s=5) for n in range(30)))
        assert smsc.binds == smsc.unbinds == 1
        assert {part.text for part in smsc.received} == {f"m{n}" for n in range(30)}
        assert len({answer.provider_id for answer in sent}) == 30
        await asyncio.sleep(0.01)
        assert smsc.open == 0


async def test_a_slow_one_of_many_takes_none_of_the_others_along() -> None:
    smsc = Smsc(late_s=0.05)
    async with serving(smsc), channel(smsc) as sms:
        results = await asyncio.gather(
            *(sms.send(PHONE, message(f"m{n}", n), deadline_s=0.12 if n == 4 else 5) for n in range(6)), return_exceptions=True
        )
    assert [isinstance(result, NotSent) for result in results] == [n == 4 for n in range(6)]


async def test_requests_of_the_gateways_own_are_answered_and_strangers_answers_dropped() -> None:
    smsc = Smsc(out_of_turn=True)
    assert (await send(smsc, "hello")).provider_id == "id-1"
    assert smsc.enquired == 1


async def test_a_message_half_accepted_goes_on_when_the_gateway_has_room_again() -> None:
    smsc = Smsc(statuses=[centre.OK, centre.THROTTLED])
    assert (await send(smsc, "Ж" * 100)).parts == 2
    assert [part.header and part.header[2] for part in smsc.received] == [1, 2, 2]


async def test_how_much_was_accepted_is_told() -> None:
    smsc = Smsc(statuses=[centre.OK, centre.INVALID_DESTINATION])
    with pytest.raises(NotSent, match="1 of 2 parts accepted") as told:
        await send(smsc, "Ж" * 100)
    assert not told.value.permanent


async def test_smpps_is_encrypted_and_the_certificate_is_checked() -> None:
    authority = trustme.CA()
    theirs, ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(theirs)
    authority.configure_trust(ours)
    smsc = Smsc()
    async with serving(smsc, theirs):
        settings = SmsSettings(url=f"smpps://fleet:secret@localhost:{smsc.port}/Fleet/{{phone}}")
        trusting, wary = Sms(settings, Helpers(), ours), Sms(settings, Helpers())
        assert (await trusting.send(PHONE, message("hello"), deadline_s=2)).parts == 1
        with pytest.raises(NotSent, match="certificate"):
            await wary.send(PHONE, message("hello"), deadline_s=2)
        await trusting.close()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "not set"),
        ("smpp://u:p@host/Fleet", "needs {phone} once"),
        ("smpp://u:p@host/{phone}/{phone}", "needs {phone} once"),
        ("twilio://{phone}/x", "not into it"),
        ("smpp://host/Fleet/{phone}", "write it as smpp://user"),
        ("smpp://u:p@host/{phone}", "write it as smpp://user"),
        ("smpp://u:longer-than-8@host/Fleet/{phone}", "password may have at most 8"),
        ("smpp://u:p@host/AVeryLongSenderNameOfOurs/{phone}", "sender may have at most 20"),
        ("smpp://u:p@host/Fleet/{phone}?alphabet=koi8", "alphabet is one of"),
        ("smpp://u:p@host/Fleet/{phone}?source_ton=x", "source_ton is a number"),
        ("smpp://u:p@host/Fleet/{phone}?verify=no", "no option verify"),
        ("smpp://u:p@host:99999/Fleet/{phone}", "Port"),
    ],
)
def test_what_is_wrong_with_the_url_is_told(url: str | None, words: str) -> None:
    assert words in (Sms(SmsSettings(url=url), Helpers()).configured or "")


@pytest.mark.parametrize(
    ("written", "phone"),
    [
        ("+77011234567", "+77011234567"),
        ("+7 (701) 123-45-67", "+77011234567"),
        ("0049 170 1234567", "+491701234567"),
        ("+7 701–123–45–67", "+77011234567"),
    ],
)
def test_a_phone_number_is_normalised(written: str, phone: str) -> None:
    assert normalised(written) == phone


@pytest.mark.parametrize(
    "written",
    [
        "",
        "87011234567",
        "+7701",
        "+7701123456789012",
        "+7701123456a",
        "+77011234567/../x",
        "+77011234567?to=1",
        "+77011234567\n@",
        "٧٧٠١١٢٣٤٥٦٧",
    ],
)
async def test_what_is_no_phone_number_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"as \+77011234567"):
        normalised(written)
    with pytest.raises(NotSent) as told:
        await Sms(SmsSettings(url="smpp://u:p@127.0.0.1:1/Fleet/{phone}"), Helpers()).send(written, message("x"), deadline_s=1)
    assert told.value.permanent


def test_a_gateway_by_its_defaults() -> None:
    gateway, receiver = Gateway.of("smpp://fl%40t:p%2Fw@gw.example.com/7070/0")
    assert (gateway.host, gateway.port, gateway.system_id, gateway.password, receiver) == (
        "gw.example.com",
        2775,
        "fl@t",
        "p/w",
        "0",
    )
    assert Gateway.of("smpps://u:p@h/s/0")[0].port == 3550
