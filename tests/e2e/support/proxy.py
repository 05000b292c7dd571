"""Testbed for the proxy: one with apps behind it, on this machine's engine or a server's."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import pytest
from lab import images
from lab.load import Target

from ftl.engine import labels
from ftl.engine.api import Engine
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.proxy.control import ProxyControl
from ftl.proxy.names import ProxyNames, project_network, release_alias
from ftl.proxy.networks import ensure_project_network
from ftl.proxy.site import InternalName, Site, SiteRoute
from ftl.ssh.local import Local
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target as SshTarget

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping, Sequence

    from lab.servers import Server

    from ftl.ssh.machine import Machine
    from ftl.ssh.openssh import OpenSSH

T = TypeVar("T")

LAB = Path(images.__file__).parent
PROGRAMS = ("talker.py", "caller.py", "load.py")
"""Programs in the apps' containers."""


@dataclass(frozen=True)
class App:
    """A running container of an app."""

    container: str
    address: str


class ProxyTestbed:
    """A running proxy; everything is removed on exit.

    With a server of the lab it is the server's proxy, on the real ports, and its engine is reached by SSH. Names have a
    random run ID, so that tests can run in parallel.
    """

    def __init__(self, server: Server | None = None, *, runner: asyncio.Runner | None = None) -> None:
        self.run = secrets.token_hex(3)
        self._server = server
        self.names = ProxyNames(
            container=f"ftl-lab-{self.run}-proxy",
            network=f"ftl-lab-{self.run}-edge",
            http_port=80 if server else 0,
            https_port=443 if server else 0,
        )
        self._containers: list[str] = []
        self._projects: list[str] = []
        self._stack = AsyncExitStack()
        self._runner = runner

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(images.ensure, "caddy", "python")
        try:
            self.machine: Machine = await self._reach(self._server) if self._server else Local()
            await self._stack.enter_async_context(self.machine)
            url = await self.machine.engine_url()
            self.engine = await self._stack.enter_async_context(Engine(url, name="this machine"))
            self.proxy = ProxyControl(self.engine, self.machine, self.names)
            self._stack.push_async_callback(self._clean)
            await self.proxy.ensure("caddy:2")
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _reach(self, server: Server) -> OpenSSH:
        """Connect to the server, after loading the images there."""
        await asyncio.to_thread(server.load, "caddy:2", "python-base:latest")
        return connect(SshTarget(server.host, server.port, server.user, server.key, server.known_hosts))

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _clean(self) -> None:
        for name in self._containers:
            await self.engine.remove(name, force=True)
        await self.proxy.remove(volumes=True)
        for project in self._projects:
            await self.engine.remove_network(project_network(project))

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine from a synchronous test (see `running_testbed`)."""
        assert self._runner is not None
        return self._runner.run(work)

    def project(self, name: str) -> str:
        """Name of a project in this run."""
        return f"lab{self.run}-{name}"

    async def network(self, project: str) -> str:
        """Create the project's network, which is removed on exit; returns its name."""
        if project not in self._projects:
            self._projects.append(project)
        return (await ensure_project_network(self.engine, project)).name

    async def app(
        self, project: str, service: str, release: str, *, ports: Sequence[int] = (8000,), replica: int = 1
    ) -> App:
        """Start an app as a deploy does: in the project's network, under the release's alias."""
        network = await self.network(project)
        name = f"ftl-lab-{self.run}-{project}-{service}-{release}-{replica}"
        self._containers.append(name)
        spec = ContainerSpec(
            image="python-base:latest",
            labels={labels.PROJECT: project, labels.SERVICE: service},
            env={"VERSION": f"{project}/{service}/{release}/{replica}", "PORTS": " ".join(map(str, ports))},
            command=("python3", "-m", "lab.talker"),
            entrypoint=(),
            networks={network: (release_alias(project, service, release),)},
            restart="no",
        )
        await self.engine.create(name, spec)
        programs = {f"lab/{program}": (LAB / program).read_bytes() for program in PROGRAMS}
        await self.engine.put_archive(name, "/", tar_archive(programs))
        await self.engine.start(name)
        state = await self.engine.container(name)
        assert state is not None
        await self._listening(name, ports[0])
        return App(name, state.endpoints[0].address)

    async def _listening(self, container: str, port: int) -> None:
        script = (
            "import socket, sys, time\n"
            "for _ in range(100):\n"
            "    try:\n"
            "        socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1)\n"
            "        break\n"
            "    except OSError:\n"
            "        time.sleep(0.1)\n"
            "else:\n"
            "    sys.exit(1)\n"
        )
        done = await self.engine.execute(container, ["python3", "-c", script, str(port)])
        assert done.exit_code == 0, f"nothing listens on port {port} of {container}"

    async def go_live(self, project: str, **services: str) -> None:
        """Switch services to releases."""
        await self.proxy.switch(
            project,
            {service: release_alias(project, service, release) for service, release in services.items()},
        )

    async def serve(
        self,
        project: str,
        *,
        host: str = "",
        services: Sequence[str] = ("web",),
        port: int = 8000,
        tls: Any = "off",
        routes: Sequence[SiteRoute] | None = None,
        internal: Sequence[InternalName] | None = None,
    ) -> Site:
        """Connect the proxy and apply a site whose first service has the route `/`."""
        await self.proxy.connect(await self.network(project), services)
        site = Site(
            project,
            routes=tuple(routes) if routes is not None else (SiteRoute(host, "/", False, services[0], port),),
            internal=tuple(internal)
            if internal is not None
            else tuple(InternalName(service, port) for service in services),
            tls=tls,
        )
        await self.proxy.apply(site)
        return site

    async def port(self, container_port: int = 80) -> int:
        """Port on 127.0.0.1 of a port of the proxy."""
        if self._server is not None:
            return self._server.http_port if container_port == 80 else self._server.https_port
        for container in await self.engine.containers(labels={labels.ROLE: labels.ROLE_PROXY}):
            for published in container.published:
                if (
                    container.name == self.names.container
                    and published.container_port == container_port
                    and published.protocol == "tcp"
                ):
                    return published.host_port
        raise AssertionError("the proxy publishes no port")

    async def target(self, host: str) -> Target:
        """Target of public requests for a host."""
        return Target("127.0.0.1", await self.port(), host)

    async def get(self, host: str, path: str = "/", *, port: int | None = None) -> tuple[int, Any]:
        """Send one public request; returns status and body (parsed if it is JSON)."""
        return await self.ask(Target("127.0.0.1", port or await self.port(), host), path)

    async def ask(
        self, target: Target, path: str = "/", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send one request to a target."""
        return await asyncio.to_thread(_get, target, path, headers or {})

    async def call(
        self, app: App, host: str, port: int, *, seconds: float = 0.5, clients: int = 1
    ) -> dict[str, Any]:
        """Call a name in the project's network with clients in an app's container."""
        argv = ["python3", "-m", "lab.caller", host, str(port), str(seconds), str(clients)]
        done = await self.engine.execute(app.container, argv, seconds=seconds + 60)
        assert done.exit_code == 0, done.stderr.decode()
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    async def end_call(self, app: App) -> None:
        """Stop the clients in an app's container."""
        await self.engine.put_archive(app.container, "/", tar_archive({"stop": b""}))

    async def fetch(self, app: App, address: str, port: int, host: str) -> tuple[int, str]:
        """Send one request from an app's container; returns status (0: none) and body or error."""
        script = (
            "import http.client, sys\n"
            "address, port, host = sys.argv[1:]\n"
            "try:\n"
            "    connection = http.client.HTTPConnection(address, int(port), timeout=10)\n"
            "    connection.request('GET', '/', headers={'Host': host})\n"
            "    answer = connection.getresponse()\n"
            "    print(answer.status, answer.read().decode())\n"
            "except OSError as error:\n"
            "    print(0, error)\n"
        )
        done = await self.engine.execute(app.container, ["python3", "-c", script, address, str(port), host])
        status, _, text = done.stdout.decode().partition(" ")
        return int(status), text


each_engine = pytest.mark.parametrize("suite", ["here", *os.environ.get("FTL_TEST_SUITES", "").split()])
"""Run a test on this machine's engine, and on servers of FTL_TEST_SUITES ("trixie sid")."""


def make_testbed(suite: str, request: pytest.FixtureRequest) -> ProxyTestbed:
    """Testbed on this machine's engine, or on a new server of that suite."""
    if suite == "here":
        return ProxyTestbed()
    server: Server = request.getfixturevalue("server_factory")(f"proxy-{suite}", suite=suite)
    return ProxyTestbed(server)


@contextmanager
def running_testbed() -> Iterator[ProxyTestbed]:
    """Testbed for synchronous tests, which run coroutines by `testbed.do(...)`."""
    with asyncio.Runner() as runner:
        testbed = ProxyTestbed(runner=runner)
        runner.run(testbed.__aenter__())
        try:
            yield testbed
        finally:
            runner.run(testbed.__aexit__())


def _get(target: Target, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
    connection = target.connect(20)
    connection.request("GET", path, headers={"Host": target.host, **headers})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    location = answer.getheader("Location")
    if location is not None:
        return answer.status, location
    return answer.status, json.loads(body) if body.startswith("{") else body
