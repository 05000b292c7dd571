"""Checks of what runs on the servers of a cluster: dependencies of which there are two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.engine import labels
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.host.session import Session


async def check_running(project: str, sessions: Mapping[str, Session]) -> list[Finding]:
    """Check what a project has on the servers that can be reached.

    Raises:
        EngineError: From an engine.
    """
    names = await gather(_dependencies(project, each) for each in sessions.values())
    return list(judge_dependencies(project, dict(zip(sessions, names, strict=True))))


async def _dependencies(project: str, session: Session) -> tuple[str, ...]:
    """Names of a project's dependencies that run on a server."""
    own = {labels.PROJECT: project, labels.ROLE: labels.ROLE_DEPENDENCY}
    found = await session.engine.containers(labels=own)
    return tuple(one.labels[labels.SERVICE] for one in found if one.state == "running")


def judge_dependencies(project: str, places: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """The findings about dependencies, by the servers that they run on.

    A server that was away came back with one that was started elsewhere meanwhile.
    """
    for name in sorted({name for names in places.values() for name in names}):
        servers = [server for server, names in places.items() if name in names]
        if len(servers) > 1:
            yield Finding(
                "there",
                name,
                "problem",
                f"{name} runs on {' and '.join(servers)}, and all of them answer to its name",
                f"keep the one with the data, and `docker rm -f {project}-{name}` on the others, whose volumes stay",
            )
