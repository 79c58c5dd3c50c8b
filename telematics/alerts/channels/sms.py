"""SMS: by SMPP ourselves, by any other of Apprise's gateways in a helper process.

The gateway is the operator's choice, `[sms] url`, with {phone} where the receiver's number goes. A number is put in only when
it is nothing but a plus and figures, so it can change nothing else of the URL.
"""

from __future__ import annotations

import ssl

from telematics.alerts.channels import Message, NotSent, Sent, gsm
from telematics.alerts.channels.helpers import Helpers, secrets_of
from telematics.alerts.channels.phones import normalised
from telematics.alerts.channels.said import said
from telematics.alerts.channels.smpp import Gateway, Smpp
from telematics.config import SmsSettings

MOST_PARTS = 3


class Sms:
    name = "sms"
    idempotent = False

    def __init__(self, settings: SmsSettings, helpers: Helpers, tls: ssl.SSLContext | None = None) -> None:
        self._url = settings.url
        self._helpers = helpers
        self._problem = self._check()
        self._smpp: Smpp | None = None
        if self._url and self._problem is None and speaks_smpp(self._url):
            self._smpp = Smpp(Gateway.of(self._url.replace("{phone}", "0"))[0], tls)

    @property
    def configured(self) -> str | None:
        return self._problem

    def _check(self) -> str | None:
        if not self._url:
            return "no SMS are sent: [sms] url is not set"
        if self._url.count("{phone}") != 1:
            return "no SMS are sent: [sms] url needs {phone} once, where the receiver's number goes"
        if "{phone}" in self._url.partition("://")[2].partition("/")[0]:
            return "no SMS are sent: in [sms] url {phone} belongs behind the host, not into it"
        try:
            if speaks_smpp(self._url):
                Gateway.of(self._url.replace("{phone}", "0"))
        except ValueError as error:
            return f"no SMS are sent: [sms] url: {error}"
        return None

    async def send(self, address: str, message: Message, *, deadline_s: float) -> Sent:
        if self._problem:
            raise NotSent(self._problem, permanent=True)
        assert self._url is not None
        try:
            phone = normalised(address)
        except ValueError as error:
            raise NotSent(f"the phone number can't be used: {error}", permanent=True) from error
        text = message.short.strip()
        parts = gsm.count_parts(text)
        if not text or parts > MOST_PARTS:
            raise NotSent(f"the text has {parts} parts, an SMS {MOST_PARTS} at most", permanent=True)
        if self._smpp is not None:
            return await self._smpp.send(phone, text, message.delivery_id, deadline_s=deadline_s)
        await self._helpers.notify(
            self._url.replace("{phone}", "%2B" + phone.removeprefix("+")), title="", body=text, deadline_s=deadline_s
        )
        return Sent(parts=parts)

    async def probe(self, deadline_s: float) -> str | None:
        """None: configured, and the gateway takes the bind, or Apprise the URL; otherwise what is wrong."""
        if self._problem or self._url is None:
            return self._problem
        try:
            if self._smpp is not None:
                await self._smpp.probe(deadline_s=deadline_s)
            else:
                await self._helpers.look(self._url.replace("{phone}", "%2B77010000000"), deadline_s=deadline_s)
        except NotSent as problem:
            return said(problem.reason, secrets_of(self._url))
        return None

    async def close(self) -> None:
        if self._smpp is not None:
            await self._smpp.close()
        await self._helpers.close()


def speaks_smpp(url: str) -> bool:
    return url.lower().startswith(("smpp://", "smpps://"))
