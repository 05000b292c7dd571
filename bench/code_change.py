"""Seconds from a changed line of code to its first answer: `ftl deploy` of one service.

    python -m bench.code_change [--runs 5] [--path /]

A visitor asks the server's proxy all the while. The last line is one JSON object: the medians of the seconds to the
first answer of the new release, and to the end of the command.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import urllib.request
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from lab import images
from lab.servers import Lab

from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.servers import Server
    from tests.harness import Project

RUNS = 5
PAUSE = 0.02
"""Seconds between two requests."""

DOCKERFILE = """\
FROM ftl-lab-busybox:latest
COPY index.html /www/index.html
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""


@dataclass(frozen=True, slots=True)
class CodeChanges:
    """Deploys of a changed file: (seconds to the first new answer, seconds to the end)."""

    runs: Sequence[tuple[float, float]]

    def summary(self) -> dict[str, float]:
        """Fields of a result: medians."""
        return {
            "first_answer_seconds": round(median(first for first, _ in self.runs), 3),
            "code_change_seconds": round(median(end for _, end in self.runs), 3),
        }


def measure(server: Server, name: str, runs: int = RUNS, path: str | None = "/") -> CodeChanges:
    """Deploy a project, then change a line of it and deploy again, several times.

    Args:
        server: The server.
        name: The project's name.
        runs: Number of changes.
        path: `health_check.path`; None: without one.
    """
    with temporary_project(name) as project:
        host = f"{name}.example.com"
        service = {"name": "web", "build": "app", "port": 8000, "routes": ["/"]}
        config = {
            "project": {"name": name, "domain": host},
            "server": server.section(),
            "services": [
                service | {"stop_timeout": 0} | ({"health_check": {"path": path}} if path is not None else {})
            ],
            "proxy": {"tls": "off"},
        }
        project.write({"ftl.yaml": config, "app/Dockerfile": DOCKERFILE, "app/index.html": "0"})
        project.run("deploy", "--json").ok()
        return CodeChanges([_change(server, project, host, str(number)) for number in range(1, runs + 1)])


def _change(server: Server, project: Project, host: str, text: str) -> tuple[float, float]:
    project.write({"app/index.html": text})
    answered: list[float] = []
    began = time.monotonic()
    visitor = threading.Thread(target=_visit, args=(server.http_port, host, text, answered))
    visitor.start()
    project.run("deploy", "--json").ok()
    end = time.monotonic()
    visitor.join()
    return answered[0] - began, end - began


def _visit(port: int, host: str, text: str, answered: list[float]) -> None:
    """Ask until the answer is `text`."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": host})
    while True:
        with urllib.request.urlopen(request, timeout=30) as answer:
            if answer.read().decode() == text:
                answered.append(time.monotonic())
                return
        time.sleep(PAUSE)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=RUNS, help="changes to deploy")
    parser.add_argument(
        "--path", help="`health_check.path`; without it, there is no health check in ftl.yaml"
    )
    given = parser.parse_args()
    images.ensure("caddy", "busybox")
    name = run_name("change")
    with Lab(name) as lab:
        changes = measure(lab.server("server"), name, given.runs, given.path)
    print(json.dumps({"type": "code_change", "path": given.path, **changes.summary()}), flush=True)


if __name__ == "__main__":
    main()
