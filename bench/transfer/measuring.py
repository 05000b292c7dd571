"""The memory of a method on both sides, read from /proc while it runs (so on Linux only), and its seconds.

The server is a container, so that its processes can be seen from here, too. Memory is resident memory, summed over
all processes of a side, looked at every 50 ms; a peak between two looks is caught where it is that of a single process
(VmHWM). Pages that several processes share count for each. The engines' own processes are not among
them: that of the server is measured apart, the one here belongs to all methods alike.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import IO

LOOK = 0.05
"""Seconds between two looks."""

_MEMORY = re.compile(r"^(VmHWM|VmRSS):\s+(\d+) kB$", re.MULTILINE)
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_ENGINE = "dockerd"


@dataclass(frozen=True, slots=True)
class Measured:
    """One run.

    Attributes:
        exit_code: None: it was stopped, because it took too long.
        here: Peak memory of the method's processes here.
        there: The same on the server, its engine apart.
        engine: By how much the server's engine, with the processes that it starts, grew at most.
        free: Memory that was free before, there (where it is here's, too).
    """

    exit_code: int | None
    seconds: float
    here: int
    there: int
    engine: int
    free: int


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, such as ssh's masters: so it can be seen, and ended."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def run(
    argv: Sequence[str], *, env: Mapping[str, str], log: IO[bytes], server: int, timeout: float
) -> Measured:
    """Run a method to its end; nothing of it runs on here afterwards.

    Args:
        argv: The method's process.
        env: Its environment.
        log: Takes all that it prints.
        server: The first process of the server, by its number here.
        timeout: Seconds after which it is stopped.
    """
    own = os.getpid()
    others = set(descendants(own))
    free = _free()
    began = time.monotonic()
    with _watched(own, others, server) as peaks:
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            exit_code = _ended(process, began + timeout)
            seconds = time.monotonic() - began
        finally:
            _end(pid for pid in descendants(own) if pid not in others)
            with suppress(ChildProcessError):
                process.wait()
    return Measured(exit_code, seconds, peaks.here, peaks.there, peaks.engine, free)


def descendants(pid: int, *, but: int | None = None) -> Iterator[int]:
    """The processes below one, whichever of its threads started them; one of them and those below it are left out."""
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                if child != but:
                    yield child
                    yield from descendants(child, but=but)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory that a process has, and the most that it ever had."""

    now: int = 0
    peak: int = 0


def memory(pid: int) -> Memory:
    """Of a process; nothing when it has ended."""
    try:
        found = dict(_MEMORY.findall(Path(f"/proc/{pid}/status").read_text()))
        return Memory(int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024)
    except (OSError, KeyError):
        return Memory()


def _most(pids: Iterable[int]) -> int:
    """What processes have together, or one of them once had alone."""
    found = [memory(pid) for pid in pids]
    return max(sum(each.now for each in found), *(each.peak for each in found), 0)


def _ended(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    """Wait for a child; its exit status."""
    while (status := process.poll()) is None and time.monotonic() < deadline:
        time.sleep(0.002)
    return status


def _end(pids: Iterator[int]) -> None:
    for pid in list(pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


@dataclass(slots=True)
class _Peaks:
    here: int = 0
    there: int = 0
    engine: int = 0


@contextmanager
def _watched(own: int, others: set[int], server: int) -> Iterator[_Peaks]:
    peaks, over = _Peaks(), threading.Event()
    standing = set(descendants(server))
    engine = next(pid for pid in standing if _name(pid) == _ENGINE)
    before = sum(memory(pid).now for pid in (engine, *descendants(engine)))

    def look() -> None:
        while not over.wait(LOOK):
            here = _most(pid for pid in descendants(own) if pid not in others)
            there = _most(pid for pid in descendants(server, but=engine) if pid not in standing)
            engines = sum(memory(pid).now for pid in (engine, *descendants(engine)))
            peaks.here, peaks.there = max(peaks.here, here), max(peaks.there, there)
            peaks.engine = max(peaks.engine, engines - before)

    thread = threading.Thread(target=look, name="memory")
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _free() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
