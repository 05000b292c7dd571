"""Deploys that fail, or meet another one: clients see one whole release."""

from __future__ import annotations

import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.project import DOCKERFILE, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.e2e.support.project import LabProject
    from tests.harness import Outcome, Project


pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


QUICK = {"interval": "200ms", "timeout": "1s", "retries": 5}


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
    """A first deploy that fails leaves nothing public and no network, only its last lines; the next is r2 and works."""
    app = lab_project(ftl, server)
    app.service()["command"] = ["sh", "-c", "echo no config; exec httpd -f -p 8000 -h /www"]
    app.service()["health_check"] = {**QUICK, "path": "/none"}
    assert app.deploy().exit_code == 1
    assert f"ftl-p-{app.name}" not in server.docker("network", "ls", "--format", "{{.Name}}").split()
    assert app.get()[0] in (404, 503)
    app.service()["health_check"] = {**QUICK, "path": "/"}
    assert app.deploy().ok().result["release"] == "r2"
    assert app.get() == (200, "one")
    kept = app.run("logs", "-f", "--release", "r1", "--no-prefix", timeout=60).ok()
    assert (kept.stdout, "no container of web in r1 is left" in kept.stderr) == ("no config\n", True)


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


def git(checkout: LabProject, *argv: str) -> str:
    """Run git in the folder of a project."""
    line = ("git", "-c", "user.name=ann", "-c", "user.email=ann@example.com", *argv)
    folder = checkout.project.folder
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_two_at_once_from_two_checkouts(ftl: Callable[..., Project], server: Server) -> None:
    """At different commits one exits 4 and leaves no trace, or comes second: records and audit say which is live."""
    app = lab_project(ftl, server)
    app.service()["hooks"] = {"pre": "sleep 4"}
    app.save()
    other = replace(app, project=replace(app.project, folder=app.project.folder.parent / "other"))

    def commit(checkout: LabProject, text: str) -> str:
        checkout.version(text)
        git(checkout, "add", "--all")
        git(checkout, "commit", "--quiet", "--message", text)
        return git(checkout, "rev-parse", "HEAD")

    def at_once(*options: str) -> list[Outcome]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda checkout: checkout.deploy(*options), (app, other)))

    def state() -> tuple[list[tuple[str, str, str]], list[tuple[str, str]], tuple[int, str], list[str]]:
        listed = app.run("releases", "--json").ok().result["releases"]
        entries = app.run("audit", "--json").ok().result["entries"]
        releases = [(one["release"], one["outcome"], one["commit"]) for one in listed]
        return releases, [(one["release"], one["outcome"]) for one in entries], app.get(), app.containers()

    git(app, "init", "--quiet")
    first = commit(app, "one")
    git(app, "clone", "--quiet", ".", str(other.project.folder))
    app.deploy().ok()
    heads = [commit(app, "two"), commit(other, "three")]
    refused = at_once()
    won = [one.exit_code for one in refused].index(0)
    assert refused[1 - won].exit_code == 4, refused[1 - won]
    releases = [("r2", "live", heads[won]), ("r1", "replaced", first)]
    done = [("r2", "done"), ("r1", "done")]
    assert state() == (releases, done, (200, ("two", "three")[won]), [f"{app.name}-web-r2"])

    later = [commit(app, "four"), commit(other, "five")]
    order = [one.ok().result["release"] for one in at_once("--wait-lock", "120")]
    last = order.index("r4")
    before = ("r2", "replaced", heads[won])
    releases = [("r4", "live", later[last]), ("r3", "replaced", later[1 - last]), before, releases[-1]]
    done = [("r4", "done"), ("r3", "done"), *done]
    assert state() == (releases, done, (200, ("four", "five")[last]), [f"{app.name}-web-r4"])


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
