"""Selection of a project's container on its server, by service or dependency and replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.names import is_parked
from ftl.deploy.observe.state import observe
from ftl.deploy.replicas import generation_of, number_of
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.suggestions import select_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.engine.values import Container
    from ftl.host.session import Session


async def select_container(
    session: Session, project: str, name: str, *, replica: int | None = None
) -> Container:
    """A running container of a dependency or of the live release; usually one round trip.

    Args:
        session: The server.
        project: The project's name.
        name: One of its services and dependencies.
        replica: From 1 on; None: the first that runs.

    Raises:
        UsageError: There is no service or dependency of this name, or no such replica.
        FtlError: It is not deployed, or does not run.
    """
    replicas = await live_containers(session, project, name)
    if replica is None:
        chosen = next((one for one in replicas if one.state == "running"), replicas[0])
    elif replica <= len(replicas):
        chosen = replicas[replica - 1]
    else:
        count = "1 replica" if len(replicas) == 1 else f"{len(replicas)} replicas"
        raise UsageError(f"there is no replica {replica} of {name}", hint=f"{session.name} has {count} of it")
    if chosen.state != "running":
        raise FtlError(
            f"{short_name(project, chosen)} does not run on {session.name}",
            cause=chosen.status.lower() or chosen.state,
            hint=f"`ftl logs {name}` shows its last lines, `ftl status` what runs",
        )
    return chosen


async def live_containers(session: Session, project: str, name: str) -> Sequence[Container]:
    """The containers of a dependency, or of a service's live release, by replica.

    Only where several releases have containers (a deploy is under way, or was interrupted) is the server asked for
    more than their list.

    Raises:
        UsageError: There is no service or dependency of this name.
        FtlError: The project is not deployed.
    """
    listed = await session.engine.containers(labels={labels.PROJECT: project})
    units = [container for container in listed if _is_unit(container)]
    if not units:
        from ftl.deploy.plan.records.recorded import not_deployed

        raise not_deployed(project, session.name, FtlError)
    known = sorted({container.labels.get(labels.SERVICE, "") for container in units})
    select_names([name], known, kind="service or dependency")
    containers = [container for container in units if container.labels.get(labels.SERVICE) == name]
    if len({(one.labels.get(labels.RELEASE), generation_of(one)) for one in containers}) > 1:
        observed = await observe(session.engine, session.info, project, session.name)
        containers = [*observed.live_containers(name)] or containers
    return sorted(containers, key=lambda one: (number_of(one), one.name))


def _is_unit(container: Container) -> bool:
    role = container.labels.get(labels.ROLE)
    return role == labels.ROLE_SERVICE or (role == labels.ROLE_DEPENDENCY and not is_parked(container))


def short_name(project: str, container: Container) -> str:
    """A container's name without its project: "web-r5", "web-r5-2", "postgres"."""
    return container.name.removeprefix(f"{project}-")
