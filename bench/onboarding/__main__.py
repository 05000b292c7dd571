"""Generated apps, from `ftl init` to their first answer on a sandbox.

    python -m bench.onboarding [--only django,spring] [--rounds 2]

Each app is made by its framework's own generator, without any file for Docker. A round is `ftl init` without a
terminal, a domain in place of the placeholder, `ftl validate`, `ftl deploy --server sandbox`, and a request for the
first page. The rounds after the first have warm caches; `minutes_worst` is the slowest of those. Then the Compose files
of the tests are taken over and checked, and key presses of completion and `ftl init` of each app are timed: the slowest
of each counts. The last line is one JSON object; the exit status is 1 if an app or a Compose file did not get there, or
a limit is missed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import resource
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.calls import FTL, DemoError, ftl

from bench.onboarding.apps import APPS
from bench.onboarding.bases import stand_ins
from bench.onboarding.compose import compose_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.onboarding.app import App

QUIET = 15
"""Runs of a command whose time is given in milliseconds; their median counts."""

KEY_PRESSES = (
    "ftl dep",
    "ftl logs ",
    "ftl rollback ",
    "ftl -e ",
    "ftl deploy --wait",
    "ftl deploy web w",
    "ftl sandbox d",
)
"""Lines that are completed: a command, names from ftl.yaml, names that were seen, the value of an option; the option,
the second argument and the subcommand of a command. The slowest counts."""

COMPOSE_FILES = 30
"""The least number of them."""

LIMITS = {"minutes_worst": 2.0, "questions": 0.0, "completion_ms": 100.0, "init_ms": 300.0}


def main() -> int:
    """Run all apps, and print a line for each round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(app.name for app in APPS))
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    chosen = [app for app in APPS if app.name in args.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="ftl-onboarding-") as folder:
        bench = Onboarding(Path(folder))
        try:
            result = bench.run(chosen, args.rounds)
        finally:
            ftl("sandbox", "down", env=bench.environment)
    print(json.dumps(result))
    return 0 if result["apps_deployed"] == result["apps"] and not result["missed"] else 1


