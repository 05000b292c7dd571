"""Life cycle of the proxy: start, restart, new networks and configurations under load."""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.proxy import ProxyTestbed, each_engine, make_testbed

from ftl.engine.specs import ContainerSpec, Publish
from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError
from ftl.proxy.control import ProxyControl
from ftl.proxy.names import ProxyNames
from ftl.proxy.site import Site, SiteRoute

if TYPE_CHECKING:
    from ftl.engine.values import Endpoint

pytestmark = pytest.mark.engine


HOST = "shop.test"


@each_engine
def test_a_restart_keeps_everything(proxy_image: str, suite: str, request: pytest.FixtureRequest) -> None:
    """After a restart, or a new start on its volumes, the proxy serves the same releases."""

    async def work() -> None:
        async with make_testbed(suite, request) as testbed:
            project = testbed.project("shop")
            await testbed.app(project, "web", "r1")
            site = await testbed.serve(project, host=HOST)
            await testbed.go_live(project, web="r1")
            before = await testbed.proxy.observe()
            assert before is not None
            await testbed.engine.stop(testbed.names.container, timeout=10)
            stopped = await testbed.proxy.observe()
            while stopped is not None and stopped.running:  # the engine's list may be a moment behind
                stopped = await testbed.proxy.observe()
            assert stopped is not None
            assert stopped.live == before.live, "not known while it is stopped"
            await testbed.proxy.ensure(proxy_image)
            assert await testbed.proxy.observe() == before
            assert (await testbed.get(HOST))[0] == 200
            paused = await testbed.machine.run(["docker", "pause", testbed.names.container])
            assert paused.exit_code == 0, paused.stderr
            await testbed.proxy.ensure(proxy_image)
            assert (await testbed.get(HOST))[0] == 200, "after a pause"
            await testbed.engine.remove(testbed.names.container, force=True)
            await testbed.proxy.ensure(proxy_image)
            assert (await testbed.get(HOST))[0] == 200
            await testbed.engine.stop(testbed.names.container, timeout=10)
            await testbed.engine.remove_network(testbed.names.network)
            await testbed.proxy.ensure(proxy_image)
            assert (await testbed.get(HOST))[0] == 200, "after its network was pruned"
            assert await testbed.proxy.apply(site) is False
            caller = await testbed.app(project, "caller", "r1")
            assert (await testbed.call(caller, "web", 8000))["failed"] == 0, "by name"

    asyncio.run(work())


def test_starting_twice_starts_once(proxy_image: str) -> None:
    """Deploys that start the proxy at the same time get one proxy."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            names = replace(testbed.names, container=f"{testbed.names.container}-2")
            proxies = [ProxyControl(testbed.engine, testbed.machine, names) for _ in range(3)]
            try:
                async with asyncio.TaskGroup() as group:
                    for proxy in proxies:
                        group.create_task(proxy.ensure(proxy_image))
                assert await proxies[0].in_flight() == {}
            finally:
                await testbed.engine.remove(names.container, force=True)
                await testbed.engine.remove_volume(names.config_volume)
                await testbed.engine.remove_volume(names.data_volume)

    asyncio.run(work())


def test_a_port_taken_by_a_container_is_reported(proxy_image: str, busybox: str) -> None:
    """If another container publishes the proxy's port, the error names it, and nothing is left behind."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            port = _free_port()
            holder = f"ftl-lab-{testbed.run}-holder"
            spec = ContainerSpec(
                busybox,
                {},
                command=("sleep", "60"),
                entrypoint=(),
                publish=(Publish(80, port),),
                restart="no",
            )
            await testbed.engine.create(holder, spec)
            try:
                await testbed.engine.start(holder)
                with pytest.raises(
                    FtlError, match=f"port {port} of this machine is taken by the container {holder}"
                ):
                    await _second(testbed, port).ensure(proxy_image)
            finally:
                await testbed.engine.remove(holder, force=True)
                await _second(testbed, port).remove(volumes=True)

    asyncio.run(work())


def test_a_port_taken_by_a_program_is_reported(proxy_image: str) -> None:
    """If a program outside Docker has the port, the error says how to find it."""

    async def work() -> None:
        with socket.create_server(("0.0.0.0", 0)) as taken:
            port = taken.getsockname()[1]
            async with ProxyTestbed() as testbed:
                proxy = _second(testbed, port)
                try:
                    with pytest.raises(
                        FtlError, match=f"port {port} of this machine is taken by a program"
                    ) as caught:
                        await proxy.ensure(proxy_image)
                    assert "ss -ltnp" in str(caught.value.hint)
                    assert await proxy.observe() is None
                finally:
                    await proxy.remove(volumes=True)

    asyncio.run(work())


CONNECT = """
import asyncio, sys
from ftl.engine.api import Engine
from ftl.proxy.names import ProxyNames
from ftl.proxy.control import ProxyControl
from ftl.ssh.local import Local

async def work(url, container, network, alias):
    async with Engine(url, name="this machine") as engine, Local() as machine:
        await engine.info()
        print("now", flush=True)
        await ProxyControl(engine, machine, ProxyNames(container)).connect(network, [alias])

asyncio.run(work(*sys.argv[1:]))
"""


