"""Names whose logs there are: those of a project, and others that the server has. Read-only.

A service that was taken out of ftl.yaml runs until the next deploy, and is in the records of releases for longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather, gather2
from ftl.common.json_fields import as_str
from ftl.common.suggestions import select_names
from ftl.config.models.backup import JOB_PREFIX
from ftl.deploy.plan.records.recorded import not_deployed
from ftl.engine import labels
from ftl.errors import FtlError
from ftl.host.job_logs import stored_run_logs
from ftl.operations.deployed import deployed_project
from ftl.operations.views.logs.query import names_of
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.config.models.project import Project
    from ftl.engine.values import Container
    from ftl.host.fleet import Fleet
    from ftl.operations.views.logs.query import LogQuery
    from ftl.releases.record import ReleaseRecord

_UNITS = (labels.ROLE_SERVICE, labels.ROLE_DEPENDENCY)


async def deployed_names(fleet: Fleet, project: Project, *, jobs: bool) -> tuple[str, ...]:
    """Names of a project as it was deployed, then all others that have a container.

    Raises:
        FtlError: Nothing of the project is there.
    """
    listing = gather(session.engine.containers(labels={labels.PROJECT: project.name}) for session in fleet)
    lists, deployed = await gather2(listing, deployed_project(fleet.first.engine, project))
    if not any(one.project for listed in lists for one in listed) and deployed is project:
        raise not_deployed(project.name, ", ".join(fleet.names), FtlError)
    there = sorted({name for listed in lists for name in _of_containers(listed, jobs=jobs)})
    return tuple(dict.fromkeys((*names_of(deployed, jobs=jobs), *there)))


async def require_known(
    fleet: Fleet,
    query: LogQuery,
    missing: Sequence[str],
    own: Sequence[str],
    *,
    needs_container: bool,
    source: str = "ftl.yaml",
) -> None:
    """Refuse names that the servers do not have either.

    `missing` are those that `source` does not have, `own` those that it has. What `needs_container` is in a container's
    log, and nowhere else.

    Raises:
        UsageError: Neither ftl.yaml nor a server has such a name.
        FtlError: Only records of releases have it, and its container is gone.
    """
    listing = gather(session.engine.containers(labels={labels.PROJECT: query.project}) for session in fleet)
    lists, records = await gather2(listing, read_records(fleet.first.engine, query.project))
    there = {name for listed in lists for name in _of_containers(listed, jobs=query.jobs)}
    there |= await _with_kept_runs(fleet, query, [name for name in missing if name not in there])
    recorded = {name: record.release for record in records for name in _of_record(record, query)}
    kind = "job" if query.jobs else "service or dependency"
    select_names(missing, list(dict.fromkeys((*own, *sorted(there), *sorted(recorded)))), kind=kind)
    gone = next((name for name in missing if name not in there), None)
    if gone is not None and needs_container:
        raise FtlError(
            f"no container of {gone} is left on {', '.join(fleet.names)}",
            cause=f"{source} does not have it, and the last release with it is {recorded[gone]}",
            hint="logs are removed with their container; only a failed release keeps its last lines",
        )


async def _with_kept_runs(fleet: Fleet, query: LogQuery, names: Sequence[str]) -> set[str]:
    """Jobs without a container of whose runs some lines are kept."""
    asked = [(session, name) for session in fleet for name in names] if query.jobs else []
    stored = await gather(stored_run_logs(session.engine, query.project, name) for session, name in asked)
    return {name for (_, name), logs in zip(asked, stored, strict=True) if logs}


def _of_containers(containers: Sequence[Container], *, jobs: bool) -> Iterator[str]:
    roles, label = ((labels.ROLE_JOB,), labels.JOB) if jobs else (_UNITS, labels.SERVICE)
    for container in containers:
        if container.role in roles:
            yield container.labels[label]


def _of_record(record: ReleaseRecord, query: LogQuery) -> Iterator[str]:
    if not query.jobs:
        yield from (*record.services, *record.dependencies, *(line.service for line in record.logs))
        return
    for job in record.sections("jobs"):
        yield as_str(job.get("name"))
    for backup in record.sections("backups"):
        yield f"{JOB_PREFIX}{as_str(backup.get('dependency'))}"
