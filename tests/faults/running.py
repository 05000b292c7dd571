"""Commands that are run while something breaks, and what none of them may print."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from tests.faults.secret_scan import needles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.harness import Project

HANG_SECONDS = 90.0
"""Limit of every command: one that takes longer counts as hanging."""

PREPARE_SECONDS = 600.0
"""Limit of commands that prepare a trial, which nothing disturbs but other work of the machine."""

_WAITING = "waiting for the lock"

DEFECTS = (
    "Traceback",
    "internal error",
    "Exception ignored",
    "was never",
    "Unknown child process",
    "that handles pid",
)
"""Words in messages that no command may print: of an exception nobody expected, or of asyncio."""


@dataclass(slots=True)
class Ended:
    """End of a command: its exit status (None where it hung), its JSON lines, seconds it took.

    Attributes:
        locked: Seconds that it waited for the lock.
    """

    argv: tuple[str, ...]
    status: int | None
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: str = ""
    seconds: float = 0.0
    locked: float = 0.0

    @property
    def result(self) -> dict[str, Any]:
        """The result line; empty without one."""
        last = self.lines[-1] if self.lines else {}
        return last if last.get("type") == "result" else {}

    def __str__(self) -> str:
        error = self.result.get("error") or (self.lines[-1] if self.lines else "")
        return f"{' '.join(self.argv)} -> {self.status}: {error} {self.errors.strip()[-300:]}"

    @property
    def steps(self) -> list[str]:
        """Kinds of the steps that began, in order."""
        return [line["step"] for line in self.lines if line["type"] == "step_started"]


class Commands:
    """Commands of one user; their outputs are searched for planted secrets and defects.

    Args:
        project: In whose folder they run.
        secrets: The planted secrets.

    Attributes:
        told: Commands that printed a planted secret, or a message that nobody is to see.
        locked: Seconds that the commands waited for the lock, at most.
    """

    def __init__(self, project: Project, secrets: Sequence[str]) -> None:
        self.project = project
        self.told: set[str] = set()
        self.locked = 0.0
        self._secrets = secrets

    def run(self, *argv: str, project: Project | None = None, stdin: str = "") -> Ended:
        """Run a command to its end, or until it has hung for `HANG_SECONDS`."""
        return self.run_until(argv, lambda line: None, project=project, stdin=stdin)

    def run_well(self, *argv: str, project: Project | None = None, stdin: str = "") -> Ended:
        """Run a command that nothing disturbs.

        Raises:
            RuntimeError: It failed, or took longer than `PREPARE_SECONDS`.
        """
        ended = self.run_until(argv, lambda line: None, project=project, stdin=stdin, limit=PREPARE_SECONDS)
        if ended.status != 0:
            raise RuntimeError(str(ended))
        return ended

    def run_until(
        self,
        argv: tuple[str, ...],
        saw: Callable[[dict[str, Any]], Callable[[int], object] | None],
        *,
        project: Project | None = None,
        after: float | None = None,
        fault: Callable[[int], object] | None = None,
        stdin: str = "",
        limit: float = HANG_SECONDS,
    ) -> Ended:
        """Run a command and break something meanwhile.

        Args:
            argv: Its arguments; `--json` is added.
            saw: Called with each event; it may return the fault, which is called with the process ID.
            project: The neighbour, instead of the project.
            after: Seconds after the start at which `fault` is called, whatever is seen.
            fault: See `after`.
            stdin: Its input.
            limit: Seconds after which it has hung.
        """
        began = time.monotonic()
        ended = Ended(argv, None)
        output: list[str] = []
        with (
            tempfile.TemporaryFile() as given,
            (project or self.project).start("--json", *argv, stdin=_filled(given, stdin)) as process,
        ):
            assert process.stdout is not None
            assert process.stderr is not None
            timers = [threading.Timer(limit, process.kill)]
            if after is not None and fault is not None:
                timers.append(threading.Timer(after, fault, (process.pid,)))
            errors: list[str] = []
            stderr = process.stderr
            reading = threading.Thread(target=lambda: errors.append(stderr.read()))
            for thread in (*timers, reading):
                thread.daemon = True
                thread.start()
            waiting = 0.0
            for text in process.stdout:
                output.append(text)
                try:
                    line = json.loads(text)
                except ValueError:
                    continue  # the end of a killed one
                ended.lines.append(line)
                if waiting:
                    ended.locked += time.monotonic() - waiting
                waiting = time.monotonic() if str(line.get("text", "")).startswith(_WAITING) else 0.0
                if action := saw(line):
                    action(process.pid)
            status = process.wait()
            reading.join(5)
            ended.seconds = time.monotonic() - began
            for timer in timers:
                timer.cancel()
        self.locked = max(self.locked, ended.locked)
        ended.errors = "".join(errors)
        self._listen(ended, "".join(output))
        ended.status = None if ended.seconds >= limit else status
        return ended

    def _listen(self, ended: Ended, output: str) -> None:
        """Note secrets, and messages that no command may print."""
        text = f"{output}\n{ended.errors}"
        command = " ".join(ended.argv)
        for value in self._secrets:
            if any(form in text.encode() for form in needles(value)):
                self.told.add(f"a secret is in the output of {command}")
        found = [word for word in DEFECTS if word in ended.errors or word in str(ended.result.get("error"))]
        if ended.errors.rstrip().endswith("KeyboardInterrupt") and "/src/ftl/" not in ended.errors:
            return  # Python itself was still starting
        if found:
            self.told.add(f"{command} printed {found}: {ended.errors[-6000:]} {ended.result.get('error')}")


def _filled(file: IO[bytes], text: str) -> IO[bytes]:
    """The file with a text, to be read from its beginning."""
    file.write(text.encode())
    file.seek(0)
    return file
