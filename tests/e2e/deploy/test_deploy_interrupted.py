"""Deploys that are interrupted or killed, and servers that die: the next command converges."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import lab_project
from tests.e2e.support.transfer.servers import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet
    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def nightly(step: str) -> ParameterSet:
    """A case that bench.faults also covers, at random moments."""
    return pytest.param(step, marks=pytest.mark.nightly)


def stopped_at(
    app: LabProject,
    step: str,
    number: signal.Signals,
    *,
    after: float = 0.0,
    command: tuple[str, ...] = ("deploy",),
) -> int:
    """Deploy, and send a signal to it as soon as a step begins, or so many seconds later; its exit status."""
    app.save()
    with app.project.start(*command, "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f'"step_started", "step": "{step}"' in line:
                time.sleep(after)
                process.send_signal(number)
                break
        process.stdout.read()
        return process.wait(120)


@pytest.mark.parametrize(
    "step", [nightly("send_images"), "start_containers", nightly("wait_healthy"), "run_hook"]
)
def test_ctrl_c_before_the_switch_takes_everything_back(
    ftl: Callable[..., Project], server: Server, step: str
) -> None:
    """Interrupted before it is decided, a deploy exits 130 and leaves the server as it was."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two")
    app.service()["hooks"] = {"pre": "sleep 2"}
    app.service()["health_check"] = {"path": "/", "interval": "500ms"}
    assert stopped_at(app, step, signal.SIGINT) == 130
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


@pytest.mark.parametrize(
    "step",
    [
        nightly("record"),
        "send_images",
        nightly("start_containers"),
        nightly("wait_healthy"),
        nightly("run_hook"),
        "switch",
        nightly("drain"),
    ],
)
def test_a_killed_deploy_leaves_one_whole_release_and_the_next_converges(
    ftl: Callable[..., Project], server: Server, step: str
) -> None:
    """Killed at any step, all visitors see one release; the next deploy leaves what a clean one leaves.

    It also writes how the killed one ended.
    """
    app = lab_project(ftl, server, replicas=2)
    app.deploy().ok()
    app.version("two")
    app.service()["hooks"] = {"pre": "sleep 1"}
    with unchanged(server):
        assert stopped_at(app, step, signal.SIGKILL) == -signal.SIGKILL
        time.sleep(
            3
        )  # a switch that was asked for may still happen: the proxy does it, not the killed program
        assert len({app.get() for _ in range(8)}) == 1
        again = app.deploy("--wait-lock", "60").ok().result
    assert {app.get() for _ in range(8)} == {(200, "two")}
    live = again["release"]
    assert app.containers() == [f"{app.name}-web-{live}-1", f"{app.name}-web-{live}-2"]
    entries = app.run("audit", "--json").ok().result["entries"]
    told = [(each["command"], each["release"], each["outcome"]) for each in entries]
    assert told == [("deploy", live, "done"), ("deploy", "r2", "interrupted"), ("deploy", "r1", "done")]
    assert app.deploy().ok().result["changed"] is False


def test_a_deploy_that_is_killed_while_the_proxy_joins_again_leaves_the_site(
    ftl: Callable[..., Project], server: Server
) -> None:
    """The proxy leaves the network and comes back with a new service's name, though FTL is gone meanwhile."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.config["services"].append({"name": "api", "build": "app", "port": 8000})
    assert stopped_at(app, "attach", signal.SIGKILL, after=0.15) == -signal.SIGKILL
    time.sleep(3)
    assert app.get() == (200, "one")
    app.deploy("--wait-lock", "60").ok()
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-api-r3", f"{app.name}-web-r1"]


def test_everything_live_comes_back_after_a_crash_of_the_engine(
    ftl: Callable[..., Project], server_factory: ServerFactory
) -> None:
    """`kill -9` of dockerd and its start: the site answers again without FTL, and what was stopped stays stopped."""
    own = server_factory("crashed")
    app = lab_project(ftl, own)
    app.config["services"].append({"name": "worker", "build": "app", "command": "sleep 100000"})
    app.config["dependencies"] = [
        {"name": "cache", "image": "ftl-lab-busybox:latest", "command": "sleep 100000"}
    ]
    app.deploy().ok()
    app.run("stop", "worker").ok()
    running = app.containers(running=True)
    assert running == [f"{app.name}-cache", f"{app.name}-web-r1"]

    own.run("pkill", "-9", "-x", "dockerd")
    own.start_engine()
    until = time.monotonic() + 60
    while True:
        try:
            assert (app.containers(running=True), app.get()) == (running, (200, "one"))
            break
        except (AssertionError, OSError):
            assert time.monotonic() < until
            time.sleep(0.5)
    app.run("start", "worker").ok()
    assert len(app.containers(running=True)) == 3


def test_what_a_stop_that_broke_off_has_left_comes_back_after_a_reboot(
    ftl: Callable[..., Project], server: Server
) -> None:
    """It was killed after it had taken the restart policy, and before the stop; other commands hide neither."""
    app = lab_project(ftl, server)
    app.config["services"].append(
        {"name": "worker", "build": "app", "command": "sleep 100000", "stop_timeout": 1}
    )
    app.deploy().ok()
    worker = f"{app.name}-worker-r1"
    assert stopped_at(app, "stop", signal.SIGKILL, command=("stop", "worker")) == -signal.SIGKILL
    time.sleep(3)  # the engine may still do the last call
    server.docker("update", "--restart", "no", worker)
    server.docker("start", worker)
    app.run("maintenance", "on", "--wait-lock", "60").ok()
    app.run("maintenance", "off").ok()
    told = app.run("status").ok().stdout
    assert "a reboot would not start worker: a change broke off" in told, told
    assert not app.run("status", "--json").ok().result["units"][1]["returns"]

    steps = app.run("start", "--json").ok()
    assert [one["step"] for one in steps.events("step_finished")] == ["set_restart_policy"]
    policy = server.docker("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", worker)
    assert (policy, "reboot" in app.run("status").ok().stdout) == ("always", False)
    assert app.deploy().ok().result["changed"] is False


def test_a_server_that_dies_mid_deploy_is_told_and_recovers(
    ftl: Callable[..., Project], server_factory: ServerFactory
) -> None:
    """Power loss during a deploy is an error that names the server; after the boot the next deploy works."""
    server = server_factory()
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two")
    app.service()["hooks"] = {"pre": "sleep 20"}
    app.save()
    with app.project.start("deploy", "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"step_started", "step": "run_hook"' in line:
                server.kill()
                break
        rest = process.stdout.read()
        assert process.wait(120) in (1, 3), rest
    server.start()
    app.service().pop("hooks")
    app.deploy("--wait-lock", "60").ok()
    assert app.get() == (200, "two")
