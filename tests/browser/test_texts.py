"""Every text of the pages is in every catalogue, and what is in a catalogue fits its text."""

from __future__ import annotations

import ast
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


PROGRAMS_ONLY = (  # what no page sends and no file holds
    "write CIRCLE",
    "write a circle as",
    "a zone's kind is one of",
    "a 1 needs a GeoJSON geometry",
    "say its",
    "this isn't GeoJSON, KML or WKT",  # the title of the answer says it
    "this is XML, but not KML",
)


def told(file: str) -> Iterator[str]:
    """What a module gives as a reason or a note, with a number in each gap."""
    for node in ast.walk(ast.parse((ROOT / "telematics" / "zones" / file).read_text())):
        texts: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ValueError", "Refused"):
            texts = node.args
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "note" and isinstance(node.value, ast.IfExp):
            texts = [node.value.orelse]
        for text in texts:
            if isinstance(text, ast.JoinedStr):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "1" for part in text.values)
            elif isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value


def test_the_pages_know_every_reason_against_a_zone() -> None:
    source = (ROOT / "dashboards" / "web" / "src" / "zones" / "reasons.ts").read_text()
    known = [re.compile(pattern) for pattern in re.findall(r"^  \[/(.+)/, \(", source, re.MULTILINE)]
    reasons = [one.replace("its 1 is", "its radius is") for one in (*told("shapes.py"), *told("formats.py"))]
    assert len(known) > 15
    assert len(reasons) > 30
    unknown = [one for one in reasons if not one.startswith(PROGRAMS_ONLY) and not any(pattern.search(one) for pattern in known)]
    assert unknown == []
