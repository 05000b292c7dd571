"""Benchmark of `ftl setup` against apt-get alone, and of `ftl doctor`.

    python -m bench.setup [--pairs 5] [--suite bookworm]

A pair is two identical bare servers: one is set up, on the other the same apt-get calls run alone, through this
machine's engine; which of them comes first alternates. `setup_ratio` is the fastest setup over the fastest apt-get: a
busy machine can only slow either down. (With systemd, the package's own script starts the engine within apt-get. That
does not happen here, so setup's time includes the start of the engine, and apt-get's does not.)
A second run and doctor are timed through `lab/relay.py` with round trips of 50 ms, the fastest of three. Each process
of `ssh` counts as an SSH command, except those that only ask or control another on this machine (-G, -O).

The last line is one JSON object with the figures and their limits; the exit status is 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lab.relay import Relay
from lab.servers import Lab

from bench.deploy import Figure, say
from bench.project import run_name, temporary_project

if TYPE_CHECKING:
    from lab.servers import Server
    from tests.harness import Outcome, Project

ROUND_TRIP = 0.05
RUNS = 3

RATIO = 1.3
SECOND_RUN = 2.0 + 10 * ROUND_TRIP
COMMANDS = 12
DOCTOR = 3.0

USER = "deploy"

APT = """\
export DEBIAN_FRONTEND=noninteractive
options="-q -y -o DPkg::Lock::Timeout=300 -o DPkg::Use-Pty=0
    -o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold"
apt-get $options update && apt-get $options install --no-install-recommends "$@"
"""

COUNTING = """\
#!/bin/sh
for word in "$@"; do
    case $word in -G | -O) exec {ssh} "$@" ;; esac
done
echo >> {log}
exec {ssh} "$@"
"""


def timed(project: Project, *argv: str) -> tuple[float, Outcome]:
    """The duration of a command, and its outcome."""
    started = time.monotonic()
    outcome = project.run(*argv)
    return time.monotonic() - started, outcome


def configure(project: Project, server: Server, port: int) -> None:
    """Write an ftl.yaml for a server that is reached at a port of this machine."""
    project.write(
        {
            "ftl.yaml": {
                "project": {"name": "bench", "domain": "bench.example.com"},
                "server": {**server.section(user=USER), "port": port},
                "services": [{"name": "web", "image": "busybox", "port": 8000, "routes": ["/"]}],
            }
        }
    )


def apt_alone(server: Server, suite: str) -> float:
    """The duration of the apt-get calls alone."""
    packages = ("docker.io", "zstd") if suite == "bookworm" else ("docker.io", "docker-cli", "zstd")
    started = time.monotonic()
    server.run("sh", "-c", APT, "sh", *packages, timeout=600)
    return time.monotonic() - started


def measure_pairs(
    lab: Lab, project: Project, number: int, suite: str
) -> tuple[list[tuple[float, float]], Server]:
    """The durations of setup and of apt-get alone, for each pair; and the server that was set up last."""
    durations = []
    for run in range(number):
        server, control = (lab.server(f"{name}{run}", suite=suite, bare=True) for name in ("bare", "control"))
        configure(project, server, server.port)
        apt_first = apt_alone(control, suite) if run % 2 else None
        seconds, outcome = timed(project, "setup", "--json")
        outcome.ok()
        durations.append((seconds, apt_alone(control, suite) if apt_first is None else apt_first))
        say(f"set up in {durations[-1][0]:.1f} s, apt-get alone {durations[-1][1]:.1f} s")
        lab.remove(control.name)
        if run < number - 1:
            lab.remove(server.name)
    return durations, server


def count_commands(project: Project, log: Path) -> None:
    """Make every ssh of the project's user append a line to a log."""
    wrapper = Path(project.environment["HOME"]) / "bin" / "ssh"
    real = wrapper.rename(wrapper.with_name("ssh-itself"))
    wrapper.write_text(COUNTING.format(ssh=real, log=log))
    wrapper.chmod(0o755)


async def measure_at_distance(project: Project, server: Server) -> tuple[float, float, int]:
    """The durations of a second run and of doctor, and the number of changes of the second run."""
    async with Relay(("127.0.0.1", server.port), delay=ROUND_TRIP / 2) as relay:
        configure(project, server, relay.port)
        again = [await asyncio.to_thread(timed, project, "setup", "--json") for _ in range(RUNS)]
        doctor = [await asyncio.to_thread(timed, project, "doctor", "--json") for _ in range(RUNS)]
    for _, outcome in again:
        outcome.ok()
    for _, outcome in doctor:
        assert outcome.exit_code in (0, 1), outcome  # it may find problems: nothing is deployed
        assert outcome.result["command"] == "doctor", outcome
    changes = max(len(outcome.result["changes"]) for _, outcome in again)
    return min(seconds for seconds, _ in again), min(seconds for seconds, _ in doctor), changes


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--suite", default="bookworm")
    arguments = parser.parse_args()
    name = run_name("setup")
    with Lab(name) as lab, temporary_project(name) as project:
        log = project.folder / "commands"
        count_commands(project, log)
        durations, server = measure_pairs(lab, project, arguments.pairs, arguments.suite)
        commands = len(log.read_text().splitlines()) // arguments.pairs
        again, doctor, changes = asyncio.run(measure_at_distance(project, server))
    setups, apt_calls = zip(*durations, strict=True)
    figures = [
        Figure("setup_ratio", round(min(setups) / min(apt_calls), 3), RATIO),
        Figure("second_run_changes", changes, 0),
        Figure("second_run_seconds", round(again, 3), SECOND_RUN),
        Figure("ssh_commands", commands, COMMANDS),
        Figure("doctor_seconds", round(doctor, 3), DOCTOR),
    ]
    for figure in figures:
        print(f"{figure.name:<28}{figure.value:>14,}   at most {figure.limit:>14,}")
    missed = [figure.name for figure in figures if not figure.kept]
    record = {
        "type": "setup",
        "ok": not missed,
        "missed": missed,
        **{figure.name: figure.value for figure in figures},
        "limits": {figure.name: figure.limit for figure in figures},
        "round_trip_seconds": ROUND_TRIP,
        "pairs": [{"setup": round(seconds, 3), "apt": round(apt, 3)} for seconds, apt in durations],
    }
    print(json.dumps(record), flush=True)
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
