"""A wire between the server and its database that can be cut or held, as wires are."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Proxy:
    """`url` leads through it. Set `cut_after_commit` or `hold` it while it is in use. It has threads, so that the loop under
    test may hang."""

    def __init__(self, url: str) -> None:
        self._url = url
        parts = conninfo_to_dict(url)
        self._host, self._port = str(parts["host"]), int(parts.get("port") or 5432)
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._passing = threading.Event()
        self._passing.set()
        self.cut_after_commit = False  # the next COMMIT goes through, and its answer is lost with the connection

    def hold(self) -> None:
        """From now on nothing passes, and nobody is told."""
        self._passing.clear()

    def release(self) -> None:
        self._passing.set()

    def __enter__(self) -> Self:
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = make_conninfo(
            self._url, host="127.0.0.1", port=self._door.getsockname()[1], sslmode="disable", gssencmode="disable"
        )
        self._run(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()
        for end in (self._door, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._door, *self._ends):
            end.close()

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._door.accept()
                far = self._dial()
                self._ends += [near, far]
                self._run(self._pass_on, near, far, False)
                self._run(self._pass_on, far, near, True)

    def _dial(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return far

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                self._passing.wait()
                if answers and self.cut_after_commit and b"COMMIT\x00" in data:
                    self.cut_after_commit = False
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
