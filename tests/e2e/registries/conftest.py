"""Registries with passwords and tokens, and a machine that builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab import images, peers
from tests.e2e.support.project import lab_project, unique
from tests.e2e.support.registry_deployer import (
    USERS,
    Deployer,
    forwarded_engine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab.servers import Lab, Server
    from tests.harness import Project


@pytest.fixture(scope="module")
def basic(lab: Lab) -> Iterator[peers.Registry]:
    """A registry with passwords."""
    with peers.registry(lab, f"{unique('basic')}.test", "basic", users=USERS) as found:
        yield found


@pytest.fixture(scope="module")
def token(lab: Lab) -> Iterator[peers.Registry]:
    """A registry whose token server takes passwords and identity tokens."""
    with peers.registry(lab, f"{unique('token')}.test", "token", users=USERS) as found:
        yield found


@pytest.fixture(scope="module")
def builder(lab: Lab, basic: peers.Registry, token: peers.Registry) -> Iterator[Server]:
    """The machine whose engine builds."""
    made = lab.server("builder")
    images.ensure("busybox", "caddy")
    made.load("ftl-lab-busybox:latest", "caddy:2")
    for registry in (basic, token):
        registry.trust(made)
    made.stop_engine()  # its BuildKit reads certificates when it starts
    made.start_engine()
    yield made
    lab.remove("builder")


@pytest.fixture
def deployer(
    ftl: Callable[..., Project], server: Server, builder: Server, tmp_path: Path
) -> Iterator[Callable[[str], Deployer]]:
    """Create a deployer whose project's image has a name in a registry."""
    home = tmp_path / "docker"
    home.mkdir(mode=0o700)
    with forwarded_engine(builder, tmp_path) as engine:

        def make(host: str) -> Deployer:
            made = lab_project(ftl, server)
            return Deployer(made, f"{host}/team/{made.name}:v1", home, engine)

        yield make
