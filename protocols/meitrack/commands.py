"""What a tracker can be told, as the content of a message or as a text message."""

from __future__ import annotations

from protocols.commands import CannotSend, Command, offset_minutes

PHOTO = "camera_picture.jpg"
PLAIN: dict[str, str] = {
    "alarmArm": "C01,0,22122",  # the third output; 2 leaves an output as it is, the 0 in front: at any speed
    "alarmDisarm": "C01,0,22022",
    "engineResume": "C01,0,02222",
    "engineStop": "C01,0,12222",
    "factoryReset": "F11",
    "getVersion": "E91",
    "positionSingle": "A10",
    "positionStop": "A12,0",
    "rebootDevice": "F01",
}
SHAPED = ("alarmSpeed", "outputControl", "positionPeriodic", "requestPhoto", "sendSms", "setTimezone")
COMMANDS = ("custom", *sorted((*PLAIN, *SHAPED)))
INTERVAL_S = 10
OUTPUTS = 5


def words(command: Command) -> str:
    """The content of a command. Raises CannotSend."""
    if plain := PLAIN.get(command.type):
        return plain
    match command.type:
        case "custom":
            return str(command["data"])
        case "alarmSpeed":
            return f"B07,{min(command['data'], 255)}"
        case "outputControl":
            return _output(command["index"], command["data"])
        case "positionPeriodic":
            return f"A12,{max(1, round(command['frequency'] / INTERVAL_S))}"
        case "requestPhoto":
            return f"D03,{command['index']},{PHOTO}"
        case "sendSms":
            return f"C02,0,{command['phone']},{command['message']}"
        case "setTimezone":
            return f"B36,{offset_minutes(command['timezone'])}"
    raise CannotSend(f"Meitrack's trackers take {', '.join(COMMANDS)}, not {command.type}; others as custom, such as A13,30")


def _output(index: int, state: str) -> str:
    if not 1 <= index <= OUTPUTS or state not in ("0", "1"):
        raise CannotSend(f"outputs are 1 to {OUTPUTS}, and their state is 0 or 1")
    return "C01,0," + "".join(state if number == index else "2" for number in range(1, OUTPUTS + 1))


def sms(command: Command, password: str) -> str:
    """Text messages take the same words behind the password, 0000 as delivered; the place is asked for by another."""
    return f"{password or '0000'},{'A00' if command.type == 'positionSingle' else words(command)}"
