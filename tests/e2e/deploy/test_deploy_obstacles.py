"""Obstacles on the server: each is named, with what to do, and the live release stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import DOCKERFILE, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def test_a_taken_port_is_named(
    ftl: Callable[..., Project], server_factory: ServerFactory, busybox: str
) -> None:
    """Something else on port 80 is said in the message, with its name, and left alone."""
    server = server_factory()
    server.load(busybox)
    server.docker(
        "run", "-d", "--name", "nginx-of-old", "-p", "80:8000", busybox, "httpd", "-f", "-p", "8000"
    )
    app = lab_project(ftl, server)
    failed = app.run("deploy")
    assert failed.exit_code == 1
    assert "port 80" in failed.stderr
    assert "nginx-of-old" in failed.stderr
    assert server.docker("ps", "--format", "{{.Names}}") == "nginx-of-old"


def test_a_full_disk_is_named_and_leaves_the_site_alone(
    ftl: Callable[..., Project], server_factory: ServerFactory
) -> None:
    """An image for which there is no room is refused with what is missing; the old release serves on."""
    server = server_factory(disk=400_000_000)
    app = lab_project(ftl, server)
    app.deploy().ok()
    fat = DOCKERFILE.replace("COPY", "RUN dd if=/dev/urandom of=/fat bs=1M count=600\nCOPY", 1)
    app.version("two", dockerfile=fat)
    failed = app.run("deploy")
    assert failed.exit_code == 1
    assert "MB" in failed.stderr
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r1"]


def test_a_user_outside_the_docker_group_is_told_how_to_get_in(
    ftl: Callable[..., Project], server_factory: ServerFactory
) -> None:
    """Exit code 3, and the command that helps."""
    server = server_factory(users=("guest",))
    app = lab_project(ftl, server)
    app.config["server"] = server.section(user="guest")
    refused = app.run("deploy")
    assert refused.exit_code == 3
    assert "usermod -aG docker guest" in refused.stderr


def test_a_stopped_engine_is_told(ftl: Callable[..., Project], server_factory: ServerFactory) -> None:
    """Exit code 3 when the server's engine does not run."""
    server = server_factory()
    server.stop_engine()
    refused = lab_project(ftl, server).run("deploy")
    assert refused.exit_code == 3
    assert "Docker" in refused.stderr
