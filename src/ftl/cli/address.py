"""Resolve --server (HOST, `local` or `sandbox`) to a machine and the URLs of its projects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ftl.config.models.project import Server
from ftl.dataclass import dataclass
from ftl.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.project import ClusterServer, Project
    from ftl.deploy.backend import Backend
    from ftl.deploy.observe.observer import Observer
    from ftl.deploy.result import DeployResult
    from ftl.host.session import Prefetch, Session
    from ftl.operations.views.status import Status
    from ftl.server.sandbox import SandboxAddress
    from ftl.ssh.machine import Machine

_ADDRESS = (
    r"(?:ssh://)?"
    r"(?:(?P<user>[^@:/\s-][^@:/\s]*)@)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^@:/\s\[\]-][^@:/\s\[\]]*))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A server that DNS leads to, or this machine; or those of a cluster.

    Attributes:
        servers: All of a cluster; empty for one server.
        sandbox_servers: The servers of a sandbox that has several, for the `servers` of a project.
        narrowed: --server named one of several servers: commands that read ask only that one.
    """

    server: Server
    servers: tuple[ClusterServer, ...] = ()
    narrowed: bool = False
    sandbox_servers: tuple[ClusterServer, ...] = ()

    @property
    def named_server(self) -> str:
        """The server of a cluster that --server named; empty where it named none."""
        return self.server.host if self.narrowed else ""

    @property
    def given(self) -> str:
        """The server as `--server` takes it."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        user = f"{self.server.user}@" if self.server.user else ""
        return f"{user}{host}:{self.server.port}" if self.server.port else f"{user}{host}"

    @property
    def backend(self) -> Backend:
        """The backend of its servers; chosen here, and nowhere else."""
        from ftl.deploy.backend import DOCKER

        return DOCKER

    @property
    def observer(self) -> Observer:
        """The reading half of the backend, for commands that change nothing."""
        from ftl.deploy.observe.observer import DOCKER_OBSERVER

        return DOCKER_OBSERVER

    @property
    def sends_messages(self) -> bool:
        """Whether the project's `notify` applies to its servers: not in a sandbox."""
        return self.server.has_visitors

    @property
    def is_found_by_dns(self) -> bool:
        """Whether visitors are led to it by DNS."""
        return self.server.has_visitors and not self.server.is_local

    def machine(self, *, project: str = "") -> Machine:
        """The machine at this address, not connected yet; see `machine_of`."""
        from ftl.ssh.machine import machine_of

        return machine_of(self.server, project=project)

    def connect(
        self, host: str = "", ahead: Prefetch[Any] | None = None, *, project: str = "", keep: bool = True
    ) -> AbstractAsyncContextManager[Session]:
        """Connect to the cluster's server of this name, or to the only one; see `machine_of`."""
        from ftl.host.session import open_session
        from ftl.ssh.machine import machine_of

        server = next((each for each in self.servers if each.host == host), self.server)
        return open_session(machine_of(server, project=project, keep=keep), ahead=ahead)

    def machines(self, *, project: str) -> tuple[Machine, ...]:
        """The machine at this address, or those of the cluster, not connected yet."""
        from ftl.ssh.machine import machine_of

        return tuple(machine_of(server, project=project) for server in self.servers or (self.server,))

    def readable(self, *, project: str) -> tuple[Machine, ...]:
        """Machines for a command that only reads: all of the cluster, or the one of --server."""
        return (self.machine(project=project),) if self.narrowed else self.machines(project=project)

    def urls(self, _project: Project, result: DeployResult | Status) -> tuple[str, ...]:
        """URLs of a deploy, as a browser on this machine opens them."""
        return result.urls

    def url_here(self, url: str) -> str:
        """A recorded URL, as a browser on this machine opens it."""
        return url

    def host_requests(self, _project: Project) -> tuple[str, ...]:
        """Commands that request the hosts of the routes where DNS does not lead to this server."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sandbox(Address):
    """The throwaway server on this machine, whose ports 80 and 443 are published under other numbers."""

    sandbox: SandboxAddress

    def urls(self, project: Project, result: DeployResult | Status) -> tuple[str, ...]:
        tls = project.proxy.tls != "off"
        return self.sandbox.urls_of(_hosts(project), tls=tls, by_address=result.by_address)

    def url_here(self, url: str) -> str:
        scheme, _, host = url.partition("://")
        here = self.sandbox.urls_of((host,), tls=True, by_address=False)
        return next((each for each in here if each.startswith(f"{scheme}://")), url)

    def host_requests(self, project: Project) -> tuple[str, ...]:
        return tuple(self.sandbox.by_name(host) for host in _hosts(project))


def resolve(text: str) -> Address:
    """Resolve the value of --server; `sandbox` is the throwaway server on this machine.

    Raises:
        UsageError: It is not an address, or no sandbox is up.
    """
    if text == "sandbox":
        from ftl.server.sandbox import addresses

        first, *others = addresses()
        sandbox_servers = tuple(each.cluster_server for each in (first, *others)) if others else ()
        return _Sandbox(first.server, sandbox_servers=sandbox_servers, sandbox=first)
    return Address(parse(text))


def parse(text: str) -> Server:
    """Parse HOST, USER@HOST, HOST:PORT, [v6]:PORT or ssh://USER@HOST:PORT.

    A host or user that begins with a dash is refused: ssh would take it for an option.

    Raises:
        UsageError: It is none of these.
    """
    match = re.fullmatch(_ADDRESS, text)
    if match is None:
        raise UsageError(
            f"`{text}` is not a server", hint="write HOST, USER@HOST, HOST:PORT or ssh://USER@HOST:PORT"
        )
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"`{text}`: {port} is not a port", hint="ports go from 1 to 65535")
    return Server(host=match["v6"] or match["host"], port=port, user=match["user"])


def _hosts(project: Project) -> list[str]:
    """Host names of all routes."""
    hosts = {route.host or project.project.domain for service in project.services for route in service.routes}
    return sorted(host for host in hosts if host)
