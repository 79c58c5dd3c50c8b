"""Coverage-guided fuzzing of every protocol: `python -m bench.fuzz [protocol …] --seconds N`.

Each protocol runs in a process of its own, since atheris never comes back. An input is two bytes that say how it is cut, and
then what a tracker sends. What may not happen stands in `tests/protocols/bounds.py`: an exception, a session that keeps too much,
columns that the store wouldn't take; beside that, no input may take longer than its bytes allow.
What is found lies in bench/results/fuzz/<protocol>/: run the line that is printed to see it again. What led to new code is kept
in `corpus` beside it, and the next run begins with that; `--more` names a folder with one such folder of inputs per protocol.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "fuzz"
ROOT = Path(__file__).parent.parent
LONGEST_BYTES = 4096
SLOW_S, SLOW_PER_BYTE_S = 0.5, 100e-6  # with the instruments on, that make all some ten times slower
MODULES = ["protocols"]


def main() -> None:
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("protocol", nargs="*", help="all of them, unless named")
    args.add_argument("--seconds", type=int, default=60, help="for each protocol")
    args.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    args.add_argument("--input", type=Path, help="run this one input of the one protocol named")
    args.add_argument("--more", type=Path, help="a folder of inputs to begin with, <protocol>/*")
    args.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    told = args.parse_args()
    if told.inside:
        fuzz(told.protocol[0], told.seconds, only=told.input, more=told.more)
    import protocols

    names = told.protocol or [codec.name for codec in protocols.CODECS]
    for name in names:
        protocols.codec(name)  # raises for an unknown one, before minutes have passed
    with ThreadPoolExecutor(told.jobs) as pool:
        failed = [name for name, right in zip(names, pool.map(lambda name: run(name, told), names), strict=True) if not right]
    print(f"{len(names) - len(failed)} of {len(names)} protocols hold" + (f"; look at {', '.join(failed)}" if failed else ""))
    sys.exit(bool(failed))


def run(name: str, told: argparse.Namespace) -> bool:
    """One protocol, in a process of its own."""
    command = [sys.executable, "-m", "bench.fuzz", name, "--inside", "--seconds", str(told.seconds)]
    if told.input:
        command += ["--input", str(told.input)]
    if told.more:
        command += ["--more", str(told.more.resolve())]
    (RESULTS / name).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=told.seconds + 300)
    lines = (done.stdout + done.stderr).splitlines()
    summary = next((line for line in reversed(lines) if line.startswith("Done ")), "")
    print(f"{name}: {'failed' if done.returncode else summary or 'holds'}", flush=True)
    if done.returncode:
        print("\n".join(line for line in lines if not line.startswith(("#", "INFO:")))[-6000:], flush=True)
        if found := sorted((RESULTS / name).glob("*-*"), key=lambda path: path.stat().st_mtime):
            print(f"see it again: python -m bench.fuzz {name} --input {found[-1].relative_to(ROOT)}", flush=True)
    return not done.returncode


def fuzz(name: str, seconds: int, *, only: Path | None, more: Path | None) -> None:
    """Never comes back."""
    import atheris

    with atheris.instrument_imports(include=MODULES):
        import protocols
    from tests.protocols.bounds import check, seeds

    codec = protocols.codec(name)
    corpus = RESULTS / name / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(seeds(codec)):
        (corpus / f"seed{place}").write_bytes(b"\0\0" + seed[:LONGEST_BYTES])

    def one(data: bytes) -> None:
        if len(data) < 3:
            return
        cuts, known, sent = [data[0], data[0] * data[1]], data[1] != 0xFF, data[2:]
        start = time.process_time()
        check(codec, sent, cuts if data[0] else [], known=known)
        if time.process_time() - start > SLOW_S + SLOW_PER_BYTE_S * len(sent):
            start = time.process_time()  # once may be the machine's own affair
            check(codec, sent, cuts if data[0] else [], known=known)
            taken_s = time.process_time() - start
            assert taken_s <= SLOW_S + SLOW_PER_BYTE_S * len(sent), f"{taken_s:.2f} s for {len(sent)} bytes"

    options: list[Any] = [f"-artifact_prefix={RESULTS / name}/", f"-max_len={LONGEST_BYTES}", "-timeout=20", "-rss_limit_mb=2048"]
    what = [str(only)] if only else [f"-max_total_time={seconds}", str(corpus)]
    if more and not only and (more / name).is_dir():
        what.append(str(more / name))
    atheris.Setup([sys.argv[0], *options, *what], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
