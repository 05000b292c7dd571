"""Runs of containers that must not overlap, as the engine tells of them during a fault."""

from __future__ import annotations

import subprocess
import threading
import time
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from lab.servers import Server

MARK = "docker events"
"""Words in the arguments of what looks: no process that a command has left."""

TOLERANCE_SECONDS = 0.3
"""An engine tells of a container's end a moment after it has told who waits for it."""

_READY_SECONDS = 20.0

# What runs, and then what starts and ends, until stdin does.
_WATCH = """
fields='{{.Label "ftl.service"}} {{.Label "ftl.role"}}'
began=$(date +%s)
docker ps --no-trunc --filter "label=ftl.project=$1" --format "start {{.ID}} ${began}000000000 $fields" || exit
echo listed
(
    docker events --since "$began" --filter type=container --filter event=start --filter event=die \\
        --filter "label=ftl.project=$1" --format '{{.Action}} {{.Actor.ID}} {{.TimeNano}} '\\
'{{index .Actor.Attributes "ftl.service"}} {{index .Actor.Attributes "ftl.role"}}'
    echo over
) &
cat > /dev/null
pkill -P $!
"""


class Run(NamedTuple):
    """A container's run, in seconds of Unix time."""

    service: str
    container: str
    began: float
    ended: float


class Runs:
    """Watches the containers of a project's services and dependencies; a context manager.

    After a crash of the engine, or a reboot, it looks again at what runs.

    Args:
        server: The server.
        project: The project's name.
    """

    def __init__(self, server: Server, project: str) -> None:
        self._command = ("docker", "exec", "-i", server.container, "sh", "-c", _WATCH, "sh", project)
        self._running: dict[str, tuple[str, float]] = {}
        self._ended: list[Run] = []
        self._over = threading.Event()
        self._listed = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listed.wait(_READY_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if (process := self._process) is not None and process.stdin is not None:
            process.stdin.close()
        self._thread.join(_READY_SECONDS)
        self._end_all()

    def twice(self, services: Iterable[str]) -> list[str]:
        """Those of some services of which two containers ran at a time; once it is over."""
        return twice([run for run in self._ended if run.service in set(services)])

    def _watch(self) -> None:
        while not self._over.is_set():
            pipe = subprocess.PIPE
            with subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            ) as process:
                self._process = process
                assert process.stdin is not None
                assert process.stdout is not None
                if self._over.is_set():
                    process.stdin.close()
                for line in process.stdout:
                    if line == "over\n":  # the engine has ended
                        process.stdin.close()
                    self._note(line.split())
            if not self._over.wait(0.3):
                self._end_all()

    def _note(self, words: list[str]) -> None:
        match words:
            case ["listed"]:
                self._listed.set()
            case ["start", container, time, service, "service" | "dependency"]:
                self._running.setdefault(container, (service, int(time) / 1e9))
            case ["die", container, time, *_] if container in self._running:
                service, began = self._running.pop(container)
                self._ended.append(Run(service, container, began, int(time) / 1e9))

    def _end_all(self) -> None:
        """What becomes of those that run is not seen any more."""
        now = time.time()
        self._ended += [Run(service, one, began, now) for one, (service, began) in self._running.items()]
        self._running.clear()


def twice(runs: Iterable[Run]) -> list[str]:
    """One line for each two containers of a service that ran at a time."""
    found = []
    for one, other in combinations(sorted(runs, key=lambda run: run.began), 2):
        both = min(one.ended, other.ended) - other.began
        if (one.service, both > TOLERANCE_SECONDS) == (
            other.service,
            True,
        ) and one.container != other.container:
            found.append(f"two containers of {one.service} ran at a time, for {both:.1f} s")
    return found