def test_reconnecting_is_completed_even_if_ftl_is_killed(proxy_image: str) -> None:
    """If FTL is killed at any time while it adds an alias, the proxy keeps its network and address."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project = testbed.project("shop")
            network = await testbed.network(project)
            await testbed.proxy.connect(network, ["web"])
            before = await _endpoint(testbed, network)
            assert before is not None
            added = 0
            for number, seconds in enumerate((0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3)):
                argv = [sys.executable, "-c", CONNECT, testbed.engine.url, testbed.names.container, network]
                process = await asyncio.create_subprocess_exec(
                    *argv, f"new{number}", stdout=asyncio.subprocess.PIPE
                )
                assert process.stdout is not None
                assert await process.stdout.readline() == b"now\n"
                await asyncio.sleep(seconds)
                if process.returncode is None:
                    process.kill()
                await process.wait()
                await asyncio.sleep(1.5)  # the server's script goes on
                after = await _endpoint(testbed, network)
                deadline = asyncio.get_running_loop().time() + 20  # it is slower on a busy machine
                while after is None and asyncio.get_running_loop().time() < deadline:
                    await asyncio.sleep(0.2)
                    after = await _endpoint(testbed, network)
                assert after is not None, f"killed after {seconds} s"
                assert after.address == before.address
                assert "web" in after.aliases
                added += f"new{number}" in after.aliases
            assert added, "every process was killed too early"

    asyncio.run(work())


async def _endpoint(testbed: ProxyTestbed, network: str) -> Endpoint | None:
    """The proxy's endpoint in a network."""
    state = await testbed.engine.container(testbed.names.container)
    assert state is not None
    return next((each for each in state.endpoints if each.network == network and each.address), None)


def test_concurrent_changes_are_all_applied(proxy_image: str) -> None:
    """Deploys of several projects change the configuration at the same time, and none is lost."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            projects = [testbed.project(f"p{number}") for number in range(4)]
            sites = [
                Site(project, ("10.255.0.0/24",), (SiteRoute(f"{project}.test", "/", False, "web", 80),))
                for project in projects
            ]
            await asyncio.gather(*(testbed.proxy.apply(site) for site in sites))
            state = await testbed.proxy.observe()
            assert state is not None
            assert set(state.sites) == set(projects)
            assert state.up_to_date
            await asyncio.gather(*(testbed.proxy.remove_routes(project) for project in projects))
            state = await testbed.proxy.observe()
            assert state is not None
            assert not state.sites

    asyncio.run(work())


def test_a_site_is_removed_from_a_proxy_that_is_stopped(proxy_image: str) -> None:
    """It stays stopped, and serves the other sites alone once it is started."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            first, second = testbed.project("first"), testbed.project("second")
            for project in (first, second):
                route = SiteRoute(f"{project}.test", "/", False, "web", 80)
                await testbed.proxy.apply(Site(project, ("10.255.0.0/24",), (route,)))
                await testbed.proxy.switch(project, {"web": "nothing"})
            await testbed.engine.stop(testbed.names.container, timeout=5)
            await testbed.proxy.remove_routes(first)
            state = await testbed.proxy.observe()
            assert state is not None
            assert not state.running
            assert (state.has_traces(first), state.has_traces(second)) == (False, True)
            assert state.up_to_date
            await testbed.engine.start(testbed.names.container)

    asyncio.run(work())


def test_a_damaged_site_concerns_its_own_project_only(proxy_image: str) -> None:
    """A file of 0 bytes stops no other project; its copy serves on until its project's next deploy writes it again."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project, other = testbed.project("shop"), testbed.project("other")
            await testbed.app(project, "web", "r1")
            site = await testbed.serve(project, host=HOST)
            await testbed.go_live(project, web="r1")

            async def damage(*files: str) -> None:
                content = tar_archive(dict.fromkeys(files, b""))
                await testbed.engine.put_archive(testbed.names.container, "/config/ftl", content)

            await damage(f"sites/{project}.json")
            await testbed.serve(other, host="other.test")
            state = await testbed.proxy.observe()
            assert state is not None
            assert (state.damaged, state.unreadable) == ((project,), ())
            assert (await testbed.get(HOST))[0] == 200
            assert await testbed.proxy.apply(site) is True
            state = await testbed.proxy.observe()
            assert state is not None
            assert state.damaged == ()

            await damage("caddy.json", f"sites/{other}.json", f"copies/{other}.json")
            await testbed.engine.stop(testbed.names.container, timeout=10)
            await testbed.proxy.ensure(proxy_image)
            assert (await testbed.get(HOST))[0] == 200, "after a start with an empty configuration"
            assert (await testbed.get("other.test"))[0] == 404, "its file and its copy are gone"

    asyncio.run(work())


def _second(testbed: ProxyTestbed, port: int) -> ProxyControl:
    """A second proxy beside the testbed's, on a port."""
    run = f"ftl-lab-{testbed.run}"
    return ProxyControl(
        testbed.engine, testbed.machine, ProxyNames(f"{run}-proxy-2", f"{run}-edge-2", port, 0)
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
