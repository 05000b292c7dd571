"""Tunnels: local ports that lead to the dependencies on the server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.suggestions import select_names
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.tunnels.relay import PortTaken, relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.ssh.machine import Machine

POLL_SECONDS = 5.0
"""Seconds between two checks of the connection and of the dependencies' addresses."""

POLL_TIMEOUT = 20.0
"""Seconds after which a server that does not answer such a check counts as lost."""

LOOPBACK = "127.0.0.1"

UNREACHABLE = "unix:///dev/null"
"""Target for a dependency that does not run: connecting to it fails."""

TunnelTarget = tuple[str, int]
"""A dependency and one of its ports."""

ContainerAddress = tuple[str, int]
"""Host and port at which the server reaches a port of a dependency."""

RECONNECT_PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds before each new attempt to connect; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A port of this machine, on 127.0.0.1, and the dependency's port that it leads to."""

    name: str
    port: int
    local: int


@dataclass(frozen=True, slots=True)
class PortChoice:
    """The user's choice of a dependency's local port: `NAME=LOCAL` or `NAME:PORT=LOCAL`."""

    name: str
    local: int
    port: int | None = None


def plan_tunnels(
    project: Project, names: Sequence[str] = (), *, offset: int = 0, choices: Sequence[PortChoice] = ()
) -> tuple[Tunnel, ...]:
    """A tunnel for every port of these dependencies (of all, where none is named).

    The local port is the dependency's own, plus `offset`, unless a choice says otherwise.

    Raises:
        UsageError: An unknown dependency or port, two tunnels on one local port, or none at all.
    """
    ports = {dependency.name: dependency.ports for dependency in project.dependencies}
    selected = select_names(names, tuple(ports), kind="dependency")
    picked: dict[tuple[str, int], int] = {}
    for choice in choices:
        select_names((choice.name,), tuple(ports), kind="dependency")
        picked[choice.name, _port_of(choice, ports[choice.name])] = choice.local
    tunnels = tuple(
        Tunnel(name, port, picked.get((name, port), port + offset))
        for name in selected
        for port in ports[name]
    )
    if not tunnels:
        raise UsageError(
            "there is nothing to reach: no dependency has a port",
            hint="`ports: [5432]` under a dependency names them; the presets know theirs",
        )
    _check_local_ports(tunnels)
    return tunnels


def _port_of(choice: PortChoice, ports: Sequence[int]) -> int:
    listed = ", ".join(map(str, ports)) or "none"
    if choice.port is None and len(ports) == 1:
        return ports[0]
    if choice.port is None:
        raise UsageError(
            f"{choice.name} has {len(ports)} ports ({listed})",
            hint=f"say which: `-p {choice.name}:PORT={choice.local}`",
        )
    if choice.port not in ports:
        raise UsageError(f"{choice.name} has no port {choice.port}", hint=f"its ports: {listed}")
    return choice.port


def _check_local_ports(tunnels: Sequence[Tunnel]) -> None:
    by_port: dict[int, Tunnel] = {}
    for tunnel in tunnels:
        earlier = by_port.setdefault(tunnel.local, tunnel)
        if not 0 < tunnel.local < 65536:
            raise UsageError(f"{tunnel.local} is not a port", hint="ports go from 1 to 65535")
        if earlier is not tunnel:
            raise UsageError(
                f"{earlier.name} and {tunnel.name} both want port {tunnel.local} of this machine",
                hint=f"give one another: `-p {tunnel.name}:{tunnel.port}={tunnel.local + 10000}`",
            )


async def keep_tunnels(
    connect: Callable[[], AbstractAsyncContextManager[Session]],
    project: str,
    tunnels: Sequence[Tunnel],
    *,
    emit: Emit,
    opened: Callable[[str], None],
) -> None:
    """Keep the tunnels open until cancelled, also across deploys and lost connections.

    The local ports stay open all the time. When a deploy replaces a dependency's container, new connections
    reach the new one. When the connection is lost, it is made again.

    `emit` receives a note when the connection is lost and when it is back; `opened` is called once, with the server's
    name, when all tunnels lead somewhere.

    Raises:
        PortTaken: A local port is in use.
        FtlError: The first connection fails, or a dependency does not run.
    """
    urls: dict[TunnelTarget, str] = {}
    lost: int | None = None  # attempts since the connection was lost; None before the first one

    def ready(session: Session) -> None:
        nonlocal lost
        if lost is None:
            _check_running(tunnels, urls, project, session.name)
            opened(session.name)
        elif lost:
            emit(Note(f"connected to {session.name} again"))
        lost = 0

    async with AsyncExitStack() as stack:
        for tunnel in tunnels:
            await stack.enter_async_context(_relayed(tunnel, urls))
        while True:
            try:
                async with connect() as session:
                    await _serve(session, project, tunnels, urls, ready)
            except (FtlError, TimeoutError) as error:
                if lost is None:
                    raise
                pause = RECONNECT_PAUSES[min(lost, len(RECONNECT_PAUSES) - 1)]
                lost += 1
                why = str(error) or f"no answer within {POLL_TIMEOUT:g} s"
                emit(Note(f"connection lost ({why}); trying again in {pause:g} s", "warning"))
                await asyncio.sleep(pause)


