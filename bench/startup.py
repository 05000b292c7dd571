"""How long `ftl --help` and `ftl validate` take, in times of `python -c pass`.

The two commands of a pair run one right after the other, so that a busy machine slows both; the median of the pairs'
ratios is what counts.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.harness import command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.harness import Project

NOTHING = (sys.executable, "-c", "pass")


def ratios(project: Project, shop: Path, pairs: int) -> dict[str, float]:
    """Command -> how many times as long as starting Python it takes. `shop` is a folder with a whole ftl.yaml."""
    commands = {"help": ("--help",), "validate": ("validate", "--file", str(shop / "ftl.yaml"))}
    return {name: _ratio(project, command(*words), pairs) for name, words in commands.items()}


def _ratio(project: Project, argv: Sequence[str], pairs: int) -> float:
    _seconds(project, argv)  # the first one compiles, and reads the disk
    return statistics.median(_seconds(project, argv) / _seconds(project, NOTHING) for _ in range(pairs))


def _seconds(project: Project, argv: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        argv, cwd=project.folder, env=dict(project.environment), stdout=subprocess.DEVNULL, check=True
    )
    return time.perf_counter() - began
