"""Data writers: others' containers that write to volumes of a container to be started.

Compose's database still runs on the volume that ftl.yaml takes over, or another project's dependency does. Plans stop
and replace the project's own containers in order (`ftl.deploy.plan.exclusive`); those of others are never touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.deploy.names import declared_volume
from ftl.deploy.plan.changes import DependencyChange
from ftl.deploy.plan.exclusive import writable_volumes
from ftl.deploy.plan.servers.placement import desired_server
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.plan.exclusive import AnyChange
    from ftl.engine.values import Container

_STATES = ("running", "restarting", "paused")

_NO_DATA = ("/dev", "/etc", "/proc", "/run", "/sys", "/tmp", "/var/run")  # noqa: S108 - nothing is written there
"""Folders of a server with devices, sockets and settings, which many containers may have at once."""


def refuse_other_writers(diff: Diff) -> None:
    """Refuse to start a dependency, or a `recreate` service, on data that others write to.

    Raises:
        UsageError: Names the container that has the data. Nothing was touched.
    """
    for change in _exclusive(diff):
        sources = {source for source in _data_of(diff, change) if not _is_without_data(source)}
        for container in _others(diff, change):
            shared = sources & writable_volumes(container.mounts)
            if shared and container.state in _STATES:
                image = "" if container.image == container.image_id else f"{container.image}, "
                raise UsageError(
                    f"{change.name} would start on {min(shared)} on {diff.observed.server}, to which the container "
                    f"{container.name} ({image}{container.state}) writes",
                    hint=f"two programs on the same files destroy them: {_remedy(container)}",
                )


def _exclusive(diff: Diff) -> Iterator[AnyChange]:
    """Changes that start what must have its data alone."""
    yield from (change for change in diff.dependencies if change.action != "unchanged")
    alone = (change for change in diff.services if change.service.recreate)
    yield from (change for change in alone if change.action != "unchanged")


def _data_of(diff: Diff, change: AnyChange) -> set[str]:
    """Volumes and folders that a container would write to; of an image's VOLUMEs those that it had before."""
    if not isinstance(change, DependencyChange):
        return writable_volumes(change.desired.spec.mounts)
    container = f"{diff.project.name}-{change.name}"
    before = () if change.current is None else change.current.mounts
    kept = [
        mount
        for mount in before
        if change.action == "restarted" or mount.source == declared_volume(container, mount.target)
    ]
    return writable_volumes((*(change.desired.spec.mounts if change.starts else ()), *kept))


def _others(diff: Diff, change: AnyChange) -> Iterator[Container]:
    """Containers of others on the server that a container starts on."""
    observed = diff.observed
    server = desired_server(diff, change) if observed.is_cluster else ""
    for view in observed.servers:
        if view.name == server:
            yield from (one for one in view.containers if one.project != observed.project)


def _is_without_data(source: str) -> bool:
    return any(source == folder or source.startswith(f"{folder}/") for folder in _NO_DATA)


def _remedy(container: Container) -> str:
    project, name = container.project, container.labels.get(labels.SERVICE)
    if project and name:
        return f"{ftl(f'stop {name} --project {project}')} stops it, or name another volume in ftl.yaml"
    stop = f"docker update --restart no {container.name} && docker stop {container.name}"
    return f"`{stop}` on the server stops it for good, or name another volume in ftl.yaml"
