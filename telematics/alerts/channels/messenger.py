"""Messengers: each user's own Apprise URLs, read from the table when a message leaves, for they are secrets.

A user may make the server talk to a messenger and to nothing else. Apprise knows a hundred and fifty schemas, among them some
that call any host, read files or start programs, and many take options that do (`?template=file:///…`). So the messengers that
are let in are written out here, their options too, and for those that could have a server of one's own the host is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from telematics.alerts.channels import Message, NotSent, Sent
from telematics.alerts.channels.helpers import Helpers
from telematics.config import Settings
from telematics.store.database import Database
from telematics.store.errors import StoreError
from telematics.store.messengers import messenger_url

LONGEST_URL = 1000
OPTIONS = frozenset(  # that say to whom and how loud, not where; the last four are of addresses copied from Microsoft
    ["to", "thread", "topic", "priority", "sound", "workspace", "key", "token", "threadkey", "api-version", "sp", "sv", "sig"]
)


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    plugin: str  # Apprise's module
    schemas: tuple[str, ...]
    hosts: tuple[str, ...] = ()  # endings one of which the host must have; none: Apprise has the host written into the plugin
    mode: str | None = None  # Apprise's name for "their server, not one's own"


SERVICES = (
    Service("Telegram", "telegram", ("tgram",)),
    Service("WhatsApp", "whatsapp", ("whatsapp",)),
    Service("Viber", "viber", ("viber",)),
    Service("Slack", "slack", ("slack",)),
    Service("Discord", "discord", ("discord",)),
    Service("Microsoft Teams", "workflows", ("workflows", "workflow"), hosts=(".logic.azure.com", ".api.powerplatform.com")),
    Service("Google Chat", "google_chat", ("gchat",)),
    Service("Webex", "webexteams", ("wxteams", "webex")),
    Service("Matrix", "matrix.base", ("matrixs",), hosts=("matrix.org",)),
    Service("ntfy", "ntfy", ("ntfy", "ntfys"), mode="cloud"),
    Service("Pushover", "pushover", ("pover",)),
    Service("Pushbullet", "pushbullet", ("pbul",)),
    Service("Threema", "threema", ("threema",)),
    Service("LINE", "line", ("line",)),
    Service("Feishu", "feishu", ("feishu",)),
    Service("Lark", "lark", ("lark",)),
    Service("DingTalk", "dingtalk", ("dingtalk",)),
    Service("WeCom", "wecombot", ("wecombot",)),
)
ALLOWED = ", ".join(f"{service.schemas[0]}://" for service in SERVICES)
BY_SCHEMA = {schema: service for service in SERVICES for schema in service.schemas}
HOSTS = {  # of addresses copied from the service, which Apprise reads, too
    "discord.com": "Discord",
    "discordapp.com": "Discord",
    "hooks.slack.com": "Slack",
    "chat.googleapis.com": "Google Chat",
}
BY_PLUGIN = {f"apprise.plugins.{service.plugin}": service for service in SERVICES}


class Messenger:
    name = "messenger"
    idempotent = False
    configured = None  # each user brings their own

    def __init__(self, settings: Settings, database: Database, helpers: Helpers) -> None:
        self._database = database
        self._helpers = helpers
        self._public_only = not settings.alerts.private_webhooks

    async def send(self, address: str, message: Message, *, deadline_s: float) -> Sent:
        """`address` is the messenger's number in the table."""
        try:
            url = await messenger_url(self._database, int(address)) if address.isdecimal() and len(address) < 10 else None
        except StoreError as error:
            raise NotSent(f"the messenger can't be looked up: {error}") from error
        if url is None:
            raise NotSent("the messenger was removed", permanent=True)
        return await self.tell(url, message.text, deadline_s=deadline_s)

    async def close(self) -> None:
        await self._helpers.close()

    async def tell(self, url: str, text: str, *, deadline_s: float) -> Sent:
        try:
            await self.examine(url, deadline_s=deadline_s)
        except ValueError as error:
            raise NotSent(str(error), permanent=True) from error
        await self._helpers.notify(url, title="", body=text, deadline_s=deadline_s, public_only=self._public_only)
        return Sent()

    async def examine(self, url: str, *, deadline_s: float = 10.0) -> str:
        """The service's name by Apprise, such as Telegram. Raises ValueError that says what to write, NotSent when it can't be
        examined."""
        check_text(url)
        try:
            found = await self._helpers.look(url, deadline_s=deadline_s)
        except NotSent as error:
            if not error.permanent:
                raise
            raise ValueError(
                f"this messenger can't be used: {ALLOWED} can" if url.startswith("https:") else error.reason
            ) from error
        _check_service(url, found)
        return str(found["service"])


def service_of(url: str) -> str:
    """The name of a URL's service, for lists; the URL was examined when it came."""
    try:
        parts = urlsplit(url)
        service = BY_SCHEMA.get(parts.scheme)
        return service.name if service else HOSTS.get(parts.hostname or "", "Messenger")
    except ValueError:
        return "Messenger"


def check_text(url: str) -> None:
    """What the letters of the URL tell already. Raises ValueError."""
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url:
        raise ValueError(f"an Apprise URL has no spaces and at most {LONGEST_URL} letters, such as tgram://bot-token/chat-id")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ValueError("the URL can't be read: write it as tgram://bot-token/chat-id") from error
    if parts.scheme not in BY_SCHEMA and parts.scheme != "https":
        raise ValueError(f"this messenger can't be used: {ALLOWED} can")
    unknown = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True, separator="&")} - OPTIONS
    if unknown or ";" in parts.query:
        raise ValueError(f"the URL's option {min(unknown, default=';')[:40]!r} can't be used: {', '.join(sorted(OPTIONS))} can")


def _check_service(url: str, found: Mapping[str, Any]) -> None:
    """What Apprise made of it. Raises ValueError."""
    service = BY_PLUGIN.get(str(found["plugin"]).rpartition(".")[0])
    if service is None:
        raise ValueError(f"this messenger can't be used: {ALLOWED} can")
    host = str(found["host"] or "").lower()
    own_server = service.mode is not None and found["mode"] != service.mode
    if (
        own_server
        or (service.hosts and not host.endswith(service.hosts))
        or ("matrix.org" in service.hosts and host != "matrix.org")
    ):
        raise ValueError(f"{found['service']} can be used with its public server only, not with one of your own")
