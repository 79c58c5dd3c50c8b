"""The pages have a word for whatever the code says of commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dashboards
from dashboards.command_pages import Fact, facts
from dashboards.orders import REASONS, STATES
from dashboards.pages import templates
from protocols.commands import LONGEST_TEXT, TYPES, Parameter


def words() -> Any:
    return templates("en").get_template("parts/command_words.html").make_module()


def test_types_and_parameters_are_called_what_the_code_calls_them() -> None:
    known = words()
    assert {one.name: one.title for one in TYPES} == known.TITLES
    parameters = [parameter for one in TYPES for parameter in one.parameters]
    assert {title: title for title in known.FACTS} == known.FACTS
    assert set(known.FACTS) == {one.title for one in parameters}
    assert set(known.UNITS) == {one.unit for one in parameters if one.unit}


def test_states_and_reasons_have_words() -> None:
    known = words()
    assert set(known.STATES) == set(STATES)
    assert set(REASONS) - set(known.REASONS) == set()
    assert str(known.reason("no answer to 3 tries")) == "the tracker did not answer"
    assert str(known.reason("gateway: 500 <b>")) == 'the SMS gateway refused it<span class="sub">500 &lt;b&gt;</span>'


def test_parameters_are_told_in_the_order_of_their_type() -> None:
    assert facts("setConnection", {"port": 5023, "server": "example.com"}) == [
        Fact("Server", "example.com", ""),
        Fact("Port", 5023, ""),
    ]
    assert facts("positionPeriodic", {"frequency": 60, "old": 1}) == [Fact("Interval", 60, "s"), Fact("old", 1, "")]
    assert facts("gone", {"data": "x"}) == [Fact("data", "x", "")]


def test_scripts_know_the_parameters_bounds() -> None:
    """commands/check.ts says them before the server does."""
    source = (Path(dashboards.__file__).parent / "web" / "src" / "commands" / "check.ts").read_text()
    assert re.search(rf"LONGEST_TEXT = {LONGEST_TEXT};", source)
    assert Parameter("x", "integer", "x").most == 2**31 - 1
    assert "UNBOUNDED = 2 ** 31 - 1;" in source
