"""The processes of this machine, by /proc; those that end meanwhile are passed over."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal


def read_all(file: Literal["cmdline", "environ", "stat"]) -> dict[int, bytes]:
    """This file of each process, by the process's ID.

    Not by `Path.glob("*/cmdline")`: its own look at a path raises where a process ends at that moment.
    """
    found: dict[int, bytes] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - numbers, not paths
        if name.isdigit():
            with suppress(OSError):  # it has ended, or is another user's
                found[int(name)] = Path("/proc", name, file).read_bytes()
    return found


def command_lines(words: str) -> dict[int, str]:
    """Arguments, each ended by a NUL, of the processes whose arguments contain these words; by the process's ID."""
    lines = {pid: line.decode(errors="replace") for pid, line in read_all("cmdline").items()}
    return {pid: line for pid, line in lines.items() if words in line}
