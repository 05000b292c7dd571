"""Fixtures of real engines and servers: one server per worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

import pytest
from lab import engine as lab_engine
from lab import images
from lab.servers import Lab, Server
from tests.e2e.support.project import remove_images
from tests.e2e.support.three_servers import three_servers
from tests.e2e.support.transfer.images import busybox as shell_program
from tests.e2e.support.transfer.images import run
from tests.e2e.support.transfer.servers import OwnImages, TransferServers, forget

from ftl.engine.api import Engine
from ftl.engine.local import local_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.support.three_servers import ThreeServerProject
    from tests.harness import Project


MANY_NETWORKS = {"default-address-pools": [{"base": "10.210.0.0/16", "size": 24}]}
"""Docker's own pools are used up by 31 networks, and each test's project has one."""


class ServerFactory(Protocol):
    """Starts a server of the test's own; the options are `Lab.server`'s."""

    def __call__(self, name: str = ..., **options: object) -> Server: ...


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """The URL of this machine's Docker engine; CI starts one where none answers."""
    if lab_engine.version() is None:
        if not os.environ.get("CI"):
            pytest.fail("no Docker engine answers: `python -m lab engine up` starts one")
        lab_engine.up()
    yield local_url()
    remove_images()


@pytest.fixture(scope="session")
def busybox(engine: str) -> str:
    """A 2 MB image that this machine's engine has: a shell, an HTTP server, sleep."""
    images.ensure("busybox")
    return images.BUSYBOX


@pytest.fixture(scope="session")
def proxy_image(engine: str) -> str:
    """The proxy's image, which this machine's engine has."""
    images.ensure("caddy")
    return "caddy:2"


@pytest.fixture(scope="session")
def lab(engine: str, testrun_uid: str, worker_id: str) -> Iterator[Lab]:
    """This worker's part of the lab, named after the run, so that runs side by side do not meet."""
    with Lab(f"t{testrun_uid[:8]}-{worker_id}") as made:
        yield made


@pytest.fixture(scope="session")
def server(lab: Lab) -> Server:
    """A server with Docker 20.10 that the tests of a worker share: use names of your own, leave it whole."""
    return lab.server("shared", daemon=MANY_NETWORKS)


@pytest.fixture
def cluster(lab: Lab, ftl: Callable[..., Project], proxy_image: str) -> Iterator[ThreeServerProject]:
    """Three servers in one Swarm, as `ftl setup` would leave them, and a project for them."""
    with three_servers(lab, ftl) as made:
        yield made


@pytest.fixture
def server_factory(lab: Lab) -> Iterator[ServerFactory]:
    """Starts servers that are the test's own and end with it."""
    names: list[str] = []

    def start(name: str = "own", **options: object) -> Server:
        names.append(name)
        return lab.server(name, **options)  # type: ignore[arg-type]  # Lab.server checks them

    yield start
    for name in names:
        lab.remove(name)


@pytest.fixture(scope="session")
def transfer_servers(lab: Lab) -> TransferServers:
    """This worker's servers of each kind, for transfers: a test leaves no images there."""
    return TransferServers(lab)


@pytest.fixture
def target(transfer_servers: TransferServers) -> Iterator[Server]:
    """A server without images, and that keeps nothing."""
    server = transfer_servers.server("bookworm", "overlay2")
    yield server
    server.run("sh", "-c", "docker rmi --force $(docker images --quiet) 2>/dev/null", check=False)
    forget(server)


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered on this machine: no link, no push."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def shell(engine: str) -> bytes:
    """A program to run in images made by hand."""
    return shell_program()


@pytest.fixture
def own_images(request: pytest.FixtureRequest, shell: bytes, lab: Lab) -> Iterator[OwnImages]:
    """Images of the test's own, removed from this machine when it ends."""
    made = OwnImages(f"{lab.run}-{abs(hash(request.node.nodeid)) % 10**8}".lower(), shell)
    yield made

    async def clean() -> None:
        async with Engine(local_url(), name="this machine") as engine:
            for image in await engine.images():
                for tag in image.tags:
                    if tag.startswith(f"{made.name}:"):
                        await engine.untag(tag)

    run(clean())
