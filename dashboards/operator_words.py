"""What the operator's templates write addresses, account numbers and changes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from billing.numbers import account_number
from telematics.config import Settings


def speech(settings: Settings) -> dict[str, Any]:
    return {"at": address, "tidy": tidy, "number_of": account_number, "titles": titles(settings)}


def titles(settings: Settings) -> dict[str, str]:
    """Of the ways to pay that the settings name."""
    return {name: provider.title or name for name, provider in settings.billing.providers.items()}


def address(path: str, chosen: Mapping[str, Any] | None = None, **more: Any) -> str:
    """With what is not empty."""
    query = urlencode({name: value for name, value in {**(chosen or {}), **more}.items() if value not in ("", None)})
    return f"{path}?{query}" if query else path


def tidy(details: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What an audit line tells, as (name, before, after): a pair is a change, anything else is only after."""
    found: list[tuple[str, Any, Any]] = []
    for name, value in details.items():
        if isinstance(value, dict) and value and all(isinstance(one, list) and len(one) == 2 for one in value.values()):
            found += [(inner, before, after) for inner, (before, after) in value.items()]
        elif (
            isinstance(value, list)
            and len(value) == 2
            and (value[0] is None or not any(isinstance(one, dict | list) for one in value))
        ):
            if value[0] is not None or not _nothing(value[1]):
                found.append((name, value[0], value[1]))
        elif not _nothing(value):
            found.append((name, None, value))
    return found


def _nothing(value: Any) -> bool:
    return value is None or value in ("", [], {})
