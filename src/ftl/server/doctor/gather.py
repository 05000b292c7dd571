"""A visit to the server: everything that is gathered over one connection, and by knocking from outside."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.engine.api import Engine
from ftl.errors import EngineError, FtlError, ServerError
from ftl.server.doctor import facts
from ftl.server.doctor.checks import certificates, dns, ports
from ftl.server.doctor.checks.server import proxy_of
from ftl.ssh.local import Local
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.values import Container, EngineInfo
    from ftl.server.doctor.checks.registries import LoginAttempt, Logins
    from ftl.server.doctor.checks.ssh import SshInspection, SshRoute
    from ftl.ssh.machine import Machine
    from ftl.ssh.target import Target

ROOT = "/var/lib/docker"
"""Where Docker keeps its data, unless it says otherwise."""

ENGINE_SECONDS = 5.0
"""For the server's engine to say what it is and what it runs: one that needs longer is stuck."""


@dataclass(frozen=True, slots=True)
class EngineInspection:
    """The server's engine: what it is and all of its containers; or why it cannot be used."""

    info: EngineInfo | None = None
    containers: tuple[Container, ...] = ()
    refusal: FtlError | None = None


@dataclass(frozen=True, slots=True)
class ServerInspection:
    """What was seen of the server.

    Attributes:
        refusal: Why nothing was seen: it cannot be reached, or lets us not in.
        reached: The addresses of its name here.
        knocks: The ports that were tried from outside; None where it is not reached from there (a jump host,
            a port of this machine).
        served: Its certificates; empty where it has no proxy, or none was asked for.
        tried: Logins to registries from there.
    """

    refusal: ServerError | None = None
    survey: facts.ServerFacts | None = None
    docker: EngineInspection = EngineInspection()
    reached: tuple[str, ...] = ()
    knocks: tuple[ports.PortResult, ...] | None = None
    served: tuple[certificates.Served, ...] = ()
    tried: tuple[LoginAttempt, ...] = ()

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is reached at a port of this machine (a sandbox), where no visitor comes and no authority."""
        return bool(self.reached) and all(map(_is_loopback, self.reached))

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that is known to be the server's, that at which it is reached first."""
        own = self.survey.addresses if self.survey else ()
        return tuple(dict.fromkeys((*self.reached, *own)))


async def inspect_server(
    target: Target | None,
    way: asyncio.Task[SshInspection] | None,
    *,
    hosts: Mapping[str, bool],
    logins: Logins,
) -> ServerInspection:
    """Connect and look; what fails is part of what is seen.

    Args:
        target: The server; None is this machine.
        way: How ssh gets there, which is looked at meanwhile; None for this machine.
        hosts: The domains whose certificates are asked for, and whether an authority certifies each.
        logins: Those to registries, which the server's engine tries.
    """
    machine = Local() if target is None else connect(target)
    try:
        async with machine, AsyncExitStack() as stack:
            (docker, engine), (route, reached) = await gather2(_docker(machine, stack), _reached(way))
            outside = _outside(route, reached)
            seen, (served, tried) = await gather2(
                _look(machine, docker, outside),
                gather2(_served(machine, engine, docker, hosts), logins.try_there(engine)),
            )
            return replace(seen, reached=reached, served=tuple(served), tried=tuple(tried))
    except ServerError as error:
        return ServerInspection(refusal=error)


async def _docker(machine: Machine, stack: AsyncExitStack) -> tuple[EngineInspection, Engine | None]:
    """The engine, which stays open until the visit is over, and what it says."""
    try:
        url = await machine.engine_url()
        engine = await stack.enter_async_context(Engine(url, name=machine.name, explain=machine.explain))
        async with asyncio.timeout(ENGINE_SECONDS):
            info = await engine.info()
            return EngineInspection(info, tuple(await engine.containers())), engine
    except TimeoutError:
        return EngineInspection(refusal=_stuck(machine.name)), None
    except FtlError as error:
        return EngineInspection(refusal=error), None


def _stuck(name: str) -> ServerError:
    return ServerError(
        f"the Docker engine on {name} did not answer within {ENGINE_SECONDS:g} s",
        hint=f"on {name}: `sudo systemctl restart docker`; `sudo journalctl -u docker` says what it was busy with",
    )


async def _look(machine: Machine, docker: EngineInspection, outside: Sequence[str]) -> ServerInspection:
    """What the machine says, and what answers outside."""
    root, store = (docker.info.root, docker.info.store) if docker.info else ("", "")
    said = await facts.gather_facts(machine, root=root or ROOT, store=store)
    knocks = None
    if outside:
        tried = ports.candidates(said.listeners, docker.containers, outside)
        knocks = tuple(await ports.try_ports(outside, tried))
    return ServerInspection(survey=said, docker=docker, knocks=knocks)


async def _served(
    machine: Machine, engine: Engine | None, docker: EngineInspection, hosts: Mapping[str, bool]
) -> list[certificates.Served]:
    """What the proxy shows to visitors, if there is one."""
    proxy = proxy_of(docker.containers)
    if engine is None or proxy is None:
        return []
    served = await gather(certificates.serve(machine, host) for host in hosts)
    certified = [host for host, by_acme in hosts.items() if by_acme]
    try:
        return await certificates.with_refusals(served, engine, proxy, certified)
    except EngineError:  # it does not run, which its ports tell
        return served


async def _reached(way: asyncio.Task[SshInspection] | None) -> tuple[SshRoute | None, tuple[str, ...]]:
    """The way, and what the server's name leads to; loopback behind a jump host is that one's own."""
    route = (await way).route if way is not None else None
    if route is None:
        return None, ()
    found = (await dns.look_up(route.hostname.strip("[]"))).addresses
    return route, tuple(one for one in found if not (route.jumps and _is_loopback(one)))


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _outside(route: SshRoute | None, reached: Sequence[str]) -> tuple[str, ...]:
    """Where the server can be knocked at from outside of it; nowhere if nobody can tell from here."""
    if route is None or route.jumps or any(map(_is_loopback, reached)):
        return ()
    return ports.by_family(reached)
