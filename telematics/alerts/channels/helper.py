"""A helper process: sends by Apprise what it reads from its standard input, a JSON object a line, and answers in the same way.

Apprise blocks, its plugins' time limits are per read, and what a plugin does is up to the plugin; a process can be ended from
outside whatever it does (`helpers.py` does that). It also keeps Apprise, a hundred and fifty plugins of which we use one or
two, out of the server's memory.

What users may have sent anywhere by themselves is bounded twice: `messengers.py` lets through only messengers with an address of
their own, and here no connection is made to an address that isn't public.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from typing import Any, TextIO

from telematics.alerts.channels.addresses import is_public

ENOUGH = 20  # lines of Apprise's log that are read for the reason
SOCKET_ERROR = "Socket Exception"
UNREACHED = ("NewConnectionError", "NameResolutionError", "ConnectTimeout", "Failed to establish", "SSLCertVerificationError")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class _Heard(logging.Handler):
    """What Apprise complains of. Which error a socket had it only mentions in passing, with the URL and its secrets."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.unreached = True  # of the connections that failed, all did so before anything was asked

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if record.levelno >= logging.WARNING and len(self.lines) < ENOUGH:
            self.lines.append(said)
        elif said.startswith(SOCKET_ERROR) and not any(word in said for word in UNREACHED):
            self.unreached = False

    def forget(self) -> None:
        self.lines.clear()
        self.unreached = True


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")  # what a plugin prints goes elsewhere
    os.dup2(2, 1)
    import apprise

    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.handlers[:] = [heard]
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    asset = apprise.AppriseAsset(storage_mode="memory", async_mode=False, secure_logging=True, plugin_paths=[])
    say(answers, {"ready": True})
    for line in sys.stdin:
        heard.forget()
        try:
            say(answers, work(apprise, asset, json.loads(line), heard))
        except Exception as error:
            # Whatever a plugin raises: the reason is told, the next message gets its chance
            say(answers, {"ok": False, "reason": f"{type(error).__name__}: {error}", "log": heard.lines})


def say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def work(apprise: Any, asset: Any, order: dict[str, Any], heard: _Heard) -> dict[str, Any]:
    plugin = apprise.Apprise.instantiate(order["url"], asset=asset)
    if plugin is None:
        return {"ok": False, "unreadable": True, "log": heard.lines}
    kind = type(plugin)
    facts = {
        "service": str(kind.service_name),
        "plugin": f"{kind.__module__}.{kind.__name__}",
        "host": getattr(plugin, "host", None),
        "mode": str(getattr(plugin, "mode", "") or ""),
        "targets": len(plugin),
    }
    if order["do"] == "look":
        return {"ok": True, **facts}
    # A connection that isn't made ends by itself; an answer that doesn't come is waited for until the deadline, which ends us
    plugin.socket_connect_timeout, plugin.socket_read_timeout = order["timeout_s"] / 2, order["timeout_s"]
    # Only what we ourselves say is sent: no picture of the service's, no marks of formatting that a name happens to hold
    guard.public_only = bool(order["public_only"]) and not any(
        os.environ.get(name) for name in (*PROXIES, *map(str.upper, PROXIES))
    )
    ok = plugin.notify(body=order["body"], title=order["title"] or None, body_format="text")
    return {"ok": bool(ok), **facts, "log": heard.lines, "unreached": heard.unreached}


class _Guard:
    """Stands in for the resolver of this process: gives public addresses alone, and what is connected to is what it gave."""

    def __init__(self) -> None:
        self.public_only = True
        self._resolve = socket.getaddrinfo
        socket.getaddrinfo = self

    def __call__(self, *args: Any, **kwargs: Any) -> list[Any]:
        found = self._resolve(*args, **kwargs)
        if self.public_only and not all(is_public(str(entry[4][0])) for entry in found):
            raise socket.gaierror(socket.EAI_NONAME, "its address is not a public one")
        return list(found)


if __name__ == "__main__":
    guard = _Guard()
    main()
