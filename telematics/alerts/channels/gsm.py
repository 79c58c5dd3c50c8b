"""Texts as short messages carry them: seven bits a letter where all letters are in the default alphabet, else UCS-2; in parts.

One part   160 letters of the default alphabet (140 bytes of septets), or 70 of UCS-2
More       153 or 67 each, behind a user data header of 6 bytes that tells which message a part is of
Source     3GPP TS 23.038, 6.2.1 (the alphabet and its extension), TS 23.040, 9.2.3.24.1 (concatenated short messages)

A letter of the extension table costs two and is never torn apart, nor is a pair of UTF-16 surrogates.
"""

from __future__ import annotations

from typing import Literal

Alphabet = Literal["gsm", "latin1", "ucs2"]

BASIC = (  # a letter's place is its code; ESC (27) leads to the extension
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65}
CODES: dict[str, bytes] = {letter: bytes([code]) for code, letter in enumerate(BASIC) if letter != "\x1b"} | {
    letter: bytes([0x1B, code]) for letter, code in EXTENSION.items()
}
ONE = {"gsm": 160, "latin1": 140, "ucs2": 140}  # of what `encode` gives: septets one a byte, bytes
EACH = {"gsm": 153, "latin1": 134, "ucs2": 134}


def alphabet_of(text: str) -> Alphabet:
    """The cheapest that has all the letters."""
    return "gsm" if all(letter in CODES for letter in text) else "ucs2"


def count_parts(text: str) -> int:
    return len(split(text, alphabet_of(text)))


def split(text: str, alphabet: Alphabet) -> list[bytes]:
    """The text in parts, encoded, without headers; letters stay whole. A septet is a byte here: the gateway packs them.

    Raises UnicodeEncodeError when the alphabet lacks a letter."""
    letters = [encode(letter, alphabet) for letter in text]
    if sum(map(len, letters)) <= ONE[alphabet]:
        return [b"".join(letters)]
    parts, part = [], b""
    for letter in letters:
        if len(part) + len(letter) > EACH[alphabet]:
            parts.append(part)
            part = b""
        part += letter
    return [*parts, part]


def encode(letter: str, alphabet: Alphabet) -> bytes:
    if alphabet == "gsm":
        if letter not in CODES:
            raise UnicodeEncodeError("gsm", letter, 0, 1, "not in the default alphabet")
        return CODES[letter]
    return letter.encode("latin-1" if alphabet == "latin1" else "utf-16-be")
