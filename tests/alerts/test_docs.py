"""docs/alerts.md knows every reason and state."""

from __future__ import annotations

from pathlib import Path

from telematics.alerts.matching import REASONS, STATES

DOCS = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


def test_every_reason_and_state_is_in_the_docs() -> None:
    for word in (*REASONS, *STATES):
        assert f"\n| `{word}` | " in DOCS
