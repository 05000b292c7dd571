"""Gather information about the server: over one SSH connection, and from its ports."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.dataclass import dataclass
from ftl.engine.api import Engine
from ftl.errors import EngineError, FtlError, ServerError
from ftl.host.jobs import Crontab, job_states, lost_jobs
from ftl.releases.pruned import is_pruned
from ftl.releases.record import stored_project
from ftl.releases.store import read_records
from ftl.server.doctor.checks import certificates, dns, ports
from ftl.server.doctor.disk_growth import DiskGrowth, gather_growth
from ftl.server.doctor.facts import NO_ENGINE, EngineState, ServerFacts, gather_facts, proxy_of
from ftl.ssh.local import Local
from ftl.ssh.openssh import connect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.host.jobs import JobState
    from ftl.server.doctor.checks.certificates import ServedCertificate
    from ftl.server.doctor.checks.ports import PortResult
    from ftl.server.doctor.checks.registries import LoginAttempt, Logins
    from ftl.server.doctor.checks.ssh import SshInspection, SshRoute
    from ftl.ssh.machine import Machine
    from ftl.ssh.target import Target

ROOT = "/var/lib/docker"
"""Docker's default data root."""

ENGINE_SECONDS = 5.0
"""Limit for the server's engine to describe itself and list its containers."""


@dataclass(frozen=True, slots=True)
class ServerInspection:
    """The information gathered about the server.

    Attributes:
        error: Why there is none: the server cannot be reached, or refuses the login.
        resolved: The addresses of its name on this machine.
        port_results: The ports that were tried from outside; None where that proves nothing (a jump host, a port of
            this machine).
        certificates: Those that it presents; empty where it has no proxy, or none was asked for.
        records_lost: Whether the container of the release records was pruned.
    """

    error: ServerError | None = None
    facts: ServerFacts | None = None
    engine: EngineState = NO_ENGINE
    resolved: tuple[str, ...] = ()
    port_results: tuple[PortResult, ...] | None = None
    certificates: tuple[ServedCertificate, ...] = ()
    logins: tuple[LoginAttempt, ...] = ()
    login_output: str = ""
    jobs: tuple[JobState, ...] = ()
    records_lost: bool = False
    growth: DiskGrowth | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether it is reached at a port of this machine, where no visitors come and no CA."""
        return bool(self.resolved) and all(map(_is_loopback, self.resolved))

    @property
    def addresses(self) -> tuple[str, ...]:
        """All known addresses of the server, those of its name first."""
        own = self.facts.addresses if self.facts else ()
        return tuple(dict.fromkeys((*self.resolved, *own)))


async def inspect_server(
    target: Target | None,
    ssh: asyncio.Task[SshInspection] | None,
    *,
    hosts: Mapping[str, bool],
    logins: Logins,
    project: str | None = None,
) -> ServerInspection:
    """Connect and gather; errors are part of the result.

    `target` and `ssh`, the inspection of ssh that is still running, are None for this machine; `hosts` are the domains
    whose certificates are fetched, and whether a CA issues each.
    """
    machine = Local() if target is None else connect(target)
    try:
        async with machine, AsyncExitStack() as stack:
            (state, engine), (route, resolved) = await gather2(_engine(machine, stack), _resolve(ssh))
            outside = _outside_addresses(route, resolved)
            (inspection, (jobs, lost, growing)), (served, attempts) = await gather2(
                gather2(_machine(machine, state, outside), _project(machine, engine, state, project)),
                gather2(_certificates(machine, engine, state, hosts), logins.try_on_server(engine)),
            )
            return replace(
                inspection,
                resolved=resolved,
                certificates=tuple(served),
                logins=tuple(attempts),
                jobs=jobs,
                records_lost=lost,
                growth=growing,
            )
    except ServerError as error:
        return ServerInspection(error=error)


async def _engine(machine: Machine, stack: AsyncExitStack) -> tuple[EngineState, Engine | None]:
    """The engine's state, and the engine itself, which stays open until the stack is closed."""
    try:
        url = await machine.engine_url()
        engine = await stack.enter_async_context(Engine(url, name=machine.name, explain=machine.explain))
        async with asyncio.timeout(ENGINE_SECONDS):
            info = await engine.info()
            return EngineState(info, tuple(await engine.containers())), engine
    except TimeoutError:
        text = f"the Docker engine on {machine.name} did not answer within {ENGINE_SECONDS:g} s"
        restart = "`sudo systemctl restart docker`; `sudo journalctl -u docker` shows what it was doing"
        return EngineState(error=ServerError(text, hint=f"on {machine.name}: {restart}")), None
    except FtlError as error:
        return EngineState(error=error), None


