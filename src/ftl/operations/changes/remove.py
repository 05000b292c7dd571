"""Remove a project from its server: routes, containers, networks, images, volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_str
from ftl.common.references import configured_reference
from ftl.dataclass import dataclass
from ftl.deploy.opening import open_operation
from ftl.deploy.plan.checks.previews import is_deployed
from ftl.deploy.plan.jobs import by_server
from ftl.deploy.plan.leftovers import project_tags
from ftl.deploy.plan.model import Plan, PlannedChange, Stage
from ftl.deploy.plan.records.pulled import images_of_removed
from ftl.deploy.plan.servers.catch_up import end_of_catch_up
from ftl.deploy.plan.steps.containers import RemoveVolumes
from ftl.deploy.plan.steps.images import DropPulled, DropTags, RemoveImages
from ftl.deploy.plan.steps.jobs import DeleteRunHistory, RemoveBackups, WriteCrontab
from ftl.deploy.plan.steps.proxy import RemoveNetworks, RemoveSite
from ftl.deploy.plan.steps.records import AmendRecords, SetHold, SetPreview
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP, STOP_SECONDS, removal_tracks
from ftl.deploy.plan.tracks.notifications import ended_notifications
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from ftl.events import Note
from ftl.execution.stages import compact
from ftl.host.backup_folders import stored_folders
from ftl.operations.changes.prune import images_here
from ftl.releases.record import backup_folders_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.opening import PreparedOperation
    from ftl.deploy.operation import OperationRequest
    from ftl.engine.values import Container, Image
    from ftl.events import Emit
    from ftl.host.backup_folders import StoredFolder
    from ftl.releases.record import ReleaseRecord
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class ProjectObjects:
    """Containers, networks, volumes and routes of a project, by name.

    Attributes:
        kept_volumes: Volumes that stay, since it was not asked to remove them.
        backups: Folders with scheduled backups.
        kept_backups: Those that stay, likewise.
    """

    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    kept_volumes: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    backups: tuple[StoredFolder, ...] = ()
    kept_backups: tuple[StoredFolder, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """A removal that was done, or planned."""

    plan: Plan
    project_objects: ProjectObjects


async def remove(
    request: OperationRequest,
    machines: Sequence[Machine],
    *,
    volumes: bool,
    backups: bool,
    emit: Emit,
    confirm: Callable[[ProjectObjects], Awaitable[None]],
    preview: tuple[str, str] | None = None,
) -> RemoveResult:
    """Remove a project; a dry run only lists its containers and volumes, and does not ask.

    `confirm` raises where it must not go on. Of a preview the identity is given: the project must be that one, and
    where nothing is left of it, there is nothing to do.

    Raises:
        UsageError: It has nothing there, or is not that preview.
        ServerError, LockTaken, EngineError.
    """
    async with open_operation(request, machines, emit) as prepared:
        if preview is not None and not is_deployed(prepared.observed, preview):
            # Its time is over, and the server has removed it.
            return RemoveResult(Plan(prepared.observed.server, request.project, "", ()), ProjectObjects())
        stored = await _stored(prepared, emit, needed=backups, at_all=preview is None)
        going = stored if backups else ()
        kept = () if backups else stored
        found = project_objects(prepared.observed, going, kept, volumes=volumes)
        # Not only what is listed: a removal that was killed may have left images, or values of env in records.
        if plan_remove(prepared.observed, backups=going, volumes=volumes).empty:
            raise UsageError(
                f"{prepared.observed.server} has nothing of {request.project}" + _but(found),
                hint=_removes_it(found),
            )
        here = await images_here(request.project)
        if not request.dry_run:
            await confirm(found)
        applied = await prepared.run(
            request.bare_project,
            lambda server: plan_remove(server, here, going, volumes=volumes),
            emit=emit,
        )
    # Others may have changed it while this asked, and waited for the lock.
    return RemoveResult(applied.plan, project_objects(applied.observed, going, kept, volumes=volumes))


def project_objects(
    observed: Observed,
    backups: tuple[StoredFolder, ...] = (),
    kept_backups: tuple[StoredFolder, ...] = (),
    *,
    volumes: bool,
) -> ProjectObjects:
    """List the belongings of the project; its own labels decide. Pure."""
    site = observed.site
    names = tuple(sorted({volume.name for volume in observed.volumes if _owns(observed, volume.labels)}))
    return ProjectObjects(
        containers=tuple(sorted(container.name for container in _containers(observed))),
        networks=tuple(
            sorted({network.name for network in observed.networks if _owns(observed, network.labels)})
        ),
        volumes=names if volumes else (),
        kept_volumes=() if volumes else names,
        routes=tuple(f"{route.host or 'any host'}{route.path}" for route in site.routes)
        if site is not None
        else (),
        backups=backups,
        kept_backups=kept_backups,
    )


def _of_removed(record: ReleaseRecord) -> ReleaseRecord:
    return replace(
        record.without_values(), outcome="replaced" if record.outcome == "live" else record.outcome
    )


def plan_remove(
    observed: Observed, here: Sequence[Image] = (), backups: Sequence[StoredFolder] = (), *, volumes: bool
) -> Plan:
    """Plan the removal of all that the project has, also of folders of backups. Pure.

    `here` are the project's images on this machine. Named volumes go only if that is asked for.
    """
    found = project_objects(observed, volumes=volumes)
    timeouts = _stop_timeouts(observed)
    # On any of them: a removal that was cut may have reached one proxy, and not the next.
    proxies = (server.proxy for server in observed.proxies if server.proxy is not None)
    proxied = any(proxy.has_traces(observed.project) for proxy in proxies)
    services = [*observed.services, *observed.of_role(labels.ROLE_HOOK)]
    service_ids = {container.id for container in services}
    others = [container for container in _containers(observed) if container.id not in service_ids]
    images = [image for image in observed.images if _owns(observed, image.labels)]
    # `latest` is of a build with `build.on: server`; each server of a cluster has the tags
    tags = tuple(dict.fromkeys(project_tags(observed.project, images, latest=True)))
    tags_here = project_tags(observed.project, here, latest=True)
    untagged = tuple(dict.fromkeys(image.id for image in images if not image.tags))
    pulled = images_of_removed(observed)
    records = tuple(amended for record in observed.releases if record != (amended := _of_removed(record)))
    jobs = {
        server: tuple(sorted({container.labels[labels.JOB] for container in containers}))
        for server, containers in by_server(observed, observed.of_role(labels.ROLE_JOB)).items()
    }
    runs = {
        view.name: tuple(sorted({*view.jobs, *jobs.get(view.name, ())}))
        for view in observed.servers
        if view.jobs
    }
    folders = tuple(each.folder for each in backups)
    ends_preview = observed.preview is not None and not found.kept_volumes
    first: tuple[Stage, ...] = (
        Stage(
            "crontab",
            tuple(
                (WriteCrontab(observed.project, (), removed=names, servers=_at(server)),)
                for server, names in jobs.items()
            ),
        ),
        Stage("routes", ((RemoveSite(observed.project),) if proxied else (),)),
    )
    rest: tuple[Stage, ...] = (
        Stage("services", removal_tracks(services, "removed", lambda name: timeouts.get(name, STOP_SECONDS))),
        Stage("dependencies", removal_tracks(others, "removed", lambda _: DEPENDENCY_STOP)),
        # Their jobs make none any more, and the images that read them are still there.
        Stage("backups", ((RemoveBackups(observed.project, folders),) if folders else (),)),
        Stage(
            "data",
            (
                (RemoveNetworks(found.networks),) if found.networks else (),
                (RemoveVolumes(found.volumes),) if found.volumes else (),
                (DropTags(tags),) if tags else (),
                (DropTags(tags_here, here=True),) if tags_here else (),
                (RemoveImages(untagged),) if untagged else (),
                (DropPulled(pulled),) if pulled else (),
            ),
        ),
        Stage(
            "records",
            (
                (AmendRecords(observed.project, records, "removed"),) if records else (),
                (SetHold(observed.project, None),) if observed.hold is not None else (),
                tuple(
                    DeleteRunHistory(observed.project, names, servers=_at(server))
                    for server, names in runs.items()
                ),
                ended_notifications(observed),
                # What is deployed under this name later must not be removed at the preview's end, but volumes that
                # stay must.
                (SetPreview(observed.project, None),) if ends_preview else (),
            ),
        ),
    )
    stages = compact((*first, *rest))
    if observed.is_cluster and stages:
        # Before the rest goes: a removal that is cut here, and done again, must not leave private keys in the Swarm.
        stages = (*compact(first), end_of_catch_up(observed), *compact(rest))
    return Plan.without_release(observed, stages, tuple(_changes(observed)))


async def _stored(
    prepared: PreparedOperation, emit: Emit, *, needed: bool, at_all: bool
) -> tuple[StoredFolder, ...]:
    """The scheduled backups, which are where jobs run; those that stay are only named, where they can be read.

    They may be where the records of releases say, too: of a removal that was cut, the jobs that tell it are gone. Where
    they are `needed` and cannot be read, that is an error if nothing is removed without them (`at_all`), else a
    warning.

    Raises:
        FtlError: That server does not answer, or has nothing that reads them, and they are needed.
    """
    request = prepared.request
    try:
        storage = prepared.fleet.require(request.servers[0].host if request.servers else "")
        return await stored_folders(storage, request.project, backup_folders_of(prepared.observed.releases))
    except FtlError as error:
        if needed and at_all:
            raise
        if needed:
            emit(Note(f"scheduled backups may stay: {error}", "warning", hint=error.hint))
        return ()


def _but(found: ProjectObjects) -> str:
    """Text about objects that were kept."""
    volumes = f"its volumes {', '.join(found.kept_volumes)}" if found.kept_volumes else ""
    folders = ", ".join(each.folder.path for each in found.kept_backups)
    left = [*filter(None, (volumes, f"the scheduled backups in {folders}" if folders else ""))]
    return f" except {' and '.join(left)}" if left else ""


def _removes_it(found: ProjectObjects) -> str | None:
    if found.kept_volumes:
        return "`--volumes` removes them with their data"
    return "`--backups` removes them" if found.kept_backups else None


def _stop_timeouts(observed: Observed) -> dict[str, float]:
    """Service -> seconds that its containers get to stop, by the live release's record."""
    entries = observed.live_sections("services")
    timeouts = {as_str(entry.get("name")): entry.get("stop_timeout") for entry in entries}
    return {name: float(value) for name, value in timeouts.items() if isinstance(value, (int, float))}


def _changes(observed: Observed) -> Iterable[PlannedChange]:
    seen = {
        container.labels.get(labels.SERVICE, container.name): container for container in _containers(observed)
    }
    for name, container in sorted(seen.items()):
        is_dependency = container.role == labels.ROLE_DEPENDENCY
        image = configured_reference(container.image)
        yield PlannedChange(name, "removed", "", image, "dependency" if is_dependency else "service")


def _containers(observed: Observed) -> tuple[Container, ...]:
    return tuple(container for container in observed.containers if container.project == observed.project)


def _at(server: str) -> tuple[str, ...]:
    """The `servers` of a step on one server."""
    return (server,) if server else ()


def _owns(observed: Observed, label_map: Mapping[str, str]) -> bool:
    return label_map.get(labels.PROJECT) == observed.project
