"""The network of a project, by which its internal names are answered."""

from __future__ import annotations

import pytest

from ftl.proxy.names import overlay_network, project_network
from ftl.proxy.networks import with_subnets
from ftl.proxy.site import ClusterProxy, Site
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine


@pytest.mark.parametrize("place", [None, ClusterProxy("a", "a")], ids=["one server", "several"])
def test_the_subnets_are_those_of_the_network_that_the_project_is_in(place: ClusterProxy | None) -> None:
    """That of all servers is left on the first one when a project goes back to it, and the other on the way there."""

    async def work() -> tuple[Site, dict[str, tuple[str, ...]]]:
        engine = FakeEngine()
        for name in (project_network("shop"), overlay_network("shop")):
            await engine.create_network(name, {})
        known = {network.name: network.subnets for network in await engine.networks()}
        return await with_subnets(engine, Site("shop", place=place)), known

    site, known = run(work())
    assert site.subnets == known[project_network("shop") if place is None else overlay_network("shop")]
