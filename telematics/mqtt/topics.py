"""Topics: which messages a pattern of the settings means, and names that are harmless in a topic."""

from __future__ import annotations

import re
from functools import lru_cache

ID = "{id}"
_HARMFUL = re.compile(r"[%/+#$\s\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


def filter_of(pattern: str) -> str:
    """What to subscribe to: a level that holds {id} is any."""
    return "/".join("+" if ID in level else level for level in pattern.split("/"))


def matcher(pattern: str) -> re.Pattern[str]:
    """Matches whole topics; the group `id`, if there is one, is the tracker's."""
    levels: list[str] = []
    for level in pattern.split("/"):
        if level == "#":
            return re.compile("/".join(levels) + "(?:/.*)?" if levels else ".*", re.DOTALL)
        if level == "+":
            levels.append("[^/]*")
        else:
            levels.append("(?P<id>[^/]+)".join(map(re.escape, level.split(ID))))
    return re.compile("/".join(levels), re.DOTALL)


@lru_cache(maxsize=100_000)  # some 20 MB; more vehicles publish all the same
def harmless(name: str) -> str:
    """A name as one level of a topic: / + # $ %, blanks and control characters are written as %2F and the like."""
    return _HARMFUL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
