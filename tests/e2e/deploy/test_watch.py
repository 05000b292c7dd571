"""`ftl deploy --watch` on a real server: it takes a bad release back by itself."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import BROKEN, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.support.project import LabProject
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

PATH = "/cgi-bin/moved"


def worse(app: LabProject, text: str) -> None:
    """The next version: healthy, but one of its pages answers 500."""
    app.version(text)
    (app.project.folder / "app/www" / PATH[1:]).write_text(BROKEN)
    (app.project.folder / "app/www" / PATH[1:]).chmod(0o755)


def killed_when_watched(app: LabProject, *, after: str = "switch") -> None:
    """Deploy with a watch, and kill ftl as soon as a step has ended."""
    app.save()
    with app.project.start("deploy", "--json", "--watch", "2m") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f'"step_finished", "step": "{after}"' in line:
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.read()
        assert process.wait(120) == -signal.SIGKILL


def test_the_server_takes_a_bad_release_back_though_ftl_was_killed(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Answers of 500 bring the old containers back; the record, the audit and the next deploy know of it."""
    app = lab_project(ftl, server)
    app.config["services"].append({"name": "worker", "build": "app", "command": "sleep 1000"})
    app.deploy().ok()
    worse(app, "two")
    killed_when_watched(app, after="stop")
    deadline = time.monotonic() + 60
    while (answer := app.get()) != (200, "one"):
        assert answer == (200, "two")
        app.get(PATH)
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert app.get(PATH)[0] == 301
    releases = app.run("releases", "--json").ok().result["releases"]
    assert [(each["release"], each["outcome"]) for each in releases] == [("r2", "failed"), ("r1", "live")]
    assert "web answered" in releases[0]["error"]
    entries = app.run("audit", "--json").ok().result["entries"]
    assert [(each["command"], each["release"]) for each in entries[:2]] == [
        ("watch r2", "r1"),
        ("deploy --watch 2m", "r2"),
    ]
    app.version("three")
    again = app.deploy("--wait-lock", "60").ok().result
    assert again["release"] == "r3"
    assert app.containers() == [f"{app.name}-web-r3", f"{app.name}-worker-r3"]
    assert app.get() == (200, "three")


def test_a_good_release_ends_its_watch_by_itself(ftl: Callable[..., Project], server: Server) -> None:
    """The old containers stay until then, status says so, and the deploy ends with them gone."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.version("two")
    results: list[dict[str, object]] = []
    thread = threading.Thread(target=lambda: results.append(app.deploy("--watch", "30s").ok().result))
    thread.start()
    deadline = time.monotonic() + 60
    while app.get() != (200, "two"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(3)
    assert app.containers(running=True) == [f"{app.name}-web-r1", f"{app.name}-web-r2"]
    status = app.project.run("status", "--json").ok().result
    assert status["watch"]["release"] == "r2", json.dumps(status["watch"])
    thread.join(90)
    assert results[0]["watch"] == "passed"
    assert app.containers() == [f"{app.name}-web-r2"]
    assert app.project.run("status", "--json").ok().result["watch"] is None
    assert app.deploy().ok().result["changed"] is False


@pytest.mark.nightly
def test_a_deploy_in_the_middle_wins(ftl: Callable[..., Project], server: Server) -> None:
    """The next deploy takes both releases' places, and the watch of the first does nothing any more."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    worse(app, "two")
    killed_when_watched(app)
    worse(app, "three")
    app.deploy("--wait-lock", "60").ok()
    assert app.containers() == [f"{app.name}-web-r3"]
    for _ in range(20):
        app.get(PATH)
        time.sleep(0.7)
    assert app.get() == (200, "three")
    assert app.containers() == [f"{app.name}-web-r3"]


@pytest.mark.nightly
def test_a_scale_in_the_middle_ends_the_watch_and_what_it_kept(
    ftl: Callable[..., Project], server: Server
) -> None:
    """It says so; the old containers of the other service do not run on either."""
    app = lab_project(ftl, server)
    app.config["services"].append({"name": "worker", "build": "app", "command": "sleep 1000"})
    app.deploy().ok()
    app.version("two")
    killed_when_watched(app, after="stop")
    assert f"{app.name}-web-r1" in app.containers(running=True)
    scaled = app.run("scale", "worker=2", "--wait-lock", "60").ok()
    assert "this ends the watch of r2" in scaled.stderr
    assert not [name for name in app.containers() if "-r1" in name]
    assert app.get() == (200, "two")


