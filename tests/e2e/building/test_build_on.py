"""`build.on: server`: built on the server's engine, over FTL's connection to it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.servers import Server
    from tests.harness import Outcome, Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("proxy_image")]

BASE = "ftl-lab-busybox:latest"
DOCKERFILE = """\
FROM ftl-lab-busybox:latest
RUN --mount=type=secret,id=TOKEN cat /run/secrets/TOKEN | wc -c > /length
COPY www /www
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""
TOKEN = "s3cr3t-0123456789"


@pytest.fixture
def base(server: Server, busybox: str) -> Iterator[None]:
    """The server has the base image, as it would have pulled it."""
    saved = subprocess.run(["docker", "save", busybox], check=True, capture_output=True).stdout
    server.run("docker", "load", stdin=saved)
    yield
    server.run("docker", "rmi", BASE, check=False)


@pytest.mark.usefixtures("base")
def test_the_server_builds_and_nothing_is_sent_back(ftl: Callable[..., Project], server: Server) -> None:
    """With the secret of this machine, which has no image afterwards; the next build takes its steps from the cache."""
    app = lab_project(ftl, server, build={"context": "app", "on": "server", "secrets": ["TOKEN"]})
    app.version("one", dockerfile=DOCKERFILE)
    first = app.deploy(env={"TOKEN": TOKEN}).ok().result["services"]["web"]
    assert (first["action"], first["bytes_sent"]) == ("created", 0)
    assert app.get() == (200, "one")
    assert server.docker("exec", f"{app.name}-web-r1", "cat", "/length").strip() == str(len(TOKEN))
    here = subprocess.run(["docker", "images", "-q", f"{app.name}-web"], check=True, capture_output=True)
    assert here.stdout == b""

    app.version("two", dockerfile=DOCKERFILE)
    outcome = app.deploy(env={"TOKEN": TOKEN}).ok()
    assert outcome.result["services"]["web"]["bytes_sent"] == 0
    assert [step["state"] for step in outcome.events("build_step") if "RUN" in step["name"]][-1] == "cached"
    assert app.get() == (200, "two")
    assert app.run("rollback", "--json").ok().result["release"] == "r3"
    assert app.get() == (200, "one")


def test_doctor_looks_at_the_builder(
    ftl: Callable[..., Project], server: Server, user: dict[str, str]
) -> None:
    """One that works is fine; one that ssh does not reach, or without room, is a problem with a next step."""
    app = lab_project(ftl, server, build={"context": "app", "on": "builder"})
    found = finding(app.run("doctor", "--json"))
    assert found["level"] == "problem"
    assert "`build.on: local` or `server`" in found["fix"]

    config = Path(user["HOME"], ".ssh", "config")
    before, own = config.read_text(), server.section()
    names = {"host": "HostName", "port": "Port", "user": "User", "ssh_key": "IdentityFile"}
    lines = [f"  {names[key]} {value}\n" for key, value in own.items() if key in names]
    config.write_text(f"{before}Host builder\n{''.join(lines)}")
    try:
        found = finding(app.run("doctor", "--json"))
    finally:
        config.write_text(before)
    assert found["level"] in ("ok", "warning"), found
    assert "free for" in found["what"]


def finding(doctor: Outcome) -> dict[str, Any]:
    """What `ftl doctor` found about the builder."""
    (found,) = (each for each in doctor.events("finding") if each["area"] == "builders")
    assert found["name"] == "builder"
    return found
