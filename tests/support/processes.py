"""The processes of this machine, by /proc; those that end meanwhile are passed over."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self


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


class MarkedProcesses:
    """Processes of one test, known by a variable of their environment; at the end, those that are left are killed."""

    def __init__(self) -> None:
        self.variable = "FTL_TEST"
        self.value = secrets.token_hex(8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running():
            with suppress(ProcessLookupError):
                os.kill(process, 9)

    def marked(self, script: str) -> str:
        """The script, whose children have the variable."""
        return f"export {self.variable}={self.value}; {script}"

    def running(self) -> list[int]:
        """IDs of those that run."""
        mark = f"{self.variable}={self.value}".encode()
        return [pid for pid, variables in read_all("environ").items() if mark in variables]

    def wait_for_end(self, seconds: float = 10) -> None:
        """Wait until none is left."""
        deadline = time.monotonic() + seconds
        while left := self.running():
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
