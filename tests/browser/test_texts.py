"""Every text of the pages is in every catalogue, and what is in a catalogue fits its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from dashboards.pages import LANGUAGES

ROOT = Path(__file__).parents[2]
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "t": None, "tn": (1, 2)}
PLACES = re.compile(r"\{\w+\}|%\(\w+\)s")


def used() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each file and text."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(ROOT, method_map=methods, options_map=options, keywords=KEYWORDS)
    for file_name, _line, message, _comments, _context in found:
        yield file_name, (message,) if isinstance(message, str) else tuple(message)


def catalogue(language: str) -> Catalog:
    with (ROOT / "dashboards" / "locale" / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_text_is_translated(language: str) -> None:
    known = catalogue(language)
    texts = {text for _file, text in used()}
    assert len(texts) > 200
    untranslated = []
    for text in texts:
        message = known.get(text[0])
        string = message.string if message else ""
        forms = [string] if isinstance(string, str) else list(string or ())
        wanted = known.num_plurals if len(text) > 1 else 1
        if message is None or message.fuzzy or len(forms) != wanted or not all(forms):
            untranslated.append(text[0])
            continue
        places = {place for one in text for place in PLACES.findall(one)}
        assert all(set(PLACES.findall(form)) == places for form in forms), text[0]
    assert untranslated == []
    ids = {message.id if isinstance(message.id, str) else message.id[0] for message in known if message.id}
    assert ids - {text[0] for text in texts} == set()


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_scripts_are_given_their_texts(language: str) -> None:
    """The catalogue's places say what hatch_build.py hands to them: a text that only templates had is not there for a script."""
    known = catalogue(language)
    missing = []
    for file, text in used():
        message = known.get(text[0])
        if file.endswith(".ts") and message and not any(place.endswith(".ts") for place, _line in message.locations):
            missing.append(text[0])
    assert missing == []
