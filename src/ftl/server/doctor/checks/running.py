"""Checks of what runs in a cluster: dependencies once, services reached by every proxy."""

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
class Way:
    """A way from a proxy to a live release that was tried.

    Attributes:
        missed: What it did not reach; None: nothing.
    """

    server: str
    service: str
    alias: str
    port: int
    missed: Reach | None


async def check_running(
    project: Project, sessions: Mapping[str, Session], cut_off: Set[str] = frozenset()
) -> list[Finding]:
    """Check what a project has on the servers that can be reached.

    Args:
        project: The project.
        sessions: By server.
        cut_off: Servers of these that the managers do not reach, as other findings say.
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
        ways = [
            way for each in await gather(_ways(project.name, one, ports) for one in asked) for way in each
        ]
    except FtlError as error:
        return [_finding("cluster", f"what runs could not be checked: {error.summary}", None)]
    dependencies = {
        server: [name for role, name in every if role == labels.ROLE_DEPENDENCY]
        for server, every in places.items()
    }
    return [*judge_dependencies(project.name, dependencies), *judge_ways(ways)]


async def _running(project: str, session: Session) -> set[tuple[str, str]]:
    """Role and name of what runs of a project on a server."""
    found = await session.engine.containers(labels={labels.PROJECT: project})
    return {
        (one.role, one.labels.get(labels.SERVICE, ""))
        for one in found
        if one.project and one.state == "running"
    }


async def _ways(project: str, session: Session, ports: Mapping[str, int]) -> list[Way]:
    """The ways from a server's proxy to the live releases of services, by their ports; none without a proxy."""
    proxy = ProxyControl(session.engine, session.machine)
    state = await proxy.observe()
    if state is None or not state.running:
        return []
    live = {name: alias for name in ports if (alias := state.live.get((project, name), ""))}
    missed = await gather(proxy.reach(alias, ports[name], 1, seconds=SECONDS) for name, alias in live.items())
    return [
        Way(session.name, name, alias, ports[name], each)
        for (name, alias), each in zip(live.items(), missed, strict=True)
    ]


def judge_ways(ways: Sequence[Way]) -> Iterator[Finding]:
    """The findings about proxies and the live releases that they send requests to."""
    for way in ways:
        if way.missed is None:
            continue
        others = {other.alias for other in ways if other.service == way.service and other.missed is None}
        if way.missed.silent:
            yield _finding(
                way.server,
                f"{way.server} does not reach {way.service}: {', '.join(way.missed.silent)} does not answer on port "
                f"{way.port}",
                f"open 4789/udp between the servers, in both directions; {ftl('setup')} tries the network between them",
            )
        elif others and way.alias not in others:
            text = f"{way.server} sends requests for {way.service} to a release that is gone"
            yield _finding(way.server, text, f"{ftl('deploy')} brings it up to date")
        else:
            # Names of services can be lost after servers were cut off from each other (moby#53141).
            text = f"{way.server} does not find {way.service}: its name is not known there"
            yield _finding(way.server, text, f"{ftl(f'restart {way.service}')} gives it another name")
    if ways and all(way.missed is None for way in ways):
        names = ", ".join(dict.fromkeys(way.service for way in ways))
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
