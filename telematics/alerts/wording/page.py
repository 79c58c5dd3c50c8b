"""A mail's two bodies: plain text, and HTML in tables, which is what all mail programs draw alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jinja2

from telematics.alerts.channels import PICTURE


@dataclass(frozen=True, slots=True)
class Told:
    """A fact in words."""

    sentence: str
    when: str
    late: str | None
    place: str | None
    speed: str | None
    url: str | None


def text(told: Sequence[Told], rest: str | None, phrases: Mapping[str, str]) -> str:
    first = told[0]
    lines = [first.sentence, ""]
    lines.append(f"{phrases['time']}: {first.when}" + (f" ({first.late})" if first.late else ""))
    lines += [f"{phrases['place']}: {first.place}"] if first.place else []
    lines += [f"{phrases['speed']}: {first.speed}"] if first.speed else []
    lines += [f"{phrases['map']}: {first.url}"] if first.url else []
    others = [f"{other.when}  {other.sentence}" for other in told[1:]]
    lines += ["", *others] if others else []
    lines += ["", rest] if rest else []
    return "\n".join(lines) + "\n"


def html(
    told: Sequence[Told], rest: str | None, phrases: Mapping[str, str], language: str, *, with_picture: bool
) -> str:  # fmt: skip
    return _template().render(
        first=told[0], others=told[1:], rest=rest, phrases=phrases, language=language, picture=PICTURE if with_picture else None
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string((files(__package__ or "") / "mail.html").read_text(encoding="utf-8"))
