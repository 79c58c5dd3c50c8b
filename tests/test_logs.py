"""What the logs say, and what they must not."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from telematics.config import Settings
from telematics.logs import set_up_logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root, pool = logging.getLogger(), logging.getLogger("psycopg.pool")
    handlers, levels = root.handlers[:], (root.level, pool.level)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    pool.setLevel(levels[1])


def log_in(password: str) -> None:
    raise ValueError("a mistake")


@pytest.mark.parametrize("log_json", [False, True])
@pytest.mark.parametrize("library", [False, True])
def test_a_traceback_names_no_values(capsys: pytest.CaptureFixture[str], log_json: bool, library: bool) -> None:
    set_up_logs(Settings(log_json=log_json))
    secret = " ".join(["correct", "horse"])
    try:
        log_in(secret)
    except ValueError:
        (logging.getLogger("uvicorn.error") if library else structlog.get_logger()).exception("failed")
    said = capsys.readouterr().err
    assert "a mistake" in said
    assert "log_in" in said
    assert secret not in said
    if log_json:
        assert json.loads(said)["event"] == "failed"


def test_requests_that_a_stop_breaks_off_and_the_pools_complaints_are_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(Settings())
    try:
        raise asyncio.CancelledError
    except asyncio.CancelledError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    logging.getLogger("psycopg.pool").warning("error connecting")
    assert capsys.readouterr().err == ""
