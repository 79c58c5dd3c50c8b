"""Facts that the docs tell again are compared with the code."""

from __future__ import annotations

import inspect
import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import protocols.table
import telematics.config
from dashboards.orders import REASONS, STATES
from protocols.commands import TYPES
from telematics.config import Section, Settings

ROOT = Path(__file__).parent.parent


def settings_table(model: type[BaseModel], prefix: str = "") -> list[str]:
    """A row per setting, as docs/configuration.md has them."""
    rows = []
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if inspect.isclass(annotation) and issubclass(annotation, Section):
            rows += settings_table(annotation, f"{prefix}{name}.")
        else:
            default = shown(prefix, name, field.get_default(call_default_factory=True))
            rows.append(f"| `{prefix}{name}` | {default} | {field.description} |")
    return rows


def shown(prefix: str, name: str, default: object) -> str:
    if name == "data_dir":
        return "the user's data folder"
    if default is None or default is PydanticUndefined or default in ("", {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_every_setting_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    tables = [
        settings_table(Settings),
        settings_table(telematics.config.ListenerSettings, "listeners.NAME."),
        settings_table(telematics.config.ProviderSettings, "billing.providers.NAME."),
        settings_table(telematics.config.MqttSourceSettings, "mqtt.sources."),
    ]
    for row in chain.from_iterable(tables):
        assert row in text


def test_the_table_of_protocols_is_that_of_the_code() -> None:
    assert protocols.table.PAGE.read_text() == protocols.table.page(), "run: make docs"
    for codec in protocols.CODECS:
        assert f"| `{codec.name}` | {codec.port or ''} | {', '.join(codec.transports)}" in protocols.table.page()


def test_every_port_leads_into_the_container() -> None:
    compose, dockerfile = (ROOT / "compose.yaml").read_text(), (ROOT / "Dockerfile").read_text()
    for codec in protocols.CODECS:
        for transport in codec.transports:
            assert f'"{codec.port}:{codec.port}/{transport}" # {codec.name}\n' in compose
            assert f" {codec.port}/{transport}" in dockerfile


def test_the_commands_reasons_and_states_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    for known in TYPES:
        (row,) = re.findall(rf"^\| `{known.name}` \|.*$", text, re.MULTILINE)
        title, parameters, twice = row.split(" |")[1:4]
        assert (title.strip(" |"), twice.strip(" |")) == (known.title, "yes" if known.dangerous else "")
        assert re.findall(r"`(\w+)`:", parameters) == [one.name for one in known.parameters]
        for one in known.parameters:
            if one.kind in ("integer", "number"):
                assert f"{one.least:.0f} to {one.most:.0f}{' ' + one.unit if one.unit else ''}" in parameters
    assert re.findall(r"^\| `(\w+)` \|", text.partition("## States")[2].partition("## Reasons")[0], re.MULTILINE) == list(STATES)
    told = re.findall(r"^\| `([^`]+)` \|", text.partition("## Reasons")[2].partition("## Stopping")[0], re.MULTILINE)
    assert [one.replace(" 3 tries", "") for one in told] == list(REASONS)


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
)
def test_links_between_pages_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#]+)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_protocol_of_the_guide_is_one() -> None:
    """The code in docs/add-a-protocol.md, as somebody would write it into his two files."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "add-a-protocol.md").read_text(), re.DOTALL))
    module: dict[str, Any] = {"__name__": "acme"}
    exec(compile(code, "docs/add-a-protocol.md", "exec"), module)
    tests = [made for name, made in module.items() if name.startswith("test_")]
    assert len(tests) == 4
    for test in tests:
        test()
