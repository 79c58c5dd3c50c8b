"""Settings: from `telematics.toml` in the working directory, or the file TELEMATICS_CONFIG names; over it TELEMATICS_… variables.

A nested setting is written `TELEMATICS_LIMITS__IDLE_S=600`. `docs/configuration.md` lists them all; a test compares.
"""

from __future__ import annotations

import base64
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from protocols.mqtt import units_of

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel, extra="forbid", frozen=True):
    """A table of telematics.toml. A misspelt key is an error, not a silence."""


class ListenerSettings(Section):
    """One protocol's door. `[listeners.gt06]`"""

    enabled: bool = Field(True, description="Whether it listens at all.")
    host: str = Field("", description="Address to listen on; empty: all, IPv4 and IPv6.")
    port: Port | None = Field(None, description="Port; unset: as in Traccar; 0: any free one.")
    tls_certificate: Path | None = Field(
        None, description="PEM file with the certificate chain; TLS is on when set, and the protocol's UDP port closed."
    )
    tls_key: Path | None = Field(None, description="PEM file with the private key.")
    proxy_protocol: bool = Field(False, description="Expect a PROXY protocol v1 or v2 header before a connection's first byte.")


class LimitSettings(Section):
    """What one tracker, or one address, may cost. `[limits]`"""

    idle_s: float = Field(1800, gt=0, description="A connection that says nothing for so long is closed.")
    login_s: float = Field(60, gt=0, description="Time to say who it is.")
    write_s: float = Field(30, gt=0, description="Time to take what the server has written.")
    connections: int = Field(50_000, gt=0, description="Open connections in all.")
    connections_per_address: int = Field(
        2_000, gt=0, description="Open connections from one address; mobile operators put thousands behind one."
    )
    batch_ms: int = Field(50, ge=0, le=1000, description="How long frames gather before they are decoded together.")
    waiting_frames: int = Field(20_000, gt=0, description="Frames in memory before sockets are no longer read.")
    waiting_bytes: int = Field(64 * 2**20, gt=0, description="Bytes of frames in memory before sockets are no longer read.")
    unknown_trackers: int = Field(10_000, gt=0, description="Unknown trackers listed; the one not heard for longest makes room.")
    dead_letters: int = Field(100_000, gt=0, description="Dead letters kept; the oldest make room.")


class SanitySettings(Section):
    """Which reports are believed. `[sanity]`"""

    future_s: float = Field(3600, ge=0, description="A report further ahead of the server's clock is set aside as a dead letter.")
    not_before: datetime = Field(datetime(2000, 1, 1, tzinfo=UTC), description="An older report is set aside as a dead letter.")
    max_speed_kmh: float = Field(400, gt=0, description="A fix that claims more is an outlier.")
    max_jump_kmh: float = Field(
        500, gt=0, description="A fix that could be reached from the last one only at a greater speed is an outlier."
    )
    min_jump_m: float = Field(1000, ge=0, description="Shorter jumps are never outliers: that is GPS noise.")


class MotionSettings(Section):
    """When a vehicle moves, stands, is too fast or is gone. `[motion]`"""

    start_kmh: float = Field(8, gt=0, description="Moving begins at this speed …")
    stop_kmh: float = Field(4, ge=0, description="… and ends below this one …")
    stop_s: float = Field(120, ge=0, description="… when it has lasted so long.")
    speed_limit_kmh: float | None = Field(
        None, gt=0, description="Overspeed for devices without a speedLimit of their own; unset: none."
    )
    speed_tolerance_kmh: float = Field(3, ge=0, description="Overspeed ends that much below the limit.")
    offline_s: float = Field(600, gt=0, description="A device that says nothing for so long is offline.")


class ConditionSettings(Section):
    """Idling, power, fuel, no data; a device's attributes may say otherwise. `[conditions]`"""

    idle_s: float = Field(300, gt=0, description="Standing with the ignition on for so long is idling; attribute idleSeconds.")
    fuel_drop_l: float = Field(10, gt=0, description="So much less fuel while standing is a drop; attribute fuelDropThreshold.")
    fuel_increase_l: float = Field(10, gt=0, description="So much more is a refuelling; attribute fuelIncreaseThreshold.")
    power_lost_v: float = Field(6, gt=0, description="Below this the vehicle's power is lost; attribute powerLostVolts.")
    battery_low_percent: float = Field(20, gt=0, le=100, description="The tracker's battery is low; attribute batteryLowPercent.")
    inactive_s: float = Field(86_400, gt=0, description="No data for so long is told; attribute inactiveSeconds.")


