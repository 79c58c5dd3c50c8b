"""Commands: what a tracker can be told, by Traccar's names, with typed parameters.

`checked(type, parameters)` is the way from outside input to a `Command`; a session that is `Commanded` makes bytes of it, and
what the tracker says to it comes back as an `Answer`. Which of them a protocol has stands in `Codec.commands`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from protocols.errors import ProtocolError

LONGEST_TEXT = 1000


class Command(msgspec.Struct, frozen=True):
    """Checked: every parameter of its type is there, or has its default."""

    type: str
    parameters: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]


class Answer(msgspec.Struct, frozen=True):
    """What a tracker says to a command."""

    text: str  # its own words; hex where they aren't text
    serial: int | None = None  # of the command; None: the protocol doesn't say which one it answers
    ok: bool | None = None  # whether it did so; None: only a person can tell from the words


class CannotSend(ProtocolError):
    """The protocol has no words for this command, or not with these parameters. The message says what would do."""


class Parameter(msgspec.Struct, frozen=True):
    name: str  # Traccar's
    kind: Literal["integer", "number", "text", "yes", "choice", "zone"]
    title: str
    least: float = 0
    most: float = 2**31 - 1
    choices: tuple[str, ...] = ()
    default: Any = None  # None: has to be given
    unit: str = ""
    form: Literal["", "phone", "ussd", "server"] = (
        ""  # of a text: it stands among others in the tracker's words, and must not end them
    )


class CommandType(msgspec.Struct, frozen=True):
    name: str  # Traccar's
    title: str
    parameters: tuple[Parameter, ...] = ()
    dangerous: bool = False  # asked twice


def _text(name: str, title: str, default: str | None = None) -> Parameter:
    return Parameter(name, "text", title, default=default)


def _whole(name: str, title: str, least: int, most: int, unit: str = "", default: int | None = None) -> Parameter:
    return Parameter(name, "integer", title, least, most, unit=unit, default=default)


DATA = _text("data", "Text of the command")
ENABLE = Parameter("enable", "yes", "On")
PHONE = Parameter("phone", "text", "Phone number", form="phone")
USSD = Parameter("phone", "text", "Phone number", form="ussd")
INDEX = _whole("index", "Number", 1, 255, default=1)

TYPES: tuple[CommandType, ...] = (
    CommandType("custom", "Command in the tracker's own words", (DATA,), dangerous=True),
    CommandType("deviceIdentification", "Say who you are"),
    CommandType("positionSingle", "Report the position once"),
    CommandType("positionPeriodic", "Report the position regularly", (_whole("frequency", "Interval", 1, 86_400 * 7, "s"),)),
    CommandType("positionStop", "Stop reporting"),
    CommandType("engineStop", "Stop the engine", dangerous=True),
    CommandType("engineResume", "Let the engine run"),
    CommandType("alarmArm", "Arm the alarm"),
    CommandType("alarmDisarm", "Disarm the alarm"),
    CommandType("alarmDismiss", "Dismiss the alarm"),
    CommandType("setTimezone", "Set the time zone", (Parameter("timezone", "zone", "Time zone"),)),
    CommandType("requestPhoto", "Take a photo", (INDEX,)),
    CommandType("powerOff", "Switch the tracker off", dangerous=True),
    CommandType("rebootDevice", "Restart the tracker"),
    CommandType("factoryReset", "Reset the tracker to factory settings", dangerous=True),
    CommandType("sendSms", "Send an SMS from the tracker", (PHONE, _text("message", "Message"))),
    CommandType("sendUssd", "Dial a USSD code", (USSD,)),
    CommandType("sosNumber", "Set an emergency number", (INDEX, PHONE)),
    CommandType("silenceTime", "Set the quiet hours", (DATA,)),
    CommandType("setPhonebook", "Set the phone book", (DATA,)),
    CommandType("message", "Show a message", (_text("message", "Message"),)),
    CommandType("voiceMonitoring", "Listen in", (PHONE,)),
    CommandType("outputControl", "Switch an output", (INDEX, _text("data", "State, 1 or 0", "1"))),
    CommandType("setAgps", "A-GPS", (ENABLE,)),
    CommandType("setIndicator", "Lights of the tracker", (ENABLE,)),
    CommandType("configuration", "Configure", (DATA,)),
    CommandType("getVersion", "Ask for the version"),
    CommandType("firmwareUpdate", "Update the firmware", (_text("data", "Address of the firmware"),), dangerous=True),
    CommandType(
        "setConnection",
        "Change the server",
        (Parameter("server", "text", "Server", form="server"), _whole("port", "Port", 1, 65535)),
        dangerous=True,
    ),
    CommandType("setOdometer", "Set the odometer", (_whole("data", "Odometer", 0, 2_000_000_000, "m"),)),
    CommandType("getModemStatus", "Ask for the modem's state"),
    CommandType("getDeviceStatus", "Ask for the state"),
    CommandType("modePowerSaving", "Power saving", (ENABLE,)),
    CommandType("modeDeepSleep", "Deep sleep", (ENABLE,)),
    CommandType("setSpeedLimit", "Set the speed limit", (_whole("data", "Limit", 0, 300, "km/h"),)),
    CommandType("alarmGeofence", "Alarm when leaving the place", (_whole("radius", "Radius", 0, 100_000, "m"),)),
    CommandType("alarmBattery", "Alarm of a low battery", (ENABLE,)),
    CommandType("alarmSos", "Alarm of the emergency button", (ENABLE,)),
    CommandType("alarmRemove", "Alarm when taken off", (ENABLE,)),
    CommandType("alarmClock", "Alarm clock", (DATA,)),
    CommandType("alarmSpeed", "Alarm of speed", (_whole("data", "Limit; 0: off", 0, 300, "km/h"),)),
    CommandType("alarmFall", "Alarm of a fall", (ENABLE,)),
    CommandType("alarmVibration", "Alarm of vibration", (_text("data", "Sensitivity", "1"),)),
)
BY_NAME: dict[str, CommandType] = {known.name: known for known in TYPES}
FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "phone": (re.compile(r"\+?\d{1,20}", re.ASCII), "is a phone number: digits, perhaps behind a +"),
    "ussd": (re.compile(r"[+*#\d]{1,32}", re.ASCII), "is a code of digits, * and #"),
    "server": (re.compile(r"[A-Za-z0-9._:-]+"), "is a name such as fleet.example.com, or an address"),
}
NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # controls, halves of letters, ends of lines
ZONE = re.compile(r"(?:GMT|UTC)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.ASCII)


class WrongParameter(ProtocolError):
    """What is wrong with a command from outside, said to whoever wrote it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


