"""Same: whether two releases run the same images and settings, as the planner sees it. Pure."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.config.models.project import Server
from ftl.deploy.plan.desired.specs import service_container
from ftl.deploy.plan.records.recorded import recorded_project
from ftl.errors import FtlError
from ftl.proxy.project_site import site_of

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseRecord


def runs_same(one: ReleaseRecord, other: ReleaseRecord) -> bool:
    """Whether a rollback from one to the other would change nothing.

    A record that cannot be read, or does not say what it ran, is another one: restoring it says what is wrong with it.
    """
    if one.release == other.release:
        return True
    runs = what_runs(one)
    return runs is not None and runs == what_runs(other)


def what_runs(record: ReleaseRecord) -> tuple[object, ...] | None:
    """Images, containers, routes and jobs of a release, to be compared with those of another.

    Not its dependencies, which stay as they are in a rollback. None: the record cannot be read, or does not say which
    image a service ran.
    """
    with suppress(FtlError):
        return _running(record)
    return None


def _running(record: ReleaseRecord) -> tuple[object, ...] | None:
    project = recorded_project(record, Server(host=""))
    contents = {name: entry.content for name, entry in record.services.items() if entry.content}
    if not contents.keys() >= {service.name for service in project.services}:
        return None
    containers = {
        service.name: (
            contents[service.name],
            service_container(project, service).config,
            service.replicas,
        )
        for service in project.services
    }
    site = site_of(project)
    return containers, site.routes, site.redirects, site.h2c, project.jobs