class Onboarding:
    """A sandbox, and a user who has no state yet.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment = {
            **os.environ,
            "FTL_SANDBOX": f"onboarding-{os.getpid()}",
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self._questions = 0

    def run(self, apps: list[App], rounds: int) -> dict[str, object]:
        """The result of all apps."""
        made = {app.name: app.make(self._folder / "apps") for app in apps}
        fresh = {
            name: shutil.copytree(folder, self._folder / "fresh" / name, symlinks=True)
            for name, folder in made.items()
        }
        for folder in made.values():
            self._init(folder)
        references = {
            name for folder in made.values() for name in _bases((folder / "Dockerfile").read_text())
        }
        seconds: dict[str, list[float]] = {app.name: [] for app in apps}
        with stand_ins(references):
            sandbox = ftl("sandbox", "up", env=self.environment)
            ports = int(str(sandbox["http_port"])), int(str(sandbox["https_port"]))
            for number in range(rounds):
                for app in apps:
                    taken = self._try(app, made[app.name], ports)
                    print(
                        json.dumps({"type": "app", "app": app.name, "round": number + 1, "seconds": taken}),
                        flush=True,
                    )
                    if taken is not None:
                        seconds[app.name].append(taken)
        warm = [times[-1] for times in seconds.values() if len(times) == rounds]
        presses = [self._key_press(next(iter(made.values())), line) for line in KEY_PRESSES]
        inits = [
            self._milliseconds(name, (FTL, "init", "--dry-run"), folder) for name, folder in fresh.items()
        ]
        figures: dict[str, float] = {
            "minutes_worst": round(max(warm, default=0.0) / 60, 2),
            "questions": self._questions,
            "completion_ms": max(wall for wall, _ in presses),
            "completion_cpu_ms": max(cpu for _, cpu in presses),
            "init_ms": max(wall for wall, _ in inits),
            "init_cpu_ms": max(cpu for _, cpu in inits),
            **compose_figures(self._folder, self.environment),
        }
        missed = [name for name, limit in LIMITS.items() if figures[name] > limit]
        if figures["compose_valid"] < max(figures["compose_files"], COMPOSE_FILES):
            missed.append("compose_valid")
        return {
            "type": "result",
            "apps": len(apps),
            "apps_deployed": len(warm),
            **figures,
            "missed": missed,
        }

    def _try(self, app: App, folder: Path, ports: tuple[int, int]) -> float | None:
        """Seconds from `ftl init` to the first page; None if it did not get there, with the reason on stderr."""
        for name in ("ftl.yaml", "Dockerfile", ".dockerignore"):
            (folder / name).unlink(missing_ok=True)
        began = time.monotonic()
        try:
            self._init(folder)
            ftl("validate", cwd=folder, env=self.environment)
            ftl("deploy", "--server", "sandbox", cwd=folder, env=self.environment)
            status, page = _get(ports, f"{app.name}.localhost")
        except (DemoError, OSError) as error:
            print(f"{app.name}: {error}", file=sys.stderr)
            return None
        taken = round(time.monotonic() - began, 1)
        if status != 200 or app.says not in page:
            print(f"{app.name}: answered {status}: {page[:300]}", file=sys.stderr)
            return None
        ftl("remove", "--yes", "--server", "sandbox", cwd=folder, env=self.environment)
        return taken

    def _init(self, folder: Path) -> None:
        """Let FTL look at the app, and set its domain, which is the one thing that it cannot know."""
        done = subprocess.run(
            (FTL, "init"),
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise DemoError(f"`ftl init`: {done.stderr}")
        self._questions += questions(done.stdout) + questions(done.stderr)
        file = folder / "ftl.yaml"
        file.write_text(file.read_text().replace(f"{folder.name}.example.com", f"{folder.name}.localhost", 1))

    def _key_press(self, folder: Path, line: str) -> tuple[float, float]:
        """Median times of a key press of completion, as bash asks for it."""
        position = str(line.count(" "))
        request = {"_FTL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": position}
        return self._milliseconds(line, (FTL,), folder, request)

    def _milliseconds(
        self,
        what: str,
        argv: tuple[str | Path, ...],
        folder: Path,
        variables: Mapping[str, str] | None = None,
    ) -> tuple[float, float]:
        """Median times of a command, printed as a line.

        Returns:
            The time from its start to its end, in which a busy machine has a part, and the processor's time.
        """
        environment = self.environment | self._bytecode() | dict(variables or {})
        times, used = [], []
        for _ in range(1 + QUIET):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(
                argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True
            )
            times.append(time.perf_counter() - began)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        wall, cpu = (round(statistics.median(each[1:]) * 1000) for each in (times, used))
        print(json.dumps({"type": "time", "of": what, "ms": wall, "cpu_ms": cpu}), flush=True)
        return wall, cpu

    def _bytecode(self) -> dict[str, str]:
        """Variables by which Python keeps compiled modules, as where FTL is installed; the first run writes them."""
        return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self._folder / "bytecode")}


def questions(output: str) -> int:
    """The questions in an output: lines that end in `?`, or as those of `ftl.ui.prompt` do."""
    return len(re.findall(r"(?:\?|: )\s*$", output, re.MULTILINE))


def _bases(dockerfile: str) -> set[str]:
    """The images that a Dockerfile builds on, without its own stages."""
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile, re.MULTILINE))
    return set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) - stages


def _get(ports: tuple[int, int], host: str) -> tuple[int, str]:
    """The first page: by HTTP, and where the app sends its visitors to HTTPS, there."""
    http_port, https_port = ports
    answer, page = _ask(http.client.HTTPConnection("127.0.0.1", http_port, timeout=30), host)
    if (answer.getheader("Location") or "").startswith("https:"):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a sandbox has its own authority
        secure = http.client.HTTPSConnection("127.0.0.1", https_port, timeout=30)
        plain = socket.create_connection(("127.0.0.1", https_port), timeout=30)
        secure.sock = context.wrap_socket(plain, server_hostname=host)
        answer, page = _ask(secure, host)
    return answer.status, page


def _ask(connection: http.client.HTTPConnection, host: str) -> tuple[http.client.HTTPResponse, str]:
    try:
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        return answer, answer.read().decode(errors="replace")
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
