"""Megabytes a second through `ftl exec`, compared with ssh's own `docker exec`.

Out of a container, and into it. Both move the same bytes in turn, twice; the fastest run of each counts.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from tests.harness import command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.servers import Server
    from tests.harness import Project

PIECE = 1 << 20
ROUNDS = 2
LIMIT = 300.0


def pipe_speed(server: Server, project: Project, name: str, megabytes: int) -> dict[str, float]:
    """Move bytes both ways by both; `pipe_ratio` is that of the worse way."""
    service = {"name": "box", "build": "app", "stop_timeout": 0}
    config = {"project": {"name": name}, "server": server.section(), "services": [service]}
    dockerfile = 'FROM ftl-lab-busybox:latest\nCMD ["sleep", "100000"]\n'
    project.write({"ftl.yaml": config, "app/Dockerfile": dockerfile})
    project.run("deploy", "--json").ok()
    container = server.docker("ps", "-q", "--filter", f"label=ftl.project={name}")
    user = {**os.environ, **project.environment}
    ways = {
        "ftl": (command("exec", "box", "--"), {**user, "PWD": str(project.folder)}),
        "ssh": ([*server.ssh(), "docker", "exec", "-i", container], user),
    }
    out = ["dd", "if=/dev/zero", "bs=1M", f"count={megabytes}"]
    into = ["dd", "of=/dev/null", "bs=1M", "iflag=fullblock"]
    best = dict.fromkeys((f"{way}_{kind}" for way in ways for kind in ("out", "in")), 0.0)
    for _ in range(ROUNDS):
        for way, (argv, env) in ways.items():
            folder = str(project.folder)
            best[f"{way}_out"] = max(best[f"{way}_out"], _read([*argv, *out], env, folder, megabytes))
            best[f"{way}_in"] = max(best[f"{way}_in"], _write([*argv, *into], env, folder, megabytes))
    project.run("remove", "--volumes", "--yes")
    ratios = {kind: best[f"ftl_{kind}"] / best[f"ssh_{kind}"] for kind in ("out", "in")}
    worse = min(ratios, key=lambda kind: ratios[kind])
    return {
        "pipe_mb_s": round(best[f"ftl_{worse}"], 1),
        "ssh_pipe_mb_s": round(best[f"ssh_{worse}"], 1),
        "pipe_ratio": round(ratios[worse], 2),
        **{f"pipe_{name}_mb_s": round(value, 1) for name, value in best.items()},
    }


def _read(argv: Sequence[str], env: Mapping[str, str], folder: str, megabytes: int) -> float:
    """Megabytes a second out of a command's stdout."""
    began = time.monotonic()
    with subprocess.Popen(
        argv, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        size = 0
        while piece := os.read(process.stdout.fileno(), PIECE):
            size += len(piece)
    assert (process.wait(LIMIT), size) == (0, megabytes << 20)
    return (megabytes << 20) / 1e6 / (time.monotonic() - began)


def _write(argv: Sequence[str], env: Mapping[str, str], folder: str, megabytes: int) -> float:
    """Megabytes a second into a command's stdin."""
    piece = bytes(PIECE)
    began = time.monotonic()
    with subprocess.Popen(
        argv, cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for _ in range(megabytes):
            process.stdin.write(piece)
        process.stdin.close()
        said = (
            process.stderr.read().decode()
        )  # dd says how many whole blocks arrived, and not each one how many bytes
    assert process.wait(LIMIT) == 0
    assert f"{megabytes}+0 records in" in said, said
    return (megabytes << 20) / 1e6 / (time.monotonic() - began)
