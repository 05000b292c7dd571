"""`python -m tests.fuzz [--seconds 60] [TARGET...]`: coverage-guided fuzzing with atheris.

Each target runs in a process of its own, for an equal share of the time, from its corpus. Prints a line for each, and
as the last line one JSON object; exit status 1 if any input crashed a target. An input that did is written to
tests/fuzz/crashes; moved to the corpus, it becomes a test.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS
from tests.harness import ROOT

WORKERS = 2
"""Targets at a time: a runner of CI has two processors."""

CRASHES = Path(__file__).with_name("crashes")
_RUNS = re.compile(r"^(?:stat::number_of_executed_units: (\d+)|Done (\d+) runs)", re.MULTILINE)


def fuzz(name: str, seconds: float) -> tuple[int, bool]:
    """Fuzz a target: number of inputs, and whether one crashed it."""
    CRASHES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ftl-fuzz-") as found:
        seeds = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
        argv = [
            *(sys.executable, "-m", "tests.fuzz.engine", name),
            *(
                f"-max_total_time={max(1, round(seconds))}",
                "-max_len=4096",
                "-timeout=20",
                "-rss_limit_mb=2048",
            ),
            *("-print_final_stats=1", f"-artifact_prefix={CRASHES}/{name}-", found, *seeds),
        ]
        done = subprocess.run(
            argv,
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds + 120,
        )
    runs = [int(first or second) for first, second in _RUNS.findall(done.stderr + done.stdout)]
    if done.returncode:
        print("\n".join((done.stdout + done.stderr).splitlines()[-40:]), file=sys.stderr)
    return max(runs, default=0), done.returncode != 0


def main() -> None:
    """Fuzz every target, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], default=[])
    given = parser.parse_args()
    if find_spec("atheris") is None:
        print("atheris has no release for this machine: the corpus alone is tested, by pytest")
        return
    names = given.targets or list(TARGETS)
    inputs, crashes = 0, 0
    with ThreadPoolExecutor(WORKERS) as pool:
        share = given.seconds * WORKERS / len(names)
        for name, (runs, crashed) in zip(names, pool.map(lambda name: fuzz(name, share), names), strict=True):
            inputs += runs
            crashes += crashed
            print(f"{name}: {runs} inputs{', CRASHED' if crashed else ''}", flush=True)
    print(json.dumps({"type": "fuzz", "fuzz_inputs": inputs, "fuzz_crashes": crashes}), flush=True)
    sys.exit(crashes > 0)


if __name__ == "__main__":
    main()
