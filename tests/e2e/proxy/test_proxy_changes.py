"""Changes to a proxy that serves: new networks, aliases and configurations cost no request."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from lab.load import Load, Request, Target
from lab.streams import Stream, hold
from tests.e2e.proxy.test_proxy_life import HOST, _endpoint
from tests.e2e.support.proxy import App, ProxyTestbed, each_engine, make_testbed

from ftl.proxy.configuration.handover import sysctls
from ftl.proxy.names import project_network
from ftl.proxy.site import SiteRoute

pytestmark = pytest.mark.engine


REQUESTS = (Request("GET", "/"), Request("POST", "/", b"a body"))


@each_engine
def test_new_networks_and_aliases_cost_no_request(
    proxy_image: str, suite: str, request: pytest.FixtureRequest
) -> None:
    """Connecting to other networks, and new aliases in one, disturb no request and no stream."""

    async def work() -> None:
        async with make_testbed(suite, request) as testbed:
            project, caller, streams, tasks = await _busy(testbed)
            inside = asyncio.create_task(testbed.call(caller, "web", 8000, seconds=9, clients=8))
            await asyncio.sleep(1)
            with Load(await testbed.target(HOST), REQUESTS, clients=16, pause=0.005) as load:
                for number in range(3):
                    # Their names sort before and after the project's.
                    other = testbed.project(f"{'az'[number % 2]}{number}")
                    await testbed.proxy.connect(await testbed.network(other), ["web"])
                    await testbed.proxy.connect(project_network(project), [f"more{number}"])
                    await asyncio.sleep(1)
            assert load.tally.failed == 0, load.tally.reasons
            assert load.tally.connections == 16
            assert (await inside)["failed"] == 0, await inside
            assert [stream.clean for stream in streams] == [None, None], "a stream has ended"
            calls = await testbed.call(caller, "more1", 8000)
            assert calls["failed"] == 0, "the new alias is not reached"
            for task in tasks:
                task.cancel()

    asyncio.run(work())


@each_engine
def test_new_configurations_cost_no_request(
    proxy_image: str, suite: str, request: pytest.FixtureRequest
) -> None:
    """Routes change under keep-alive clients that never retry: no request fails, no stream ends."""

    async def work() -> None:
        async with make_testbed(suite, request) as testbed:
            project, caller, streams, tasks = await _busy(testbed)
            state = await testbed.proxy.observe()
            assert state is not None
            site = state.sites[project]
            inside = asyncio.create_task(testbed.call(caller, "web", 8000, seconds=9, clients=8))
            await asyncio.sleep(1)
            with Load(await testbed.target(HOST), REQUESTS, clients=16, pause=0.005) as load:
                for number in range(3):
                    more = SiteRoute(f"h{number}.test", "/", False, "web", 8000)
                    assert await testbed.proxy.apply(replace(site, routes=(*site.routes, more)))
                    assert (await testbed.get(more.host))[0] == 200
            assert load.tally.failed == 0, load.tally.reasons
            assert (await inside)["failed"] == 0, await inside
            assert [stream.clean for stream in streams] == [None, None], "a stream has ended"
            for task in tasks:
                task.cancel()

    asyncio.run(work())


def test_new_configurations_reset_no_new_connection(proxy_image: str) -> None:
    """Clients that connect for each request get no reset when routes change: the kernel migrates them."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            kernel = (await testbed.engine.info()).kernel
            if not sysctls(kernel):
                pytest.skip(f"Linux {kernel} cannot migrate connections")
            project = testbed.project("shop")
            await testbed.app(project, "web", "r1")
            site = await testbed.serve(project, host=HOST)
            await testbed.go_live(project, web="r1")
            endpoint = await _endpoint(testbed, testbed.names.network)
            assert endpoint is not None
            once = Request("GET", "/", headers={"Connection": "close"})
            # The container's address: on loopback, Docker's userland proxy would be in between.
            with Load(Target(endpoint.address, 80, HOST), [once], clients=16, pause=0) as load:
                for number in range(6):
                    more = SiteRoute(f"h{number}.test", "/", False, "web", 8000)
                    assert await testbed.proxy.apply(replace(site, routes=(*site.routes, more)))
            print(load.tally)
            assert load.tally.requests > 1000
            assert not [reason for reason in load.tally.reasons if "ConnectionResetError" in reason]

    asyncio.run(work())


async def _busy(testbed: ProxyTestbed) -> tuple[str, App, list[Stream], list[asyncio.Task[None]]]:
    """A live project, an app that can call it by name, and two open streams."""
    project = testbed.project("shop")
    await testbed.app(project, "web", "r1")
    caller = await testbed.app(project, "caller", "r1")
    await testbed.serve(project, host=HOST, services=["web", "more1"])
    await testbed.go_live(project, web="r1", more1="r1")
    state = await testbed.proxy.observe()
    assert state is not None
    await testbed.proxy.switch(project, {"more1": state.live[project, "web"]})
    target = await testbed.target(HOST)
    streams = [Stream("socket"), Stream("events")]
    tasks = [asyncio.create_task(hold(target, stream)) for stream in streams]
    for stream in streams:
        await stream.opened.wait()
    return project, caller, streams, tasks
