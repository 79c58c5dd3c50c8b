import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Everything here runs on both loops: they differ in small things that listeners stand on."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
