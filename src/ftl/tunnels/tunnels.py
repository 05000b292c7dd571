"""Ports of this machine that lead to the dependencies on the server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.config.select import select_names
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.tunnels.relay import PortTaken, relay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ftl.config import Project
    from ftl.engine import Engine
    from ftl.events import Emit
    from ftl.host.session import Session
    from ftl.ssh.machine import Machine

LOOK = 5.0
"""Seconds between two looks at whether the connection lives and the dependencies are where they were."""

ANSWER = 20.0
"""Seconds after which a server that does not answer such a look is taken for gone."""

LOOPBACK = "127.0.0.1"

NOWHERE = "unix:///dev/null"
"""Where a dependency is reached that does not run: connecting to it fails."""

Key = tuple[str, int]
"""A dependency and one of its ports."""

Address = tuple[str, int]

PAUSES = (1.0, 2.0, 5.0, 10.0)
"""Seconds before each new attempt to connect; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A port of this machine, on 127.0.0.1, and the dependency's port that it leads to."""

    name: str
    port: int
    local: int


@dataclass(frozen=True, slots=True)
class Choice:
    """What the user said about one dependency's local port: `NAME=LOCAL` or `NAME:PORT=LOCAL`."""

    name: str
    local: int
    port: int | None = None


def wanted_tunnels(
    project: Project, names: Sequence[str] = (), *, offset: int = 0, choices: Sequence[Choice] = ()
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
    _refuse_clashes(tunnels)
    return tunnels


def _port_of(choice: Choice, ports: Sequence[int]) -> int:
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


def _refuse_clashes(tunnels: Sequence[Tunnel]) -> None:
    holders: dict[int, Tunnel] = {}
    for tunnel in tunnels:
        other = holders.setdefault(tunnel.local, tunnel)
        if not 0 < tunnel.local < 65536:
            raise UsageError(f"{tunnel.local} is not a port", hint="ports go from 1 to 65535")
        if other is not tunnel:
            raise UsageError(
                f"{other.name} and {tunnel.name} both want port {tunnel.local} of this machine",
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
    """Hold the tunnels open until cancelled, also across deploys and lost connections.

    The local ports stay open all the time. When a deploy replaces a dependency's container, new connections
    reach the new one. When the connection is lost, it is made again.

    Args:
        connect: Makes a connection to the server.
        project: The project's name.
        tunnels: What to open.
        emit: Is told when the connection is lost and when it is back.
        opened: Called once, with the server's name, when all tunnels lead somewhere.

    Raises:
        PortTaken: A local port is.
        FtlError: The first connection fails, or a dependency does not run.
    """
    urls: dict[Key, str] = {}
    lost: int | None = None  # attempts since the connection was lost; None before the first one

    def ready(session: Session) -> None:
        nonlocal lost
        if lost is None:
            _refuse_absent(tunnels, urls, project, session.name)
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
                    await _hold(session, project, tunnels, urls, ready)
            except (FtlError, TimeoutError) as error:
                if lost is None:
                    raise
                pause = PAUSES[min(lost, len(PAUSES) - 1)]
                lost += 1
                why = str(error) or f"no answer within {ANSWER:g} s"
                emit(Note(f"connection lost ({why}); trying again in {pause:g} s", "warning"))
                await asyncio.sleep(pause)


@asynccontextmanager
async def dependency_tunnels(
    machine: Machine, engine: Engine, project: Project
) -> AsyncIterator[Mapping[str, int]]:
    """Tunnels to all dependencies that run, for a hook on this machine.

    Yields:
        Dependency -> the local port that leads to its first port: the usual one, or where something on this
        machine has that, any that is free.
    """
    found = await _addresses(engine, project.name)
    ports: dict[str, int] = {}
    async with AsyncExitStack() as stack:
        for dependency in project.dependencies:
            for port in dependency.ports:
                where = found.get((dependency.name, port))
                if where is None:
                    continue
                url = await stack.enter_async_context(machine.dial(*where))
                local = await _usual_or_any(stack, port, url)
                ports.setdefault(dependency.name, local)
        yield ports


async def _usual_or_any(stack: AsyncExitStack, port: int, url: str) -> int:
    try:
        return await stack.enter_async_context(relay(port, lambda: url))
    except UsageError:
        return await stack.enter_async_context(relay(0, lambda: url))


@asynccontextmanager
async def _relayed(tunnel: Tunnel, urls: Mapping[Key, str]) -> AsyncIterator[int]:
    """The local end of a tunnel."""
    try:
        async with relay(tunnel.local, lambda: urls.get((tunnel.name, tunnel.port), NOWHERE)) as port:
            yield port
    except PortTaken as error:
        raise PortTaken(
            f"{error.message}: {tunnel.name} cannot be reached there",
            hint=f"`-p {tunnel.name}:{tunnel.port}={tunnel.local + 10000}` takes another port for it, "
            "`--offset 10000` for all",
        ) from None


async def _hold(
    session: Session,
    project: str,
    tunnels: Sequence[Tunnel],
    urls: dict[Key, str],
    ready: Callable[[Session], None],
) -> None:
    """Keep `urls` true over one connection, until that ends."""
    known: dict[Key, Address] = {}
    async with AsyncExitStack() as stack:
        try:
            while True:
                async with asyncio.timeout(ANSWER):
                    found = await _addresses(session.engine, project)
                    for key in [(tunnel.name, tunnel.port) for tunnel in tunnels]:
                        if key not in found:
                            urls.pop(key, None)
                        elif found[key] != known.get(key) or key not in urls:
                            urls[key] = await stack.enter_async_context(session.machine.dial(*found[key]))
                known = found
                ready(session)
                await asyncio.sleep(LOOK)
        finally:
            urls.clear()


def _refuse_absent(tunnels: Sequence[Tunnel], urls: Mapping[Key, str], project: str, server: str) -> None:
    absent = sorted({tunnel.name for tunnel in tunnels if (tunnel.name, tunnel.port) not in urls})
    if absent:
        what = " and ".join(absent)
        raise FtlError(
            f"{what} of {project} {'does' if len(absent) == 1 else 'do'} not run on {server}",
            hint="`ftl deploy` starts what is missing, `ftl status` shows what is there",
        )


async def _addresses(engine: Engine, project: str) -> dict[Key, Address]:
    """Where the ports of the running dependencies are, as seen from the server."""
    marks = {labels.PROJECT: project, labels.ROLE: labels.ROLE_DEPENDENCY}
    found: dict[Key, Address] = {}
    for container in await engine.containers(labels=marks):
        if container.state == "running":
            for port in container.published:
                if port.host_port and port.protocol == "tcp":
                    found[container.labels[labels.SERVICE], port.container_port] = (LOOPBACK, port.host_port)
    return found