class ZoneSettings(Section):
    """Which fixes zones are asked of. `[zones]`"""

    max_accuracy_m: float = Field(100, gt=0, description="A fix less accurate than this decides nothing about zones.")
    pass_gap_s: float = Field(
        600, gt=0, description="A zone between two fixes further apart than this was not passed for certain."
    )


class AlertSettings(Section):
    """Telling people. `[alerts]`"""

    stale_s: float = Field(900, gt=0, description="An alert older than this goes to the feed only.")
    bundle_s: float = Field(60, ge=0, description="Alerts alike that follow one within so long are told together.")
    sms_per_hour: int = Field(20, gt=0, description="Messages to one phone or messenger in an hour.")
    mails_per_hour: int = Field(60, gt=0, description="E-mails to one address in an hour; calls of one webhook in a minute.")
    attempts: int = Field(5, gt=0, description="Tries of a delivery before it has failed.")
    timeout_s: float = Field(20, gt=0, description="For one try; a gateway that hangs costs no more.")
    keep_days: int = Field(365, gt=0, description="Alerts and their deliveries are kept so long.")
    private_webhooks: bool = Field(False, description="Whether webhooks may go to addresses of private networks.")


class CommandSettings(Section):
    """Telling trackers. `[commands]`"""

    answer_s: float = Field(60, gt=0, description="A tracker has so long to answer a command before it is sent again …")
    tries: int = Field(3, gt=0, description="… so many times in all.")
    lasts_h: float = Field(24, gt=0, le=8760, description="A command that can't be sent or isn't answered for so long expires.")
    slow_kmh: float = Field(10, ge=0, description="At this speed or below the engine may be stopped.")
    keep_days: int = Field(365, gt=0, description="Commands and their answers are kept so long.")


class MailSettings(Section):
    """The way e-mail leaves. `[mail]`"""

    host: str | None = Field(None, description="The SMTP server's name; unset: no e-mail is sent.")
    port: Port = Field(587, description="Its port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="starttls, tls (from the first byte, port 465) or none."
    )
    username: str | None = Field(None, description="To log in there; unset: without.")
    password: str | None = Field(None, description="The same.")
    sender: str = Field("telematics@localhost", description="The address that mails come from.")
    sender_name: str = Field("Telematics", description="The name beside it.")


class SmsSettings(Section):
    """The way SMS leave. `[sms]`"""

    url: str | None = Field(
        None,
        description="An Apprise URL with {phone} in the receiver's place, such as smpp://user:password@host:2775/sender/{phone};"
        " unset: no SMS are sent.",
    )


class ProviderSettings(Section):
    """A way to pay on a provider's page. `[billing.providers.NAME]`"""

    kind: Literal["stripe", "webhook"] = Field(description="stripe: Stripe Checkout; webhook: any other, by signed callbacks.")
    title: str = Field("", max_length=64, description="What customers read on the button; empty: NAME.")
    secret_key: SecretStr | None = Field(None, description="Of stripe: the secret or restricted key, sk_… or rk_….")
    webhook_secret: SecretStr = Field(description="By which callbacks are signed: whsec_….")
    previous_webhook_secret: SecretStr | None = Field(
        None, description="The one before, which is believed as well while you change it; unset: none."
    )
    page_url: str | None = Field(
        None,
        description="Of webhook: the address of the page to pay on, with {reference}, {amount}, {currency}, {return_url},"
        " {timestamp} and {signature}, see payments.md.",
    )
    currencies: tuple[str, ...] | None = Field(None, description="Currencies that it takes, such as KZT; unset: all.")
    api_url: str | None = Field(None, description="Of stripe: another server in the place of Stripe's own; for tests.")

    @field_validator("currencies")
    @classmethod
    def _are_currencies(cls, currencies: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if currencies is not None and not all(re.fullmatch("[A-Z]{3}", currency) for currency in currencies):
            raise ValueError('write currencies as three capital letters: ["KZT", "EUR"]')
        return currencies

    @model_validator(mode="after")
    def _is_whole(self) -> ProviderSettings:
        if self.kind == "stripe" and (self.secret_key is None or not self.secret_key.get_secret_value().strip()):
            raise ValueError("stripe needs secret_key, from dashboard.stripe.com under Developers, API keys")
        if self.kind == "webhook" and (self.page_url is None or not re.match(r"https?://[^/\s{}]+/?", self.page_url)):
            raise ValueError("webhook needs page_url, such as https://pay.example.com/?order={reference}&amount={amount}")
        for secret in (self.webhook_secret, self.previous_webhook_secret):
            if secret is not None and not _is_webhook_secret(self.kind, secret.get_secret_value()):
                raise ValueError("a webhook secret is whsec_ and at least 16 random bytes in base64: see payments.md")
        return self


def _is_webhook_secret(kind: str, secret: str) -> bool:
    """Stripe's are taken as they are, the others are base64 as Standard Webhooks wants it."""
    if kind == "stripe":
        return len(secret.strip()) >= 16
    try:
        return len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) >= 16
    except ValueError:
        return False