def checked(type_name: str, parameters: Mapping[str, Any]) -> Command:
    """A command with each parameter in its type and bounds. Unknown parameters are refused. Raises WrongParameter."""
    known = BY_NAME.get(type_name)
    if known is None:
        raise WrongParameter("type", f"there is no command {type_name[:64]!r}")
    names = [parameter.name for parameter in known.parameters]
    for name in parameters:
        if name not in names:
            has = f"it has {', '.join(names)}" if names else "it has none"
            raise WrongParameter(str(name)[:64], f"{type_name} has no such parameter; {has}")
    return Command(
        type_name, {parameter.name: _checked(parameter, parameters.get(parameter.name)) for parameter in known.parameters}
    )


def _checked(parameter: Parameter, value: Any) -> Any:
    if value is None or (value == "" and parameter.default is not None):
        if parameter.default is None:
            raise WrongParameter(parameter.name, "is missing")
        return parameter.default
    if parameter.kind == "yes":
        if not isinstance(value, bool):
            raise WrongParameter(parameter.name, "is true or false")
        return value
    if parameter.kind in ("integer", "number"):
        return _number(parameter, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # as Traccar's pages send an output's state
    if not isinstance(value, str) or not value.strip():
        raise WrongParameter(parameter.name, "is a text")
    if len(value) > LONGEST_TEXT:
        raise WrongParameter(parameter.name, f"has at most {LONGEST_TEXT} characters")
    if any(unicodedata.category(letter) in NO_TEXT for letter in value):
        raise WrongParameter(parameter.name, "is one line, without control characters")
    if parameter.form:
        form, says = FORMS[parameter.form]
        value = re.sub(r"[ ()-]", "", value) if parameter.form == "phone" else value.strip()
        if not form.fullmatch(value):
            raise WrongParameter(parameter.name, says)
    if parameter.kind == "choice" and value not in parameter.choices:
        raise WrongParameter(parameter.name, f"is one of {', '.join(parameter.choices)}")
    if parameter.kind == "zone":
        offset_minutes(value)
    return value.strip()


def _number(parameter: Parameter, value: Any) -> int | float:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}(\.\d{1,6})?", value, re.ASCII):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongParameter(parameter.name, "is a number")
    if parameter.kind == "integer" and value != int(value):
        raise WrongParameter(parameter.name, "is a whole number")
    if not parameter.least <= value <= parameter.most:
        raise WrongParameter(parameter.name, f"is from {parameter.least:.0f} to {parameter.most:.0f}")
    return int(value) if parameter.kind == "integer" else value


def offset_minutes(zone: str) -> int:
    """Minutes east of UTC that `+05:00`, `GMT+5`, `UTC-3:30` or `UTC` mean; trackers know no names of places. Raises
    WrongParameter."""
    if zone.strip().upper() in ("UTC", "GMT", "Z"):
        return 0
    found = ZONE.fullmatch(zone.strip().upper())
    if found is None:
        raise WrongParameter("timezone", "is written +05:00, or UTC")
    minutes = int(found[2]) * 60 + int(found[3] or 0)
    if minutes > 14 * 60:
        raise WrongParameter("timezone", "is at most 14 hours from UTC")
    return -minutes if found[1] == "-" else minutes
