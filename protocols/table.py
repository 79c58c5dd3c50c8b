"""docs/protocols.md, made from the codecs: `python -m protocols.table` writes it, and a test compares."""

from __future__ import annotations

from pathlib import Path

from protocols import CODECS, Codec

PAGE = Path(__file__).parent.parent / "docs" / "protocols.md"
HEAD = """# Protocols

Point a tracker at the server's address and the port of its protocol. Which one a box speaks, `telematics detect` tells from a
captured packet; `telematics decode NAME HEX` explains the packet. How to add one: [add-a-protocol.md](add-a-protocol.md).

This page is made from the code: `make docs`.

| name | port | transports | makers | models | what is read beside place and time | commands | source |
|---|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, protocols in the order of their names."""
    return HEAD + "".join(f"| {' | '.join(_cells(codec))} |\n" for codec in sorted(CODECS, key=lambda codec: codec.name))


def _cells(codec: Codec) -> list[str]:
    transports = ", ".join(codec.transports) + (" (HTTP)" if codec.http else "") or "MQTT"
    commands = ", ".join(f"`{name}`" for name in codec.commands)
    if codec.sms is not None:
        commands += "; by SMS too"
    told = [codec.makers, codec.models, codec.reads, commands, codec.source]
    return [f"`{codec.name}`", str(codec.port or ""), transports, *(cell.replace("|", "\\|").replace("\n", " ") for cell in told)]


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
