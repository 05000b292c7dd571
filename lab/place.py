"""Where the lab keeps what it makes, and what its things are called."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"
VARIABLE = "FTL_LAB_RUN"
LABEL = "ftl.lab"  # on all that the lab makes; the value is the run


def run_id(given: str | None = None) -> str:
    """The run that names belong to: the given one, $FTL_LAB_RUN, else "dev"."""
    run = given or os.environ.get(VARIABLE) or "dev"
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", run):
        sys.exit(f"lab: `{run}` is no name for a run: small letters, digits and dashes")
    return run


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """One process of this checkout at a time: the others wait."""
    STATE.mkdir(exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """A line of progress."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


class LabError(Exception):
    """What the lab cannot do, in a sentence."""
