"""Telephone numbers as the gateways want them: E.164, such as +77011234567."""

from __future__ import annotations

import re

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
PUNCTUATION = re.compile(r"[\s().\-/\u2010-\u2015\u00a0]+")


def normalised(phone: str) -> str:
    """Without spaces, brackets and dashes, 00 as +. Raises ValueError for what isn't a number with its country's code."""
    bare = PUNCTUATION.sub("", phone[:64])
    if bare.startswith("00"):
        bare = "+" + bare[2:]
    if not E164.fullmatch(bare):
        raise ValueError("write the number with its country's code, as +77011234567")
    return bare


def masked(phone: str) -> str:
    """For lists that others read: +7701…67."""
    return f"{phone[:5]}…{phone[-2:]}" if len(phone) > 8 else "…"
