"""A deploy does the same on every engine and store that servers have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import LabProject, lab_project, visitors

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


@pytest.mark.parametrize(
    ("suite", "store"),
    [("trixie", "overlay2"), ("trixie", "containerd"), ("sid", "overlay2"), ("sid", "containerd")],
)
def test_two_releases_of_two_services(
    ftl: Callable[..., Project], server_factory: ServerFactory, suite: str, store: str
) -> None:
    """First and second release serve, only the changed layer travels, no request fails, nothing is left."""
    app = lab_project(ftl, server_factory(suite=suite, store=store))
    app.config["services"].append({"name": "inner", "build": "app", "port": 8000, "stop_timeout": 1})
    app.deploy().ok()
    assert app.get() == (200, "one")
    with visitors(app) as visit:
        app.version("two")
        second = app.deploy("web").ok().result["services"]["web"]
    assert (second["layers_sent"], second["layers_reused"], second["bytes_saved"]) == (1, 2, 0)
    assert visit.failures == {}
    assert app.get() == (200, "two")
    assert app.containers() == [f"{app.name}-inner-r1", f"{app.name}-web-r2"]
    assert app.deploy("web").ok().result["changed"] is False
    if store == "containerd":
        _lose_names(app)
        app.version("three")
        third = app.deploy("web").ok()
        assert third.result["services"]["web"]["layers_sent"] == 1
        assert "it seemed to have" not in third.stdout


def _lose_names(app: LabProject) -> None:
    """Give the project's images names by which nobody can tell that FTL brought them: its records can.

    The layers that FTL keeps beside the images go as well.
    """
    docker = app.server.docker
    app.server.run("sh", "-c", "rm -rf /root/.cache/ftl /home/*/.cache/ftl")
    for service, release in (("inner", "r1"), ("web", "r1"), ("web", "r2")):
        tag = f"{app.name}-{service}:{release}"
        docker("tag", tag, f"registry.example.com/{tag}")
        docker("rmi", tag)
