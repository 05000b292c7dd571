"""Replacing the running proxy under load, also when the new one fails."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from lab.load import Load, Request, Target
from tests.e2e.support.proxy import ProxyTestbed

from ftl.errors import FtlError

if TYPE_CHECKING:
    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

pytestmark = pytest.mark.server

HOST = "shop.test"
CLIENTS = 16


def derived_image(server: Server, tag: str, change: str, *, program: str | None = None) -> str:
    """Create an image from the proxy's with one more instruction, and maybe a script /other/caddy."""
    server.docker("create", "--name", tag, "caddy:2")
    if program is not None:
        server.run("mkdir", "-p", "/tmp/other")
        server.write("/tmp/other/caddy", program)
        server.run("chmod", "755", "/tmp/other/caddy")
        server.docker("cp", "/tmp/other", f"{tag}:/")
    server.docker("commit", "--change", change, tag, f"caddy:{tag}")
    server.docker("rm", tag)
    return f"caddy:{tag}"


def image_that_fails(server: Server) -> str:
    """An image whose Caddy validates the configuration and then does not start."""
    program = '#!/bin/sh\n[ "$1" = validate ] && exec /usr/bin/caddy "$@"\necho "no room"\nexit 3\n'
    return derived_image(server, "mute", "ENV PATH=/other:/usr/bin:/bin", program=program)


def test_an_upgrade_breaks_no_request(server_factory: ServerFactory, proxy_image: str) -> None:
    """Running requests are answered, and new connections wait until the new proxy listens.

    Calls by internal names go on. With an image that rejects the configuration, and one that does not start, the old
    proxy keeps running.
    """
    server = server_factory("upgrade")

    async def work() -> None:
        async with ProxyTestbed(server) as testbed:
            project = testbed.project("shop")
            await testbed.app(project, "web", "r1")
            site = await testbed.serve(project, host=HOST, tls="internal")
            await testbed.go_live(project, web="r1")
            caller = await testbed.app(project, "caller", "r1")
            target = Target(server.address, 80, HOST)
            assert await testbed.proxy.upgrade("caddy:2") is False, "nothing to do"
            certificate = await certificates(testbed)

            image = derived_image(server, "next", "LABEL next=1")
            requests = (Request("GET", "/"), Request("POST", "/", b"a body"))
            with Load(target, requests, clients=CLIENTS) as load:
                slow = asyncio.create_task(testbed.ask(target, "/slow?3"))
                await asyncio.sleep(1)
                assert await testbed.proxy.upgrade(image) is True
                assert (await slow)[0] == 200, "a request in flight is answered"
                await asyncio.sleep(2)
            assert load.tally.requests > 1000
            assert not any("Refused" in reason for reason in load.tally.reasons), load.tally.reasons
            # A connection that was idle for a second is closed, which its client may notice too late: once.
            assert load.tally.failed <= CLIENTS, load.tally.reasons
            assert "time" not in server.run("iptables", "-t", "raw", "-S").stdout.decode(), "nothing is left"
            state = await testbed.proxy.observe()
            assert state is not None
            assert (state.running, state.image) == (True, image)
            assert await certificates(testbed) == certificate
            assert (await testbed.call(caller, "web", 8000))["failed"] == 0
            assert await testbed.proxy.apply(site) is False, "it is the same site"
            assert containers(server) == [testbed.names.container]

            for broken in (derived_image(server, "deaf", "ENV PATH=/none"), image_that_fails(server)):
                before = containers(server)
                with pytest.raises(FtlError, match="was not replaced") as caught:
                    await testbed.proxy.upgrade(broken)
                assert caught.value.hint == "the old one keeps running; set another `proxy.image`"
                assert containers(server) == before
                assert (await testbed.ask(target))[0] == 200
                state = await testbed.proxy.observe()
                assert state is not None
                assert state.image == image

    asyncio.run(work())


UPGRADE = """
import asyncio, sys
from ftl.engine.api import Engine
from ftl.proxy.names import ProxyNames
from ftl.proxy.control import ProxyControl
from ftl.ssh.local import Local

async def work(url, container, network, image):
    names = ProxyNames(container, network, 0, 0)
    async with Engine(url, name="this machine") as engine, Local() as machine:
        await engine.info()
        print("now", flush=True)
        await ProxyControl(engine, machine, names).upgrade(image)

asyncio.run(work(*sys.argv[1:]))
"""

KILLED_AFTER = [float(each) for each in os.environ.get("FTL_TEST_KILLED_AFTER", "0.9 2").split()]
"""Seconds into an upgrade; `FTL_TEST_KILLED_AFTER="0.2 0.4 0.6"` tries others."""


def test_a_killed_upgrade_is_finished_by_the_next_command(proxy_image: str) -> None:
    """FTL is killed at any time: the next command, at once, gets one proxy that serves, under its name."""

    async def work() -> None:
        async with ProxyTestbed() as testbed:
            project = testbed.project("shop")
            await testbed.app(project, "web", "r1")
            await testbed.serve(project, host=HOST)
            await testbed.go_live(project, web="r1")
            for number, seconds in enumerate(KILLED_AFTER):
                tag = f"caddy:{testbed.run}-{number}"
                script = 'printf \'FROM caddy:2\nLABEL next=%s\n\' "$1" | docker build -q -t "$1" -'
                assert (await testbed.machine.run(["sh", "-c", script, "sh", tag])).exit_code == 0
                argv = [testbed.engine.url, testbed.names.container, testbed.names.network, tag]
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", UPGRADE, *argv, stdout=asyncio.subprocess.PIPE
                )
                assert process.stdout is not None
                assert await process.stdout.readline() == b"now\n"
                await asyncio.sleep(seconds)
                if process.returncode is None:
                    process.kill()
                await process.wait()
                await testbed.proxy.ensure("caddy:2")
                assert (await testbed.get(HOST))[0] == 200
                state = await testbed.proxy.observe()
                assert state is not None
                assert (state.running, state.leftovers) == (True, ())
                own = await testbed.engine.containers(labels={"ftl.role": "proxy"})
                left = [each.name for each in own if each.name.startswith(testbed.names.container)]
                assert left == [testbed.names.container]
                print(f"killed after {seconds} s: {state.image}")
                await testbed.machine.run(["docker", "rmi", "-f", tag])

    asyncio.run(work())


async def certificates(testbed: ProxyTestbed) -> dict[str, bytes]:
    """Files of the proxy's local authority."""
    files: Any = await testbed.engine.get_archive(testbed.names.container, "/data/caddy/pki")
    return dict(files)


def containers(server: Server) -> list[str]:
    """Names of the proxy's containers on the server."""
    names = server.docker("ps", "-a", "--filter", "label=ftl.role=proxy", "--format", "{{.Names}}")
    return sorted(names.split())
