"""`ftl status` against a real server."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.echo import IMAGE, PORT, add_echo
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Outcome, Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def units(outcome: Outcome) -> dict[str, dict[str, Any]]:
    """The rows of `ftl status --json` by name."""
    return {unit["name"]: unit for unit in outcome.ok().result["units"]}


def test_before_the_first_deploy(ftl: Callable[..., Project], server: Server) -> None:
    """Where nothing is deployed, status says so and what to do, and that is no failure."""
    app = lab_project(ftl, server)
    plain = app.run("status").ok()
    assert plain.stdout == f"{app.name} is not deployed on 127.0.0.1; run `ftl deploy`\n"
    assert app.run("status", "--json").ok().result["deployed"] is False


def test_every_part_has_a_row(ftl: Callable[..., Project], server: Server) -> None:
    """Services, dependencies and the proxy: replicas, image, health and ports, as a table and as JSON."""
    app = lab_project(ftl, server, replicas=2)
    app.config["services"].append({"name": "worker", "build": "app", "command": "sleep 1000"})
    add_echo(app)
    app.deploy().ok()
    found = units(app.run("status", "--json"))
    web, worker, cache = found["web"], found["worker"], found["cache"]
    assert (web["release"], web["running"], web["wanted"]) == ("r1", 2, 2)
    assert (web["image"], web["health"], web["live"]) == (f"{app.name}-web:r1", "healthy", True)
    assert web["ports"] == ["8000"]
    assert (worker["running"], worker["healthy"], worker["ports"]) == (1, True, [])
    assert (cache["kind"], cache["image"], cache["health"]) == ("dependency", IMAGE, "healthy")
    assert [port.split("->") for port in cache["ports"]] == [[cache["ports"][0].split("->")[0], str(PORT)]]
    assert cache["ports"][0].startswith("127.0.0.1:")
    assert found["proxy"]["health"] == "healthy"

    header, *rows, live, url = app.run("status").ok().stdout.splitlines()
    assert live.startswith("r1 went live ")
    assert url == f"http://{app.domain}"
    assert header.split() == ["SERVICE", "RELEASE", "REPLICAS", "IMAGE", "HEALTH", "SINCE", "PORTS"]
    assert rows[0].split()[:5] == ["web", "r1", "2/2", f"{app.name}-web:r1", "healthy"]
    assert [row.split()[0] for row in rows] == ["web", "worker", "cache", "proxy"]


def test_reasons_of_unhealthy_services_are_shown(ftl: Callable[..., Project], server: Server) -> None:
    """A replica that exited and one that answers with an error have different reasons."""
    app = lab_project(ftl, server, health_check={"path": "/index.html"}, replicas=2)
    app.deploy().ok()
    server.docker("exec", f"{app.name}-web-r1-1", "rm", "/www/index.html")
    web = units(app.run("status", "--json"))["web"]
    assert (web["running"], web["healthy"]) == (2, False)
    assert web["health"].startswith("404")

    server.docker("stop", "--time", "0", f"{app.name}-web-r1-1")
    web = units(app.run("status", "--json"))["web"]
    assert (web["running"], web["wanted"]) == (1, 2)
    assert web["health"] == "exited (137)"
    assert "1/2" in app.run("status").ok().stdout


def test_a_status_over_a_kept_connection_shows_what_is_there_now(
    ftl: Callable[..., Project], server: Server
) -> None:
    """The second one asks before it is loaded; what has changed since the first shows all the same."""
    app = lab_project(ftl, server)
    app.config["server"]["keep_connection"] = 10
    app.deploy().ok()
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as runtime:
        kept = {"CI": "", "XDG_RUNTIME_DIR": runtime}
        first = app.run("status", "--json", env=kept).ok()
        assert list(Path(runtime).glob("ftl/*.asked"))
        assert app.run("status", "--json", env=kept).ok().result == first.result
        assert units(first)["web"]["health"] == "healthy"
        server.docker("kill", *app.containers())
        assert units(app.run("status", "--json", env=kept))["web"]["health"] == "exited (137)"
        app.run("remove", "--yes", env=kept).ok()
        assert app.run("status", "--json", env=kept).ok().result["deployed"] is False


def test_what_a_killed_deploy_left_is_not_live(ftl: Callable[..., Project], server: Server) -> None:
    """A container of a release that never was has a row of its own, until the next deploy removes it."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    live, left = f"{app.name}-web-r1", f"{app.name}-web-r2"
    labels = json.loads(server.docker("inspect", "-f", "{{json .Config.Labels}}", live))
    given = [f"--label={name}={value}" for name, value in {**labels, "ftl.release": "r2"}.items()]
    server.docker("run", "-d", *given, "--name", left, f"{app.name}-web:r1")
    found = app.run("status", "--json").ok().result["units"]
    rows = [(unit["release"], unit["live"], unit["running"]) for unit in found if unit["name"] == "web"]
    assert rows == [("r1", True, 1), ("r2", False, 1)]
    assert ", not live" in app.run("status").ok().stdout
    app.deploy().ok()
    assert app.containers() == [live]


def test_a_scaled_service_shows_both_numbers(ftl: Callable[..., Project], server: Server) -> None:
    """2/1 looked like a fault."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.run("scale", "--json", "web=2").ok()
    text = app.run("status").ok().stdout
    assert "web: 2 running, ftl.yaml says 1; `ftl deploy` goes by ftl.yaml" in text
    assert " 2/2 " in text
    web = units(app.run("status", "--json"))["web"]
    assert (web["running"], web["wanted"]) == (2, 1)
