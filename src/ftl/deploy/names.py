"""Names on a server: containers, parked containers and volumes of a project."""

from __future__ import annotations

import hashlib
import posixpath
import re
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.proxy.names import LONGEST_LABEL, overlay_network, project_network, release_alias

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.engine.values import Container


def network_of(project: Project) -> str:
    """The network in which all of a project's containers are."""
    return overlay_network(project.name) if project.is_cluster else project_network(project.name)


def container_names(project: str, service: str, release: str, replicas: int) -> tuple[str, ...]:
    """PROJECT-SERVICE-RELEASE, numbered from 1 where there are several."""
    stem = f"{project}-{service}-{release}"
    return (stem,) if replicas == 1 else tuple(f"{stem}-{number}" for number in range(1, replicas + 1))


def service_name(project: str, service: str, generation: str) -> str:
    """Name of a Swarm service: PROJECT-SERVICE-rN, or its alias where that is too long for DNS."""
    name = f"{project}-{service}-{generation}"
    return name if len(name) <= LONGEST_LABEL else release_alias(project, service, generation)


def parked_name(container: Container) -> str:
    """Name of a dependency's container that is being replaced, until the release is decided.

    The dot keeps it apart from every name of a service or dependency, which have none.
    """
    return f"{container.name}.old-{container.id[:12]}"


def is_parked(container: Container) -> bool:
    """Whether a dependency's container is parked, or was prepared and never used.

    Labels say whose it is. Its name says whether it is parked: the engine can rename a container while it runs, and
    cannot change its labels. It is asked of the project's own containers alone, and they are changed by ID.

    0.1.0 called parked ones PROJECT-NAME-old.
    """
    name = f"{container.labels[labels.PROJECT]}-{container.labels[labels.SERVICE]}"
    return container.name == f"{name}-old" or container.name.startswith((f"{name}.old-", f"{name}.new-"))


def fresh_name(container: str, release: str) -> str:
    """Name of a dependency's new container until it takes the place of the old one."""
    return f"{container}.new-{release}"


def declared_volume(container: str, path: str) -> str:
    """Name of the volume for a path that an image declares as VOLUME; each has its own.

    Slashes become dots. A path with other characters than letters, digits, `_` and `-` also gets two dots, which no
    other name has, and its digest.
    """
    parts = posixpath.normpath(path).strip("/").split("/")
    name = ".".join((container, *(_NO_NAME.sub("-", part) for part in parts)))
    if not any(map(_NO_NAME.search, parts)):
        return name
    return f"{name}..{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:12]}"


_NO_NAME = re.compile(r"[^A-Za-z0-9_-]")


def job_name(project: str, job: str) -> str:
    """Name of the job's container that cron starts; no service's container has dots."""
    return f"{project}.job.{job}"


def is_live_job(container: Container) -> bool:
    """Whether a job's container has the name that cron starts.

    As for `is_parked`, labels say whose it is, and the name which of several is live.
    """
    return container.name == job_name(container.labels[labels.PROJECT], container.labels[labels.JOB])


def stopped_job(container: Container) -> str:
    """Name of a job's container while its service is stopped: no crontab has it."""
    return f"{job_name(container.labels[labels.PROJECT], container.labels[labels.JOB])}.stopped"


def is_stopped_job(container: Container) -> bool:
    """Whether a job's container has the name of a stopped one."""
    return container.name == stopped_job(container)


def parked_job(container: Container) -> str:
    """Name of a job's container that was replaced, and may still run."""
    project, job = container.labels[labels.PROJECT], container.labels[labels.JOB]
    return f"{job_name(project, job)}.old-{container.id[:12]}"


def dependency_tag(project: str, dependency: str, content: str) -> str:
    """Tag of a dependency's built image: PROJECT-NAME:c, the beginning of its content ID."""
    return f"{project}-{dependency}:c{content.removeprefix('sha256:')[:12]}"


def volume_name(project: str, volume: str) -> str:
    """A project's named volume as the engine knows it."""
    return f"{project}_{volume}"
