"""Deploys that fail, are interrupted, killed or concurrent: clients see one whole release."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.project import DOCKERFILE, lab_project
from tests.e2e.support.transfer import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet
    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

QUICK = {"interval": "200ms", "timeout": "1s", "retries": 5}


def nightly(step: str) -> ParameterSet:
    """A case that bench.faults also covers, at random moments."""
    return pytest.param(step, marks=pytest.mark.nightly)


def with_command(*words: str) -> str:
    """The app's Dockerfile with another command."""
    argv = ", ".join(f'"{word}"' for word in words)
    return DOCKERFILE.rpartition("CMD")[0] + f"CMD [{argv}]\n"


@pytest.mark.parametrize(
    ("dockerfile", "check", "words"),
    [
        (with_command("sh", "-c", "echo no config; exit 3"), {}, ["exited with code 3", "no config"]),
        (with_command("missing-program"), {}, ["missing-program"]),
        (with_command("sh", "-c", "exit 139"), {}, ["SIGSEGV"]),
        (with_command("httpd", "-f", "-p", "9000", "-h", "/www"), {}, ["port 8000", "listens on 9000"]),
        (
            with_command("httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/www"),
            {},
            ["127.0.0.1:8000", "0.0.0.0:8000"],
        ),
        (
            with_command("nc", "-ll", "-p", "8000", "-e", "sleep", "1000"),
            {},
            ["accepts connections", "does not answer `GET /`", "health_check"],
        ),
        (DOCKERFILE, {"path": "/none"}, ["404", "health_check.path"]),
        (DOCKERFILE, {"path": "/cgi-bin/broken"}, ["500", "no database"]),
        (DOCKERFILE, {"path": "/cgi-bin/moved"}, ["301", "https://elsewhere.example/"]),
        (DOCKERFILE, {"path": "/cgi-bin/slow"}, ["no answer within 1 s"]),
    ],
    ids=["exit", "not-found", "signal", "other-port", "loopback", "silent", "404", "500", "301", "slow"],
)
def test_a_release_that_is_not_healthy_changes_nothing_and_says_why(
    ftl: Callable[..., Project], server: Server, dockerfile: str, check: dict[str, Any], words: list[str]
) -> None:
    """The old release serves on, the new containers are gone, and the message holds cause and log."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two", dockerfile=dockerfile)
    app.service()["health_check"] = {**QUICK, **check}
    failed = app.run("deploy")
    assert failed.exit_code == 1
    for word in words:
        assert word in failed.stderr, failed
    assert "Traceback" not in failed.stderr
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


@pytest.mark.nightly
def test_a_release_that_fails_its_check_after_the_switch_is_taken_back(
    ftl: Callable[..., Project], server: Server
) -> None:
    """It answered once; visitors get the old release again, and no container of the new one is left."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    lines = (
        "#!/bin/sh",
        "mkdir /gone || echo 'Status: 500 Broken'",
        "echo 'Content-Type: text/plain'",
        "echo",
    )
    once = "".join(f"{line}\n" for line in lines)
    app.version("two", dockerfile=DOCKERFILE.replace("CMD", "RUN chmod 755 /www/cgi-bin/once\nCMD"))
    app.project.write({"app/www/cgi-bin/once": once})
    app.service()["health_check"] = {**QUICK, "path": "/cgi-bin/once"}
    failed = app.deploy()
    assert failed.exit_code == 1
    assert "500" in failed.result["error"]["cause"], failed
    notes = [note["text"] for note in failed.events("note")]
    assert any("failed its health check after the switch" in text for text in notes), notes
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


