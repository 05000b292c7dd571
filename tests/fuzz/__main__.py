"""`python -m tests.fuzz [--seconds 60] [TARGET...]`: coverage-guided fuzzing with atheris.

Each target runs in a process of its own, for an equal share of the time, from its corpus. Prints a line for each, and
as the last line one JSON object; exit status 1 if any input crashed a target. An input that did is written to
tests/fuzz/crashes; moved to the corpus, it becomes a test.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CORPUS = Path(__file__).with_name("corpus")
CRASHES = Path(__file__).with_name("crashes")

WORKERS = 2
"""Targets at a time: a runner of CI has two processors."""

_RUNS = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)


def fuzz(names: Sequence[str], seconds: float, run: Callable[[str, bytes], None], logs: Path) -> set[str]:
    """Fuzz targets in forks of this process, which has them instrumented; those that crashed.

    Each writes libFuzzer's output to a file of its name in `logs`.
    """
    running: dict[int, str] = {}
    crashed: set[str] = set()
    waiting = list(names)
    while waiting or running:
        while waiting and len(running) < WORKERS:
            name = waiting.pop(0)
            process = os.fork()
            if process == 0:
                try:
                    _fuzz_here(name, seconds, run, logs)
                except BaseException:  # noqa: BLE001 - the parent sees the exit status
                    traceback.print_exc()
                finally:
                    os._exit(1)  # without the clean-up of the process that was forked
            running[process] = name
        process, status = os.wait()
        if status:
            crashed.add(running[process])
        del running[process]
    return crashed


def _fuzz_here(name: str, seconds: float, run: Callable[[str, bytes], None], logs: Path) -> None:
    """Run libFuzzer, which ends the process."""
    import atheris

    output = os.open(logs / name, os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    (found := logs / f"{name}-found").mkdir()
    limits = (
        f"-max_total_time={max(1, round(seconds))}",
        "-max_len=4096",
        "-timeout=20",
        "-rss_limit_mb=2048",
    )
    options = ("-print_final_stats=1", f"-artifact_prefix={CRASHES}/{name}-")
    atheris.Setup(["fuzz", *limits, *options, str(found), str(CORPUS / name)], lambda data: run(name, data))
    atheris.Fuzz()


def main() -> None:
    """Fuzz every target, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("targets", nargs="*")
    given = parser.parse_args()
    if find_spec("atheris") is None:
        print("atheris has no release for this machine: the corpus alone is tested, by pytest")
        return
    import atheris

    with atheris.instrument_imports(include=["ftl"]):
        from tests.fuzz.targets import TARGETS, run
    names = given.targets or list(TARGETS)
    CRASHES.mkdir(exist_ok=True)
    inputs = 0
    with tempfile.TemporaryDirectory(prefix="ftl-fuzz-") as folder:
        logs = Path(folder)
        crashed = fuzz(names, given.seconds * WORKERS / len(names), run, logs)
        for name in names:
            log = (logs / name).read_text(errors="replace")
            runs = int(counted[1]) if (counted := _RUNS.search(log)) else 0
            inputs += runs
            print(f"{name}: {runs} inputs{', CRASHED' if name in crashed else ''}", flush=True)
            if name in crashed:
                print("\n".join(log.splitlines()[-40:]), file=sys.stderr)
    print(json.dumps({"type": "fuzz", "fuzz_inputs": inputs, "fuzz_crashes": len(crashed)}), flush=True)
    sys.exit(bool(crashed))


if __name__ == "__main__":
    main()
