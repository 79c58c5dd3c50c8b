"""Stripe's official mock (github.com/stripe/stripe-mock): checks each request against Stripe's own OpenAPI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAME = "stripe-mock"


def program() -> str | None:
    """Where it is: on the PATH, or where `go install` puts it."""
    folders = [os.environ.get("PATH", ""), str(Path.home() / "go" / "bin"), os.environ.get("GOBIN", "")]
    return shutil.which(NAME, path=os.pathsep.join(folder for folder in folders if folder))


@contextmanager
def running() -> Iterator[str]:
    """Its address. Without it the test is skipped, but not in CI."""
    path = program()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{NAME} is missing: .ci/run installs it")
        pytest.skip(f"without {NAME}: go install github.com/stripe/stripe-mock@latest")
    arguments = [path, "-http-addr", "127.0.0.1:", "-https-addr", "127.0.0.1:"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"HTTP at address: (\S+)", line):
                    break
            else:
                pytest.fail(f"{NAME} didn't start")
            yield f"http://{found[1]}"
        finally:
            process.kill()
