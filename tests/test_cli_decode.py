"""`telematics decode`: explains a packet to a person, and answers a program line by line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from telematics.cli import app
from telematics.simulator import gt06, teltonika
from tests.simulator.test_client import ID, fixes

GT06 = gt06.Tracker(ID)
LOGIN = GT06.hello().hex()
LOCATION = GT06.report(fixes(1)).hex()


def run(*words: str, given: str = "") -> tuple[int, str]:
    result = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, ["decode", *words], input=given)
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(("gt06", LOGIN), [f"The tracker says it is {ID}", "Answered at once with 787805010001"], id="a login"),
        pytest.param(
            ("gt06", LOGIN + LOCATION),
            [
                "one report",
                "2026-11-20T05:00:00.000Z",
                "43.2000000°",
                "map=16/43.200000/76.900000",
                "once it is stored, with 787805",
            ],
            id="login and location",
        ),
        pytest.param(("gt06", LOCATION), ["one report"], id="location alone"),
        pytest.param(
            ("gt06", LOCATION[:-8] + "0000" + LOCATION[-4:]),
            ["one report", "43.2000000°", "can't be read: the checksum is wrong"],
            id="a wrong checksum is said, and what it would be",
        ),
        pytest.param(
            ("teltonika", teltonika.packets(fixes(3)).hex()),
            ["3 reports", "12.6 V", "90 %", "with 00000003"],
            id="several records",
        ),
        pytest.param(
            ("wialon", "#SD#201126;050000;4314.5500;N;07656.9220;E;45;123;780;9"),
            ["one report", "123° (south-east)", "45 km/h", r"#ASD#1\r\n"],
            id="text is typed as it is",
        ),
        pytest.param(
            ("osmand", "id=123&lat=43.2&lon=76.9"), ["says it is 123", "the time of arrival counts", "200 OK"], id="a query"
        ),
    ],
)
def test_a_packet_is_explained(words: tuple[str, str], says: list[str]) -> None:
    code, output = run(*words)
    for text in says:
        assert text in output
    assert code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(("gt06", LOCATION[:20]), 1, "is the packet complete?", id="half a packet"),
        pytest.param(("wialon", LOGIN), 1, "It reads as gt06, though", id="another protocol's"),
        pytest.param(("gt07", LOGIN), 2, "no protocol 'gt07'; known are gt06", id="unknown protocol"),
        pytest.param(("gt06",), 2, "give the packet in hex", id="no packet"),
    ],
)
def test_what_is_wrong_is_said(words: tuple[str, ...], code: int, says: str) -> None:
    assert (got := run(*words))[0] == code
    assert says in " ".join(got[1].replace("│", "").split())


def test_lines_are_answered_in_order_and_bad_ones_too() -> None:
    lines = [
        json.dumps({"id": "a", "wire": LOGIN + LOCATION}),
        "not json",
        json.dumps({"id": "b", "wire": "zz"}),
        json.dumps(["c"]),
        json.dumps({"id": "d", "wire": "00"}),
    ]
    code, output = run("--protocol", "gt06", "--jsonl", given="\n".join(lines) + "\n")
    a, garbage, b, c, d = (json.loads(line) for line in output.splitlines())
    assert code == 0
    assert (a["id"], len(a["positions"]), a["positions"][0]["latitude"]) == ("a", 1, pytest.approx(43.2))
    assert garbage["id"] is None
    assert "not a question" in garbage["error"]
    assert (b["id"], b["positions"]) == ("b", [])
    assert (c["id"], d["id"]) == (None, "d")
