"""What an audit line tells of a change."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.operator_words import tidy


@pytest.mark.parametrize(
    ("details", "told"),
    [
        pytest.param({"name": ["old", "new"]}, [("name", "old", "new")], id="a change"),
        pytest.param({"changes": {"name": ["old", "new"]}}, [("name", "old", "new")], id="changes within"),
        pytest.param({"types": [None, ["alarm", "sos"]]}, [("types", None, ["alarm", "sos"])], id="a list where nothing was"),
        pytest.param({"emails": [None, []], "hours": [None, None], "parameters": {}, "note": ""}, [], id="nothing at all"),
        pytest.param({"sms": False, "lines": 0}, [("sms", None, False), ("lines", None, 0)], id="no and none are something"),
        pytest.param({"name": ["old", ""]}, [("name", "old", "")], id="taken away"),
    ],
)
def test_what_changed_is_told_and_nothing_else(details: dict[str, Any], told: list[tuple[str, Any, Any]]) -> None:
    assert tidy(details) == told
