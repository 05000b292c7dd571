"""Selection of a project's container on its servers, by service or dependency and replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.figures import count
from ftl.common.next_step import ftl
from ftl.common.suggestions import select_names
from ftl.deploy.names import is_parked
from ftl.deploy.observe.swarm import located_container
from ftl.deploy.replicas import generation_of, number_of
from ftl.engine import labels
from ftl.errors import FtlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.observe.observer import Observe
    from ftl.engine.values import Container
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session


Located = tuple["Session", "Container"]
"""A container, and the server that it is on."""


async def select_container(
    fleet: Fleet,
    project: str,
    name: str,
    *,
    observe: Observe,
    replica: int | None = None,
    servers: Sequence[ClusterServer] = (),
) -> Located:
    """A running container of a dependency or of the live release; usually one round trip.

    Replicas count from 1; without a number it is the first that runs. `servers` are those of a cluster.

    Raises:
        UsageError: There is no service or dependency of this name, or no such replica.
        FtlError: It is not deployed, or does not run.
    """
    replicas = await live_containers(fleet, project, name, observe, servers)
    names = fleet.names
    if replica is None:
        chosen = next((located for located in replicas if located[1].state == "running"), replicas[0])
    elif replica <= len(replicas):
        chosen = replicas[replica - 1]
    else:
        verb = "have" if len(names) > 1 else "has"
        raise UsageError(
            f"there is no replica {replica} of {name}",
            hint=f"{', '.join(names)} {verb} {count(len(replicas), 'replica')} of it",
        )
    session, container = chosen
    if container.state != "running":
        raise FtlError(
            f"{short_name(project, container)} does not run on {session.name}",
            cause=container.status.lower() or container.state,
            hint=f"{ftl(f'logs {name}')} shows its last lines, {ftl('status')} what runs",
        )
    return chosen


async def live_containers(
    fleet: Fleet, project: str, name: str, observe: Observe, servers: Sequence[ClusterServer] = ()
) -> Sequence[Located]:
    """The containers of a dependency, or of a service's live release, by replica.

    Only where several releases have containers (a deploy is under way, or was interrupted) are the servers asked for
    more than their lists. So this works in a cluster without a majority of managers, too.

    Raises:
        UsageError: There is no service or dependency of this name.
        FtlError: The project is not deployed.
    """
    sessions = list(fleet)
    lists = await gather(session.engine.containers(labels={labels.PROJECT: project}) for session in sessions)
    units = [
        (session, container)
        for session, listed in zip(sessions, lists, strict=True)
        for container in listed
        if _is_unit(container)
    ]
    if not units:
        from ftl.deploy.plan.records.recorded import not_deployed

        raise not_deployed(project, ", ".join(fleet.names), FtlError)
    known = sorted({container.labels.get(labels.SERVICE, "") for _, container in units})
    select_names([name], known, kind="service or dependency")
    chosen = [unit for unit in units if unit[1].labels.get(labels.SERVICE) == name]
    chosen = _without_past_tasks(chosen)
    if len({(container.labels.get(labels.RELEASE), generation_of(container)) for _, container in chosen}) > 1:
        observed = await observe(fleet, project, servers)
        located = [located_container(observed, container) for container in observed.live_containers(name)]
        chosen = [(fleet.at(each[0]), each[1]) for each in located if each is not None] or chosen
    return sorted(chosen, key=lambda each: (_number(each[1]), each[1].name))


def _without_past_tasks(replicas: list[Located]) -> list[Located]:
    """The replicas without those of ended tasks, where others of the Swarm service run: a node keeps some."""
    running = {
        container.labels.get(labels.SWARM_SERVICE)
        for _, container in replicas
        if container.state == "running"
    }
    return [
        (session, container)
        for session, container in replicas
        if container.state == "running"
        or labels.SWARM_TASK not in container.labels
        or container.labels.get(labels.SWARM_SERVICE) not in running
    ]


def _number(container: Container) -> int:
    """Number of a replica; that of a task is in its name, SERVICE.SLOT.TASK."""
    slot = container.labels.get(labels.SWARM_TASK_NAME, "").split(".")[-2:-1]
    return int(slot[0]) if slot and slot[0].isdigit() else number_of(container)


def _is_unit(container: Container) -> bool:
    role = container.role
    return role == labels.ROLE_SERVICE or (role == labels.ROLE_DEPENDENCY and not is_parked(container))


def short_name(project: str, container: Container) -> str:
    """A container's name without its project: "web-r5", "web-r5-2", "postgres"."""
    return container.name.removeprefix(f"{project}-")
