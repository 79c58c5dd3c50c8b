"""What a gateway said, made fit for a reader of the deliveries: one line, bounded, without our secrets."""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 300
SECRET = 4  # shorter pieces of a URL are words that may stand anywhere in a sentence


def said(words: str | bytes, secrets: Iterable[str | None] = ()) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    for secret in secrets:
        if secret and len(secret) >= SECRET:
            text = text.replace(secret, "…")
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 10 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