@asynccontextmanager
async def dependency_tunnels(
    machine: Machine, engine: Engine, project: Project
) -> AsyncIterator[Mapping[str, int]]:
    """Tunnels to all running dependencies, for a hook on this machine.

    Yields:
        Dependency -> the local port that leads to its first port: the same number, or any free one where that is
        in use on this machine.
    """
    addresses = await _addresses(engine, project.name)
    ports: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        for dependency in project.dependencies:
            for port in dependency.ports:
                address = addresses.get((dependency.name, port))
                if address is None:
                    continue
                url = await stack.enter_async_context(machine.dial(*address))
                local = await _same_or_free_port(stack, port, url)
                ports.setdefault(dependency.name, local)
        yield ports


async def _same_or_free_port(stack: AsyncExitStack, port: int, url: str) -> int:
    try:
        return await stack.enter_async_context(relay(port, lambda: url))
    except UsageError:
        return await stack.enter_async_context(relay(0, lambda: url))


@asynccontextmanager
async def _relayed(tunnel: Tunnel, urls: Mapping[TunnelTarget, str]) -> AsyncIterator[int]:
    """The local end of a tunnel."""
    try:
        async with relay(tunnel.local, lambda: urls.get((tunnel.name, tunnel.port), UNREACHABLE)) as port:
            yield port
    except PortTaken as error:
        raise PortTaken(
            f"{error.message}: {tunnel.name} cannot be reached there",
            hint=f"`-p {tunnel.name}:{tunnel.port}={tunnel.local + 10000}` takes another port for it, "
            "`--offset 10000` for all",
        ) from None


async def _serve(
    session: Session,
    project: str,
    tunnels: Sequence[Tunnel],
    urls: dict[TunnelTarget, str],
    ready: Callable[[Session], None],
) -> None:
    """Keep `urls` up to date over one connection, until that ends."""
    known: dict[TunnelTarget, ContainerAddress] = {}
    async with AsyncExitStack() as stack:
        try:
            while True:
                async with asyncio.timeout(POLL_TIMEOUT):
                    addresses = await _addresses(session.engine, project)
                    for key in [(tunnel.name, tunnel.port) for tunnel in tunnels]:
                        if key not in addresses:
                            urls.pop(key, None)
                        elif addresses[key] != known.get(key) or key not in urls:
                            urls[key] = await stack.enter_async_context(session.machine.dial(*addresses[key]))
                known = addresses
                ready(session)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            urls.clear()


def _check_running(
    tunnels: Sequence[Tunnel], urls: Mapping[TunnelTarget, str], project: str, server: str
) -> None:
    missing = sorted({tunnel.name for tunnel in tunnels if (tunnel.name, tunnel.port) not in urls})
    if missing:
        names = " and ".join(missing)
        raise FtlError(
            f"{names} of {project} {'does' if len(missing) == 1 else 'do'} not run on {server}",
            hint=f"{ftl('deploy')} starts what is missing, {ftl('status')} shows what runs",
        )


async def _addresses(engine: Engine, project: str) -> dict[TunnelTarget, ContainerAddress]:
    """Addresses of the running dependencies' ports, as seen from the server."""
    label_map = {labels.PROJECT: project, labels.ROLE: labels.ROLE_DEPENDENCY}
    addresses: dict[TunnelTarget, ContainerAddress] = {}
    for container in await engine.containers(labels=label_map):
        if container.state == "running":
            for port in container.published:
                if port.host_port and port.protocol == "tcp":
                    service = container.labels[labels.SERVICE]
                    addresses[service, port.container_port] = (LOOPBACK, port.host_port)
    return addresses