class BillingSettings(Section):
    """Charging trackers by the day. `[billing]`"""

    every_s: float = Field(60, gt=0, description="How often accounts whose day has begun are looked for.")
    warn_by: tuple[Literal["web", "mail", "sms"], ...] = Field(
        ("web", "mail", "sms"),
        description="How people are told that money runs out or trackers are blocked; it costs them nothing.",
    )
    bank_details: str = Field(
        "", max_length=2000, description="Whom and where to transfer money to; customers read it beside their account number."
    )
    providers: dict[str, ProviderSettings] = Field(default_factory=dict, description="Ways to pay, see below.")

    @field_validator("providers")
    @classmethod
    def _are_named(cls, providers: dict[str, ProviderSettings]) -> dict[str, ProviderSettings]:
        for name in providers:
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name) or name in ("bank", "cash", "bonus"):
                raise ValueError(
                    f"{name!r} can't be a provider's name: use small letters and digits, but not bank, cash or bonus"
                )
        return providers


class MqttFieldSettings(Section):
    """One value of a JSON message whose unit isn't the column's. `[mqtt.sources.fields]`"""

    path: str = Field(min_length=1, description="Where it stands, with points between: gps.speed; a number is a place in a list.")
    unit: str = Field(description="What it is measured in, such as m/s or knots for speed_kmh, see mqtt.md.")


class MqttSourceSettings(Section):
    """Messages alike that trackers publish. `[[mqtt.sources]]`"""

    topic: str = Field(
        min_length=1,
        max_length=1024,
        description="Where they are published; + is any level, # all that follow, {id} the level that is the tracker's unique"
        " id.",
    )
    kind: Literal["owntracks", "teltonika", "flespi", "json"] = Field(
        "json", description="What is in them: owntracks, teltonika, flespi or json."
    )
    fields: dict[str, str | MqttFieldSettings] = Field(
        default_factory=dict,
        description="Of json: which of our names has its value where, see mqtt.md; empty: the message has our names.",
    )

    @field_validator("topic")
    @classmethod
    def _is_a_filter(cls, topic: str) -> str:
        levels = topic.split("/")
        if topic.count("{id}") > 1 or set(topic.replace("{id}", "")) & set("{}\0") or topic.startswith("$share/"):
            raise ValueError("write it as fleet/{id}/position: {id} once at most, no other braces, and without $share")
        if any(level != wild and wild in level for level in levels for wild in "+#") or "#" in levels[:-1]:
            raise ValueError("+ and # are levels of their own, and # is the last one")
        return topic

    @field_validator("fields")
    @classmethod
    def _have_units(cls, fields: dict[str, str | MqttFieldSettings]) -> dict[str, str | MqttFieldSettings]:
        for name, field in fields.items():
            if isinstance(field, MqttFieldSettings) and field.unit not in units_of(name):
                raise ValueError(f"units of {name} are {', '.join(units_of(name)) or 'none'}, not {field.unit}")
        return fields


