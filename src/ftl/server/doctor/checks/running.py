"""Checks of containers in a cluster: dependencies once, services reached by every proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.proxy.control import ProxyControl
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from ftl.config.models.project import Project
    from ftl.host.session import Session
    from ftl.proxy.reach import Reach

SECONDS = 3.0
"""Limit for a proxy to find and reach a live release, which it has known for long."""


@dataclass(frozen=True, slots=True)
class ReachAttempt:
    """An attempt to reach a live release from a server's proxy; `missed` is None where it did."""

    server: str
    service: str
    alias: str
    port: int
    missed: Reach | None


async def check_running(
    project: Project, sessions: Mapping[str, Session], cut_off: Set[str] = frozenset()
) -> list[Finding]:
    """Check a project's containers and proxies on the servers that answer.

    `cut_off` are those of them that the managers do not reach, as other findings say.
    """
    try:
        places = dict(
            zip(
                sessions,
                await gather(_running(project.name, each) for each in sessions.values()),
                strict=True,
            )
        )
        services = {name for every in places.values() for role, name in every if role == labels.ROLE_SERVICE}
        ports = {
            service.name: service.proxied_port
            for service in project.services
            if service.proxied_port is not None and service.name in services
        }
        asked = [session for server, session in sessions.items() if server not in cut_off]
        attempts = [
            tried
            for each in await gather(_attempts(project.name, one, ports) for one in asked)
            for tried in each
        ]
    except FtlError as error:
        return [_finding("cluster", f"what runs could not be checked: {error.summary}", None)]
    dependencies = {
        server: [name for role, name in every if role == labels.ROLE_DEPENDENCY]
        for server, every in places.items()
    }
    return [*judge_dependencies(project.name, dependencies), *judge_attempts(attempts)]


async def _running(project: str, session: Session) -> set[tuple[str, str]]:
    """Role and name of a project's running containers on a server."""
    found = await session.engine.containers(labels={labels.PROJECT: project})
    return {
        (one.role, one.labels.get(labels.SERVICE, ""))
        for one in found
        if one.project and one.state == "running"
    }


async def _attempts(project: str, session: Session, ports: Mapping[str, int]) -> list[ReachAttempt]:
    """Attempts to reach the live releases of services, by their ports, from a server's proxy; none without one."""
    proxy = ProxyControl(session.engine, session.machine)
    state = await proxy.observe()
    if state is None or not state.running:
        return []
    live = {name: alias for name in ports if (alias := state.live.get((project, name), ""))}
    missed = await gather(proxy.reach(alias, ports[name], 1, seconds=SECONDS) for name, alias in live.items())
    return [
        ReachAttempt(session.name, name, alias, ports[name], each)
        for (name, alias), each in zip(live.items(), missed, strict=True)
    ]


def judge_attempts(attempts: Sequence[ReachAttempt]) -> Iterator[Finding]:
    """The findings about proxies and the live releases that they send requests to."""
    for tried in attempts:
        if tried.missed is None:
            continue
        others = {
            other.alias for other in attempts if other.service == tried.service and other.missed is None
        }
        if tried.missed.silent:
            yield _finding(
                tried.server,
                f"{tried.server} does not reach {tried.service}: {', '.join(tried.missed.silent)} does not answer on "
                f"port {tried.port}",
                f"open 4789/udp between the servers, in both directions; {ftl('setup')} tries the network between them",
            )
        elif others and tried.alias not in others:
            text = f"{tried.server} sends requests for {tried.service} to a release that is gone"
            yield _finding(tried.server, text, f"{ftl('deploy')} brings it up to date")
        else:
            # Names of services can be lost after servers were cut off from each other (moby#53141).
            text = f"{tried.server} does not find {tried.service}: its name is not known there"
            yield _finding(tried.server, text, f"{ftl(f'restart {tried.service}')} gives it another name")
    if attempts and all(tried.missed is None for tried in attempts):
        names = ", ".join(dict.fromkeys(tried.service for tried in attempts))
        yield Finding("there", "cluster", "ok", f"every proxy reaches {names}")


def judge_dependencies(project: str, places: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """The findings about dependencies, by the servers that they run on.

    A server that was away came back with one that was started elsewhere meanwhile.
    """
    for name in sorted({name for names in places.values() for name in names}):
        servers = [server for server, names in places.items() if name in names]
        if len(servers) > 1:
            yield _finding(
                name,
                f"{name} runs on {' and '.join(servers)}, and all of them answer to its name",
                f"keep the one with the data, and `docker rm -f {project}-{name}` on the others, whose volumes stay",
            )


def _finding(name: str, what: str, fix: str | None) -> Finding:
    return Finding("there", name, "problem", what, fix)
