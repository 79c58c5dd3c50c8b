"""A rule about one occasion of nearness hears nothing of the others of the same vehicle."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telematics.alerts.matching import Happening, Rule, meets
from telematics.alerts.rules import _proximity_ids
from telematics.devices import Device, Groups, Targets

DEVICE = Device(id=1, account_id=1, unique_id="imei-1", name="Tow truck")


@pytest.mark.parametrize(
    ("attributes", "subject", "met"),
    [
        pytest.param({"proximityIds": [7]}, "7:3", True, id="its own"),
        pytest.param({"proximityIds": [7]}, "8:3", False, id="another's"),
        pytest.param({"proximityIds": [7]}, "70:0", False, id="a number that begins alike"),
        pytest.param({"proximityIds": [7]}, "", False, id="nobody's"),
        pytest.param({}, "8:3", True, id="any, when none is named"),
        pytest.param({"proximityIds": "7"}, "8:3", True, id="what can't be read counts for nothing"),
    ],
)
def test_a_rule_of_one_proximity(attributes: dict[str, object], subject: str, met: bool) -> None:
    rule = Rule(
        id=1,
        account_id=1,
        name="",
        types=frozenset({"proximityEnter"}),
        targets=Targets(1, True, frozenset(), frozenset()),
        channels=("web",),
        proximity_ids=_proximity_ids(attributes),
    )
    event = Happening(1, datetime(2026, 7, 1, tzinfo=UTC), "proximityEnter", subject)
    assert meets(rule, event, DEVICE, Groups(), lambda _: None) is met
