"""Major versions of databases: refuse another one on data that exists.

PostgreSQL refuses the data of another major version once its old server is down; MySQL, MariaDB and MongoDB change it
for good, so that the old version could not be started again if the deploy failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import as_str
from ftl.common.references import configured_reference
from ftl.databases import major_version
from ftl.deploy.names import declared_volume
from ftl.deploy.plan.reasons import DEPENDENCIES, SERVICES, recorded_section
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import DependencyChange, ServiceChange
    from ftl.deploy.plan.diff import Diff
    from ftl.engine.values import Container


def refuse_major_versions(diff: Diff) -> None:
    """Refuse a plan that starts another major version of a database on a volume that is in use.

    Raises:
        UsageError: Nothing was touched; the hint is the way to the new version.
    """
    for change, image in _starting(diff):
        new = major_version(image)
        if new is None:
            continue
        for container in _users(diff.observed, change):
            old = major_version(_image(diff.observed, container))
            if old is not None and old != new:
                database, number = old
                data = f"the data of {database.title} {number}"
                raise UsageError(
                    f"{change.name}: {image} would start on {data} on {diff.observed.server}",
                    hint=f"dump the data (`{database.dump_all}` in {container.name}), name another volume in ftl.yaml, "
                    f"deploy, and load the dump; or keep {database.image}:{number}",
                )


def _starting(diff: Diff) -> Iterator[tuple[ServiceChange | DependencyChange, str]]:
    yield from ((change, diff.configured_image(change)) for change in diff.starting)
    yield from ((change, change.dependency.image) for change in diff.dependencies if change.starts)


def _users(observed: Observed, change: ServiceChange | DependencyChange) -> Iterator[Container]:
    """Containers of the project, running or not, with a volume that the new one writes to."""
    sources = {mount.source for mount in change.desired.spec.mounts if not mount.read_only}
    name = f"{observed.project}-{change.name}"
    for container in (*observed.of_role(labels.ROLE_DEPENDENCY), *observed.services):
        own = container.labels[labels.SERVICE] == change.name
        for mount in container.mounts:
            declared = own and mount.source == declared_volume(name, mount.target)
            if mount.source in sources or declared:
                yield container
                break


def _image(observed: Observed, container: Container) -> str:
    """Image of a container by name; engines list the ID once a tag stands for another image."""
    image = configured_reference(container.image)
    if major_version(image) is not None:
        return image
    sections = DEPENDENCIES if container.role == labels.ROLE_DEPENDENCY else SERVICES
    return as_str(recorded_section(observed, sections, container.labels[labels.SERVICE]).get("image"))
