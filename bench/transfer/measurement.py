"""Measurement of a method's seconds, and of its memory on both sides, from /proc (Linux).

The server is a container, so that its processes are visible here, too. Memory is resident memory, summed over all
processes of a side, sampled every 50 ms; a peak between two samples is noticed where it is that of a single process
(VmHWM). Pages that several processes share count for each. The engines' processes are not included: the server's is
measured separately, the local one is used by all methods alike.
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

SAMPLE_SECONDS = 0.05
"""Seconds between two samples."""

_MEMORY = re.compile(r"^(VmHWM|VmRSS):\s+(\d+) kB$", re.MULTILINE)
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_ENGINE = "dockerd"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurement of one run.

    Attributes:
        exit_code: None if it was stopped, because it took too long.
        here: Peak memory of the method's local processes.
        there: Peak memory of its processes on the server, without the engine.
        engine: The largest growth of the server's engine, with the processes that it starts.
        free: Free memory before, on the server (which is this machine's).
    """

    exit_code: int | None
    seconds: float
    here: int
    there: int
    engine: int
    free: int


def adopt_orphans() -> None:
    """Become the parent of our children's orphans, such as ssh's masters, to measure and end them."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def run(
    argv: Sequence[str], *, env: Mapping[str, str], log: IO[bytes], server: int, timeout: float
) -> Measurement:
    """Run a method to its end; no local process of it is left afterwards.

    Args:
        argv: The method's process.
        env: Its environment.
        log: The file for its output.
        server: The first process of the server, by its local PID.
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
    return Measurement(exit_code, seconds, peaks.here, peaks.there, peaks.engine, free)


def descendants(pid: int, *, but: int | None = None) -> Iterator[int]:
    """All descendants of a process, started by any of its threads, except those of `but`."""
    with suppress(OSError):  # it has ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                if child != but:
                    yield child
                    yield from descendants(child, but=but)


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Current and peak memory of a process, in bytes."""

    now: int = 0
    peak: int = 0


def memory(pid: int) -> ProcessMemory:
    """The memory of a process; zero when it has ended."""
    try:
        found = dict(_MEMORY.findall(Path(f"/proc/{pid}/status").read_text()))
        return ProcessMemory(int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024)
    except (OSError, KeyError):
        return ProcessMemory()


def _peak(pids: Iterable[int]) -> int:
    """The total memory of processes, or the peak of a single one if that is larger."""
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

    def sample() -> None:
        while not over.wait(SAMPLE_SECONDS):
            here = _peak(pid for pid in descendants(own) if pid not in others)
            there = _peak(pid for pid in descendants(server, but=engine) if pid not in standing)
            engines = sum(memory(pid).now for pid in (engine, *descendants(engine)))
            peaks.here, peaks.there = max(peaks.here, here), max(peaks.there, there)
            peaks.engine = max(peaks.engine, engines - before)

    thread = threading.Thread(target=sample, name="memory")
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
