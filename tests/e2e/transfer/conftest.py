"""Servers and images of the tests of failing transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.transfer.faulty import Scene
from tests.e2e.support.transfer.images import run

from ftl.engine.api import Engine
from ftl.engine.local import local_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Lab, Server


@pytest.fixture(scope="session", params=["overlay2", "containerd"])
def either(request: pytest.FixtureRequest, lab: Lab) -> Server:
    """A server of each kind of store."""
    suite = "trixie" if request.param == "containerd" else "bookworm"
    return lab.server(f"faults-{request.param}", suite=suite, store=request.param)


@pytest.fixture
def scene(request: pytest.FixtureRequest, lab: Lab, engine: str) -> Iterator[Scene]:
    """Tags of the test, removed from this machine in the end."""
    made = Scene(f"{lab.run}-{abs(hash(request.node.nodeid)) % 10**8}".lower())
    yield made

    async def clean() -> None:
        async with Engine(local_url(), name="this machine") as source:
            await source.untag(made.here)

    run(clean())