class MqttSettings(Section):
    """A broker that trackers publish to, and that we publish to. `[mqtt]`"""

    url: SecretStr | None = Field(
        None,
        description="mqtt://user:password@host:1883, or mqtts://…:8883 with TLS; what a user or password may not hold is written"
        " %40; unset: no MQTT.",
    )
    ca_file: Path | None = Field(
        None, description="PEM file of the authority that vouches for the broker; unset: those of the system."
    )
    certificate: Path | None = Field(None, description="PEM file with our own certificate, if the broker asks for one.")
    key: Path | None = Field(None, description="PEM file with its private key.")
    client_id: str = Field(
        "telematics",
        pattern=r"^[0-9A-Za-z_-]{1,48}$",
        description="Our name at the broker, which keeps messages for it; no two servers may have the same.",
    )
    share: str = Field(
        "",
        pattern=r"^[^/+#\s]*$",
        description="Group of servers that split the messages among them, where the broker can do that, see mqtt.md; empty: each"
        " gets all.",
    )
    keep_s: int = Field(
        604_800, ge=0, le=2**32 - 1, description="How long the broker keeps messages for us while we are away (MQTT 5)."
    )
    waiting_messages: int = Field(
        500, gt=0, le=65_535, description="Messages that we take before the first of them is stored and acknowledged."
    )
    sources: tuple[MqttSourceSettings, ...] | None = Field(
        None, description="What is subscribed to, see below; unset: OwnTracks' owntracks/+/+; an empty list: nothing."
    )
    prefix: str = Field(
        "telematics",
        pattern=r"^[^+#\s/$]+(/[^+#\s/]+)*$",
        description="What our topics begin with; no two servers may have the same.",
    )
    discovery_prefix: str = Field(
        "homeassistant", pattern=r"^[^+#\s/$]+(/[^+#\s/]+)*$", description="The same of Home Assistant's discovery."
    )

    @field_validator("url")
    @classmethod
    def _is_a_broker(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            try:
                good = parts.scheme in ("mqtt", "mqtts") and parts.hostname and parts.path in ("", "/") and (parts.port or 1) > 0
            except ValueError:  # the port is no number
                good = False
            if not good or parts.query or parts.fragment:
                raise ValueError("write it as mqtt://user:password@host:1883 or mqtts://user:password@host:8883")
        return url

    @model_validator(mode="after")
    def _hears_others(self) -> Self:
        for source in self.sources or ():
            if f"{source.topic}/".startswith(f"{self.prefix}/"):
                raise ValueError(f"{source.topic} is where we publish ourselves: choose another topic, or another mqtt.prefix")
        return self


class MapSettings(Section):
    """What the pages show under the vehicles. `[map]`"""

    style_url: str = Field(
        "https://tiles.openfreemap.org/styles/liberty", description="MapLibre style; unreachable or empty: the offline base map."
    )
    style_url_dark: str = Field("https://tiles.openfreemap.org/styles/dark", description="The same for dark mode.")
    geocoder_url: str | None = Field(
        None, description="A Nominatim server's address, such as https://nominatim.example.com; unset: the nearest town, offline."
    )


class Settings(BaseSettings):
    """All settings; frozen. Raises pydantic's ValidationError, which names the key and what is wrong with it."""

    model_config = SettingsConfigDict(env_prefix="TELEMATICS_", env_nested_delimiter="__", extra="forbid", frozen=True)

    database_url: str | None = Field(None, description="postgresql://…; unset: an embedded PostgreSQL in data_dir.")
    data_dir: Path = Field(
        Path(platformdirs.user_data_dir("telematics")), description="Where the embedded database and keys live."
    )
    http_host: str = Field("", description="Address of the pages and API; empty: all.")
    http_port: Port = Field(8082, description="Port of the pages and API.")
    public_url: str | None = Field(
        None,
        description="How browsers reach the server, such as https://gps.example.com; https makes cookies Secure.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses whose X-Forwarded-… headers are believed, separated by commas."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error.")
    log_json: bool = Field(False, description="One JSON object a line; otherwise for people.")
    retention_days: int = Field(0, ge=0, description="Positions and events older than this are dropped; 0: never.")
    snapshot_s: float = Field(5, gt=0, description="How often device states are saved.")
    protocols: Annotated[tuple[str, ...] | None, NoDecode] = Field(
        None, description="The only ones whose ports are opened, separated by commas in a variable; unset: all of them."
    )
    listeners: dict[str, ListenerSettings] = Field(default_factory=dict, description="Per protocol, see below.")
    limits: LimitSettings = Field(default_factory=LimitSettings)
    sanity: SanitySettings = Field(default_factory=SanitySettings)
    motion: MotionSettings = Field(default_factory=MotionSettings)
    conditions: ConditionSettings = Field(default_factory=ConditionSettings)
    zones: ZoneSettings = Field(default_factory=ZoneSettings)
    alerts: AlertSettings = Field(default_factory=AlertSettings)
    commands: CommandSettings = Field(default_factory=CommandSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    sms: SmsSettings = Field(default_factory=SmsSettings)
    billing: BillingSettings = Field(default_factory=BillingSettings)
    map: MapSettings = Field(default_factory=MapSettings)
    mqtt: MqttSettings = Field(default_factory=MqttSettings)

    @field_validator("protocols", mode="before")
    @classmethod
    def _are_separated(cls, names: object) -> object:
        return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url and not re.fullmatch(r"https?://[^/\s]+/?", url):
            raise ValueError("write it as https://gps.example.com, without a path")
        return url.rstrip("/") if url else None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        file = Path(os.environ.get("TELEMATICS_CONFIG", "telematics.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)
