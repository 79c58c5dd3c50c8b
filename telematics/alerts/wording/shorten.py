"""Making an SMS fit: one part where possible, three at most."""

from __future__ import annotations

from collections.abc import Callable

from telematics.alerts.channels import gsm

MOST_PARTS = 3
NAMES = (128, 40, 32, 26, 22, 18, 15, 12)  # letters a name may have; in its middle it is cut until the text fits


def middle(name: str, longest: int) -> str:
    """Its beginning and its end, where names of vehicles differ: "Scania R4..A 123 BC"."""
    if len(name) <= longest:
        return name
    kept = longest - 2
    return f"{name[: kept - kept // 2].rstrip()}..{name[len(name) - kept // 2 :].lstrip()}"


def short(sentence: Callable[[int], str], when: str, others: int, place: str | None, url: str | None) -> str:
    """The sentence (made with names of at most so many letters) and its time; place and link where they cost no further part."""
    core = _core(sentence, when, f" (+{others})" if others else "")
    parts = gsm.count_parts(core)
    for extra in (f", {place}\n{url}" if place and url else "", f"\n{url}" if url else "", f", {place}" if place else ""):
        if extra and gsm.count_parts(core + extra) <= parts:
            return core + extra
    return core


def _core(sentence: Callable[[int], str], when: str, more: str) -> str:
    for most in range(1, MOST_PARTS + 1):
        for longest in NAMES:
            text = f"{sentence(longest)}, {when}{more}"
            if gsm.count_parts(text) <= most:
                return text
    return text[:200]  # an alarm's name or an event's type of no table, cut before: not to be reached
