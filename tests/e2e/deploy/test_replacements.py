"""FTL is gone while it replaces containers of which only one may run."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.project import lab_project
from tests.faults.kinds import Link

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet
    from lab.servers import Server
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

OBEDIENT = "trap exit TERM; while :; do sleep 0.2; done"
"""A program that ends on its stop signal."""

LIMIT_SECONDS = 45.0
"""For the server to take back by itself what was not decided."""


def nightly(*values: object) -> ParameterSet:
    """A moment that bench.faults also covers."""
    return pytest.param(*values, marks=pytest.mark.nightly)


def project(ftl: Callable[..., Project], server: Server) -> LabProject:
    """A site and a worker that stop first, and a dependency with data."""
    app = lab_project(ftl, server, recreate=True, stop_timeout=1)
    worker = {"name": "worker", "build": "app", "command": "sleep 100000", "stop_timeout": 1}
    app.config["services"].append({**worker, "recreate": True, "volumes": ["queue:/queue"]})
    store = {"name": "db", "image": "ftl-lab-busybox:latest", "command": ["sh", "-c", OBEDIENT]}
    app.config["dependencies"] = [{**store, "volumes": ["data:/data"], "env": {"N": "1"}}]
    app.deploy().ok()
    return app


def change(app: LabProject, version: str) -> None:
    """Change everything, and what the dependency is called."""
    app.version(version)
    (store,) = app.config["dependencies"]
    store.update(name="db2" if store["name"] == "db" else "db", env={"N": version})


def broken_at(
    app: LabProject, step: str, subject: str | None, after: float, fault: Callable[[int], object]
) -> None:
    """Deploy, and break something so many seconds after a step of a service has begun."""
    app.save()
    with app.project.start("deploy", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            event: dict[str, Any] = json.loads(line)
            wanted = {"type": "step_started", "step": step, "service": subject}
            if wanted.items() <= event.items():
                time.sleep(after)
                fault(process.pid)
                break
        else:
            raise AssertionError(f"{step} of {subject} never began")
        process.stdout.read()
        process.wait(120)


def running(app: LabProject) -> dict[str, list[str]]:
    """Service or dependency -> restart policies of its containers that run."""
    listed = app.server.docker(
        "ps", "--filter", f"label=ftl.project={app.name}", "--format", '{{.ID}} {{.Label "ftl.service"}}'
    )
    found: dict[str, list[str]] = {}
    for line in listed.splitlines():
        number, _, service = line.partition(" ")
        policy = app.server.docker("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", number)
        found.setdefault(service.removesuffix("2"), []).append(policy)
    return found


def comes_back(app: LabProject, *answers: str) -> None:
    """Without FTL one container of each runs again, and the site answers."""
    each = {name: ["always"] for name in ("web", "worker", "db")}
    until = time.monotonic() + LIMIT_SECONDS
    while True:
        state = (running(app), app.get())
        if state in [(each, (200, answer)) for answer in answers]:
            return
        assert time.monotonic() < until, (state, app.containers())
        time.sleep(0.3)


def kill(process: int) -> None:
    """`kill -9`."""
    os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize(
    ("step", "subject", "after"),
    [
        nightly("start_containers", "web", 0.1),
        nightly("start_containers", "web", 0.5),
        nightly("start_containers", "web", 1.5),
        nightly("start_containers", "worker", 0.3),
        nightly("start_containers", "worker", 1.0),
        nightly("start_dependency", "db2", 0.1),
        nightly("start_dependency", "db2", 0.6),
        ("wait_healthy", "web", 0.5),
        nightly("wait_healthy", "db2", 0.5),
        nightly("switch", None, 0.0),
    ],
)
def test_a_kill_leaves_one_of_the_two_running(
    ftl: Callable[..., Project], server: Server, step: str, subject: str | None, after: float
) -> None:
    """Between the stop of the old container and the switch the old release comes back; the next deploy converges."""
    app = project(ftl, server)
    change(app, "two")
    broken_at(app, step, subject, after, kill)
    # The proxy may still do a switch that it was asked for.
    comes_back(app, "one", *(["two"] if step == "switch" else []))
    app.deploy("--wait-lock", "60").ok()
    assert app.get() == (200, "two")
    assert app.deploy().ok().result["changed"] is False
    assert {name: len(found) for name, found in running(app).items()} == {"web": 1, "worker": 1, "db": 1}


def test_a_cut_connection_leaves_one_of_the_two_running(ftl: Callable[..., Project], server: Server) -> None:
    """FTL runs on and cannot undo anything: the server does it."""
    direct = project(ftl, server)
    with Link(server) as link:
        app = replace(direct, config={**direct.config})
        app.config["server"] = {**direct.config["server"], "port": link.port}
        change(app, "two")
        broken_at(app, "start_containers", "web", 0.2, lambda _: link.cut())
        comes_back(app, "one")
    direct.config["dependencies"] = app.config["dependencies"]
    direct.deploy("--wait-lock", "60").ok()
    assert direct.get() == (200, "two")
    assert direct.deploy().ok().result["changed"] is False


@pytest.mark.nightly
def test_a_crash_of_the_engine_in_the_middle_leaves_one_of_the_two_running(
    ftl: Callable[..., Project], server_factory: Callable[..., Server]
) -> None:
    """FTL and the engine are killed while the new container becomes healthy."""
    server = server_factory("replaced")
    app = project(ftl, server)
    change(app, "two")

    def crash(process: int) -> None:
        kill(process)
        server.run("pkill", "-9", "-x", "dockerd")

    broken_at(app, "start_containers", "web", 0.8, crash)
    server.start_engine()
    comes_back(app, "one")
    app.deploy("--wait-lock", "60").ok()
    assert app.get() == (200, "two")