async def _machine(machine: Machine, state: EngineState, outside: Sequence[str]) -> ServerInspection:
    """The server's facts, and which of its ports answer from outside."""
    root, store = (state.info.root, state.info.store) if state.info else ("", "")
    facts = await gather_facts(machine, root=root or ROOT, store=store)
    results = None
    if outside:
        candidates = ports.ports_to_try(facts.listeners, state.containers, outside)
        results = tuple(await ports.try_ports(outside, candidates))
    return ServerInspection(
        facts=facts, engine=state, port_results=results, login_output=machine.login_output
    )


async def _project(
    machine: Machine, engine: Engine | None, state: EngineState, project: str | None
) -> tuple[tuple[JobState, ...], bool, DiskGrowth | None]:
    """The project's jobs, whether its records cannot be read, and the disk space of its deploys.

    None where they cannot be asked for, which other findings say.
    """
    own = [container for container in state.containers if container.project == project]
    if engine is None or project is None:
        return (), False, None
    try:
        async with asyncio.timeout(ENGINE_SECONDS):
            crontab = Crontab(machine, project)
            found, records = await gather2(
                job_states(engine, own, crontab=crontab), read_records(engine, project)
            )
            lost = not records and await is_pruned(engine)
    except (TimeoutError, FtlError):
        return (), False, None
    growing = None
    with suppress(TimeoutError, FtlError):  # the engine measures its images for it, which may take long
        async with asyncio.timeout(ENGINE_SECONDS):
            growing = await gather_growth(engine, project, records)
    recorded = stored_project(records)
    # Of several servers one has the jobs, and more have the records.
    jobs = found if recorded.get("servers") else (*found, *lost_jobs(project, recorded, found))
    return jobs, lost, growing


async def _certificates(
    machine: Machine, engine: Engine | None, state: EngineState, hosts: Mapping[str, bool]
) -> list[ServedCertificate]:
    """The certificates that the proxy presents to visitors, if there is one."""
    proxy = proxy_of(state.containers)
    if engine is None or proxy is None:
        return []
    served = await gather(certificates.fetch(machine, host) for host in hosts)
    by_acme = [host for host, is_by_acme in hosts.items() if is_by_acme]
    try:
        return await certificates.with_ca_errors(served, engine, proxy, by_acme)
    except EngineError:  # it is not running, which the check of its ports reports
        return served


async def _resolve(ssh: asyncio.Task[SshInspection] | None) -> tuple[SshRoute | None, tuple[str, ...]]:
    """The route, and the addresses of the server's name; loopback behind a jump host is the jump host's own."""
    route = (await ssh).route if ssh is not None else None
    if route is None:
        return None, ()
    addresses = (await dns.look_up(route.hostname.strip("[]"))).addresses
    return route, tuple(address for address in addresses if not (route.jumps and _is_loopback(address)))


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _outside_addresses(route: SshRoute | None, resolved: Sequence[str]) -> tuple[str, ...]:
    """The addresses at which its ports are tried; none where that would prove nothing."""
    if route is None or route.jumps or any(map(_is_loopback, resolved)):
        return ()
    return ports.by_family(resolved)
