"""Lines that `ftl logs -f` loses or shows twice at 10,000 lines a second, across a deploy.

The service counts its lines. On SIGTERM it writes the number of its last line, and ends. The log is followed from the
middle of the old container's lines on: those up to its last, and those of the new one from its first, are to be there
once each.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.harness import command

from bench.operations.changes import say

if TYPE_CHECKING:
    from lab.servers import Server
    from tests.harness import Project

RATE = 10_000
LIMIT = 240.0
"""Seconds after which it counts as lost."""

DOCKERFILE = """\
FROM python-base
COPY count.py version ./
CMD ["python3", "-u", "count.py"]
"""

COUNT = f"""\
import os, signal, sys, time

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(1))
version, limit = open("version").read(), int(os.environ["LINES"])
number, began = 0, time.monotonic()
while not ended and number < limit:
    due = min(limit, int((time.monotonic() - began) * {RATE}))
    text = "of a log whose lines are as long as an access log's"
    sys.stdout.write("".join(f"{{version}} line {{n}} {{text}}\\n" for n in range(number + 1, due + 1)))
    sys.stdout.flush()
    number = max(number, due)
    time.sleep(0.01)
print(version, "end", number, flush=True)
while not ended:
    time.sleep(0.1)
"""


class _Seen:
    """The lines that were shown of each version."""

    def __init__(self) -> None:
        self.lines: dict[str, Counter[int]] = {"old": Counter(), "new": Counter()}
        self.end: dict[str, int] = {}

    def read(self, stream: subprocess.Popen[str]) -> None:
        assert stream.stdout is not None
        for text in stream.stdout:
            version, kind, number = text.split()[:3]
            if kind == "end":
                self.end[version] = int(number)
            else:
                self.lines[version][int(number)] += 1

    def lost(self, version: str, first: int) -> int:
        """Lines that are missing, and where: those from the first up to the end, and the one that names the end."""
        seen = self.lines[version]
        end = self.end.get(version)
        missing = [n for n in range(first, (end or max(seen, default=0)) + 1) if n not in seen]
        if missing or end is None:
            ending = "" if end else ", without an end"
            say(f"{version}: {len(seen)} lines from {first} to {max(seen, default=0)}{ending}")
            gaps = sorted({*missing} - {n + 1 for n in missing})
            say(f"{version}: {len(missing)} missing in {len(gaps)} gaps: {gaps[:20]}")
        return len(missing) + (end is None)

    @property
    def twice(self) -> int:
        return sum(count - 1 for lines in self.lines.values() for count in lines.values())


def lines_lost(server: Server, project: Project, name: str, seconds: float) -> dict[str, float]:
    """Follow a log across a deploy for this time; the lines that were lost, and shown twice."""
    _write(server, project, name, "old", 10**9)
    project.run("deploy", "--json").ok()
    seen = _Seen()
    argv = command("logs", "-f", "--no-prefix", "counter")
    with subprocess.Popen(
        argv, cwd=project.folder, env=dict(project.environment), stdout=subprocess.PIPE, text=True
    ) as follower:
        reader = threading.Thread(target=seen.read, args=(follower,), daemon=True)
        reader.start()
        _wait(lambda: bool(seen.lines["old"]))
        time.sleep(seconds / 4)
        _write(server, project, name, "new", int(RATE * seconds))
        project.run("deploy", "--json").ok()
        _wait(lambda: "new" in seen.end)
        time.sleep(1)
        follower.terminate()
        reader.join(30)
    project.run("remove", "--volumes", "--yes")
    first = min(seen.lines["old"])
    lost = seen.lost("old", first) + seen.lost("new", 1)
    return {
        "lines": sum(sum(lines.values()) for lines in seen.lines.values()),
        "lines_dropped": lost,
        "lines_twice": seen.twice,
    }


def _write(server: Server, project: Project, name: str, version: str, lines: int) -> None:
    service = {"name": "counter", "build": "app", "env": {"LINES": str(lines)}, "stop_timeout": 10}
    config = {"project": {"name": name}, "server": server.section(), "services": [service]}
    project.write(
        {"ftl.yaml": config, "app/Dockerfile": DOCKERFILE, "app/count.py": COUNT, "app/version": version}
    )


def _wait(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + LIMIT
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