def moved(app: LabProject, path: str, jobs: dict[str, str], text: str) -> None:
    """The next version at another path, with these jobs: name -> schedule."""
    app.service()["routes"] = [{"path": path, "strip_prefix": True}]
    app.config["jobs"] = [
        {"name": name, "service": "web", "command": ["echo", text], "schedule": schedule}
        for name, schedule in jobs.items()
    ]
    app.version(text)


def site_of(app: LabProject) -> dict[str, object]:
    """The project's site, as the proxy has it."""
    stored = app.server.docker("exec", "ftl-proxy", "cat", f"/config/ftl/sites/{app.name}.json")
    site: dict[str, object] = json.loads(stored)
    return site


def crontab_of(app: LabProject) -> list[str]:
    """Schedules and names of the jobs that cron starts."""
    lines = app.server.run("crontab", "-u", "ftl", "-l").stdout.decode().splitlines()
    return sorted(line for line in lines if line.endswith(f"# ftl {app.name}"))


def test_routes_and_jobs_come_back_with_the_old_containers(
    ftl: Callable[..., Project], server: Server
) -> None:
    """At once, and whole; another deploy of a neighbour in between changes nothing of that."""
    app = lab_project(ftl, server)
    moved(app, "/", {"stays": "1 3 * * *", "gone": "2 3 * * *"}, "one")
    app.deploy().ok()
    site, crontab = site_of(app), crontab_of(app)
    assert len(crontab) == 2
    moved(app, "/shop", {"stays": "1 4 * * *", "added": "3 3 * * *"}, "two")
    (app.project.folder / "app/www" / PATH[1:]).write_text(BROKEN)
    app.config["dependencies"] = [
        {"name": "cache", "image": "ftl-lab-busybox:latest", "command": "sleep 1000"}
    ]
    killed_when_watched(app, after="switch_jobs")
    assert app.get("/shop/") == (200, "two")
    assert app.get("/")[0] == 404
    assert crontab_of(app) != crontab
    assert "transition" in site_of(app)
    deadline = time.monotonic() + 60
    while (answer := app.get("/")) != (200, "one"):
        assert answer[0] == 404
        app.get(f"/shop{PATH}")
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert app.get(f"/shop{PATH}")[0] != 500
    while f"{app.name}-web-r2" in app.containers(running=True) or "transition" in site_of(app):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert site_of(app) == site
    assert crontab_of(app) == crontab
    jobs = app.run("jobs", "--json").ok().result["jobs"]
    assert {job["name"]: job["schedule"] for job in jobs} == {"stays": "1 3 * * *", "gone": "2 3 * * *"}
    assert f"{app.name}-cache" in app.containers(running=True)
    app.run("jobs", "run", "gone").ok()
    moved(app, "/third", {"added": "3 3 * * *"}, "three")
    assert app.deploy("--wait-lock", "60").ok().result["release"] == "r3"
    assert app.get("/third/") == (200, "three")
    assert app.run("rollback", "--json").ok().result["rollback_of"] == "r1"
    assert app.get("/") == (200, "one")
    assert site_of(app) == site
    assert crontab_of(app) == crontab


@pytest.mark.nightly
def test_routes_of_a_release_that_stays_and_of_one_beside_a_neighbour(
    ftl: Callable[..., Project], server: Server
) -> None:
    """The old routes are dropped at the end, unless another project deployed meanwhile: then by the next deploy."""
    app, other = lab_project(ftl, server), lab_project(ftl, server)
    app.deploy().ok()
    app.service()["routes"] = ["/shop"]
    app.version("two")
    assert app.deploy("--watch", "30s").ok().result["watch"] == "passed"
    assert "transition" not in site_of(app)
    assert app.deploy().ok().result["changed"] is False
    app.service()["routes"] = ["/"]
    app.version("three")
    killed_when_watched(app)
    other.deploy().ok()
    deadline = time.monotonic() + 150
    while f"{app.name}-web-r2" in app.containers():
        assert app.get("/") == (200, "three")
        assert time.monotonic() < deadline
        time.sleep(1)
    assert "transition" in site_of(app)
    assert app.get("/") == (200, "three")
    app.deploy("--wait-lock", "60").ok()
    assert "transition" not in site_of(app)
    assert app.get("/") == (200, "three")
