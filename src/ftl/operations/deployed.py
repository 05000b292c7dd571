"""Projects as deployed, without ftl.yaml: by release records and containers. Read-only."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.config.models.project import Dependency
from ftl.deploy.names import is_parked
from ftl.deploy.plan.records.recorded import not_deployed, on_servers, recorded_project
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.config.models.project import Project
    from ftl.engine.api import Engine
    from ftl.engine.values import Container
    from ftl.host.fleet import Fleet
    from ftl.releases.record import ReleaseRecord


async def deployed_project(engine: Engine, project: Project) -> Project:
    """A project as the live release deployed it, else the newest known one; else as it is given.

    Given are its name and its server, or the servers of its cluster, as this machine reaches them.

    Raises:
        FtlError: A newer FTL wrote the record in a form that this one does not know.
    """
    return next(_recorded(project, await read_records(engine, project.name)), project)


async def with_recorded_dependency(engine: Engine, project: Project, name: str) -> Project:
    """The project of the newest record with a dependency, which ftl.yaml may not have any more.

    Raises:
        FtlError: No record has it.
    """
    records = await read_records(engine, project.name)
    for found in (*_recorded(project, records), project):
        if any(dependency.name == name for dependency in found.dependencies):
            return found
    raise FtlError(
        f"no release record on {engine.name} says how {name} was deployed",
        cause="only those of the releases that are kept do",
    )


async def with_deployed_dependencies(fleet: Fleet, project: Project) -> Project:
    """The project with the dependencies that were deployed: their ports, and their servers.

    Those of the live release, and all others that have a container: they stay when they are taken out of ftl.yaml.

    Raises:
        FtlError: Nothing of the project is there.
    """
    label_map = {labels.PROJECT: project.name}
    listing = gather(session.engine.containers(labels=label_map) for session in fleet)
    lists, records = await gather2(listing, read_records(fleet.first.engine, project.name))
    if not any(one.project for listed in lists for one in listed) and not records:
        raise not_deployed(project.name, ", ".join(fleet.names), FtlError)
    versions = [*_recorded(project, records)]
    found = {dependency.name: dependency for each in versions[:1] for dependency in each.dependencies}
    before = {dependency.name: dependency for each in reversed(versions) for dependency in each.dependencies}
    for session, listed in zip(fleet, lists, strict=True):
        for container in filter(_is_dependency, listed):
            name = container.labels[labels.SERVICE]
            known = before.get(name) or Dependency(
                name=name, image=container.image, ports=_local_ports(container)
            )
            found[name] = replace(known, on=session.name if project.servers else None)
    return replace(project, dependencies=tuple(found.values()))


def _recorded(project: Project, records: Sequence[ReleaseRecord]) -> Iterator[Project]:
    """The project by each record that has it: live releases first, then the others, the newest first.

    Behind the first one, a record that only a newer FTL can read is passed over.
    """
    known = [record for record in reversed(records) if record.project]
    for number, record in enumerate(sorted(known, key=lambda record: record.outcome != "live")):
        with suppress(*((FtlError,) if number else ())):
            yield on_servers(recorded_project(record, project.server), project.servers)


def _is_dependency(container: Container) -> bool:
    return container.role == labels.ROLE_DEPENDENCY and not is_parked(container)


def _local_ports(container: Container) -> tuple[int, ...]:
    ports = (port for port in container.published if port.host_port and port.protocol == "tcp")
    return tuple(sorted({port.container_port for port in ports}))