def test_a_failed_release_is_recorded_and_the_next_has_its_own_number(
    ftl: Callable[..., Project], server: Server
) -> None:
    """A first deploy that fails leaves nothing public and no network; the next one is r2 and works."""
    app = lab_project(ftl, server)
    app.service()["health_check"] = {**QUICK, "path": "/none"}
    assert app.deploy().exit_code == 1
    assert f"ftl-p-{app.name}" not in server.docker("network", "ls", "--format", "{{.Name}}").split()
    assert app.get()[0] in (404, 503)
    app.service()["health_check"] = {**QUICK, "path": "/"}
    assert app.deploy().ok().result["release"] == "r2"
    assert app.get() == (200, "one")


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
    """Killed at any step, all visitors see one release; the next deploy leaves what a clean one leaves."""
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


def test_two_at_once_do_not_meet(ftl: Callable[..., Project], server: Server) -> None:
    """A second deploy exits 4 with the holder's name, or waits when told to; a plan says who is at work."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two")
    app.service()["hooks"] = {"pre": "sleep 12"}
    first: list[int] = []
    thread = threading.Thread(target=lambda: first.append(app.deploy().exit_code))
    thread.start()
    for _ in range(100):
        if any("-pre" in name for name in app.containers()):
            break
        time.sleep(0.1)
    refused = app.run("deploy", "--no-build")
    assert refused.exit_code == 4
    assert "@" in refused.stderr
    planned = app.run("plan", "--no-build", "--json").ok().result
    assert "has been locked by" in planned["notes"][0]
    waited = app.deploy("--no-build", "--wait-lock", "60")
    thread.join()
    assert first == [0]
    assert waited.ok().result["changed"] is False


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


def test_a_release_that_ends_after_it_was_healthy_is_not_switched_to(
    ftl: Callable[..., Project], server: Server
) -> None:
    """A container that dies while another service gets healthy is noticed before traffic moves."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two", dockerfile=with_command("sh", "-c", "httpd -p 8000 -h /www; sleep 4; exit 9"))
    slow = ["sh", "-c", "sleep 7; exec httpd -f -p 8000 -h /www"]
    app.config["services"].append({"name": "slow", "build": "app", "port": 8000, "command": slow})
    failed = app.run("deploy")
    assert failed.exit_code == 1
    assert "exited with code 9" in failed.stderr, failed
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


def test_a_release_that_answers_and_exits_is_switched_back(
    ftl: Callable[..., Project], server: Server
) -> None:
    """It gets requests at once, and exits three seconds after its start: the release before serves again."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two", dockerfile=with_command("sh", "-c", "httpd -p 8000 -h /www; sleep 3; exit 9"))
    failed = app.run("deploy", "--json")
    assert failed.exit_code == 1
    assert "it exited with code 9" in failed.stdout + failed.stderr, failed
    assert failed.events("switched"), failed
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


def test_a_paused_release_gives_way_to_a_new_one(ftl: Callable[..., Project], server: Server) -> None:
    """A container that somebody froze is replaced by the next deploy, which nothing else asks for."""
    app = lab_project(ftl, server, drain_timeout=0)
    app.deploy().ok()
    server.docker("pause", f"{app.name}-web-r1")
    assert app.deploy().ok().result["services"]["web"]["action"] == "replaced"
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r2"]


def test_without_proxy_and_records_a_deploy_builds_on_what_runs(
    ftl: Callable[..., Project], server_factory: ServerFactory
) -> None:
    """What still runs is taken for the live release: a failure leaves it alone, and a good deploy serves it again."""
    server = server_factory("lost")
    app = lab_project(ftl, server)
    app.deploy().ok()
    server.docker("rm", "--force", "ftl-proxy", "ftl-state")
    server.docker("volume", "rm", "ftl-proxy-config", "ftl-proxy-data", "ftl-state")

    app.version("two", dockerfile=with_command("sh", "-c", "exit 3"))
    assert app.deploy().exit_code == 1
    assert app.containers(running=True) == [f"{app.name}-web-r1"]

    app.version("one")
    again = app.deploy().ok()
    assert again.result["services"]["web"]["action"] == "unchanged"
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]
    assert app.deploy().ok().result["changed"] is False
