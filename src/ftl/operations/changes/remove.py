"""Remove a project from its server: routes, containers, networks, images, volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_objects, as_str
from ftl.config.models.project import Project, ProjectInfo
from ftl.dataclass import dataclass
from ftl.deploy.plan.catch_up import end_of_catch_up
from ftl.deploy.plan.checks.previews import is_deployed
from ftl.deploy.plan.leftovers import project_tags
from ftl.deploy.plan.model import Change, Plan, Stage, compact
from ftl.deploy.plan.pins import configured_reference
from ftl.deploy.plan.steps.containers import RemoveVolumes, StopAndRemove
from ftl.deploy.plan.steps.images import DropTags, RemoveImages
from ftl.deploy.plan.steps.jobs import WriteCrontab
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.deploy.plan.steps.proxy import RemoveNetworks, RemoveSite
from ftl.deploy.plan.steps.records import AmendRecords, SetHold, SetPreview
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP, STOP_SECONDS, refs
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.operations.changes.change import open_change
from ftl.operations.changes.prune import images_here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Track
    from ftl.engine.values import Container, Image
    from ftl.events import Emit
    from ftl.operations.changes.change import ChangeRequest
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class Belongings:
    """Containers, networks, volumes and routes of a project, by name.

    Attributes:
        kept_volumes: Volumes that stay, since it was not asked to remove them.
    """

    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    kept_volumes: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """A removal that was done, or planned."""

    plan: Plan
    belongings: Belongings


async def remove(
    request: ChangeRequest,
    machines: Sequence[Machine],
    *,
    volumes: bool,
    emit: Emit,
    confirm: Callable[[Belongings], Awaitable[None]],
    preview: tuple[str, str] | None = None,
) -> Removal:
    """Remove a project; a dry run only lists what it has, and does not ask.

    Args:
        request: The project.
        machines: Its servers, not entered yet.
        volumes: Remove its named volumes, too.
        emit: Receives progress events.
        confirm: Asks whether to go on; raises where it must not.
        preview: Identity of the preview that the project must be; where nothing is left of it, there is nothing to do.

    Raises:
        UsageError: It has nothing there, or is not that preview.
        ServerError, LockHeld, EngineError.
    """
    async with open_change(request, machines) as change:
        if preview is not None and not is_deployed(change.observed, preview):
            # Its time is over, and the server has removed it.
            return Removal(Plan(change.observed.server, request.project, "", ()), Belongings())
        found = belongings(change.observed, volumes=volumes)
        # Not only what is listed: a removal that was killed may have left images, or values of env in records.
        if plan_remove(change.observed, volumes=volumes).empty:
            raise UsageError(
                f"there is nothing of {request.project} on {change.observed.server}"
                + (f" but its volumes {', '.join(found.kept_volumes)}" if found.kept_volumes else ""),
                hint="`--volumes` removes them with their data" if found.kept_volumes else None,
            )
        command = "remove" if preview is None else f"preview down {preview[1]}"
        here = await images_here(request.project)
        if not request.dry_run:
            await confirm(found)
        project = Project(
            project=ProjectInfo(name=request.project),
            server=request.server,
            servers=request.servers,
            services=(),
        )
        applied = await change.run(
            command, project, lambda server: plan_remove(server, here, volumes=volumes), emit=emit
        )
    return Removal(applied.plan, found)


def belongings(observed: Observed, *, volumes: bool) -> Belongings:
    """List the belongings of the project; its own labels decide. Pure."""
    site = observed.site
    names = tuple(sorted({volume.name for volume in observed.volumes if _owns(observed, volume.labels)}))
    return Belongings(
        containers=tuple(sorted(container.name for container in _containers(observed))),
        networks=tuple(
            sorted(network.name for network in observed.networks if _owns(observed, network.labels))
        ),
        volumes=names if volumes else (),
        kept_volumes=() if volumes else names,
        routes=tuple(f"{route.host or 'any host'}{route.path}" for route in site.routes)
        if site is not None
        else (),
    )


def plan_remove(observed: Observed, here: Sequence[Image] = (), *, volumes: bool) -> Plan:
    """Plan the removal of all that the project has. Pure.

    Args:
        observed: The server.
        here: The project's images on this machine.
        volumes: Remove its named volumes, too.
    """
    found = belongings(observed, volumes=volumes)
    proxied = observed.proxy is not None and observed.proxy.has_traces(observed.project)
    services = [*observed.services, *observed.of_role(labels.ROLE_HOOK)]
    service_ids = {container.id for container in services}
    others = [container for container in _containers(observed) if container.id not in service_ids]
    images = [image for image in observed.images if _owns(observed, image.labels)]
    # `latest` is of a build with `build.on: server`; each server of a cluster has the tags
    tags = tuple(dict.fromkeys(project_tags(observed.project, images, latest=True)))
    tags_here = project_tags(observed.project, here, latest=True)
    untagged = tuple(dict.fromkeys(image.id for image in images if not image.tags))
    records = tuple(
        replace(record, project={}, outcome="replaced" if record.outcome == "live" else record.outcome)
        for record in observed.releases
        if record.project or record.outcome == "live"
    )
    job_names = tuple(
        sorted({container.labels[labels.JOB] for container in observed.of_role(labels.ROLE_JOB)})
    )
    ends_preview = observed.preview is not None and not found.kept_volumes
    stages: tuple[Stage, ...] = (
        Stage(
            "crontab",
            ((WriteCrontab(observed.project, (), removed=job_names),) if job_names else (),),
        ),
        Stage("routes", ((RemoveSite(observed.project),) if proxied else (),)),
        Stage("services", _stopped(services, _stop_timeouts(observed), STOP_SECONDS)),
        Stage("dependencies", _stopped(others, {}, DEPENDENCY_STOP)),
        Stage(
            "data",
            (
                (RemoveNetworks(found.networks),) if found.networks else (),
                (RemoveVolumes(found.volumes),) if found.volumes else (),
                (DropTags(tags),) if tags else (),
                (DropTags(tags_here, here=True),) if tags_here else (),
                (RemoveImages(untagged),) if untagged else (),
            ),
        ),
        Stage(
            "records",
            (
                (AmendRecords(observed.project, records, "removed"),) if records else (),
                (SetHold(observed.project, None),) if observed.hold is not None else (),
                (SetNotifications(observed.project, b""),) if observed.notify else (),
                # What is deployed under this name later must not be removed at the preview's end, but volumes that
                # stay must.
                (SetPreview(observed.project, None),) if ends_preview else (),
            ),
        ),
    )
    stages = compact(stages)
    if observed.is_cluster and stages:
        # Before the rest goes: a removal that is cut here, and done again, must not leave private keys in the Swarm.
        number = sum(stage.name in ("crontab", "routes") for stage in stages)
        stages = (*stages[:number], end_of_catch_up(observed), *stages[number:])
    return Plan(
        observed.server,
        observed.project,
        f"r{observed.live_number}",
        tuple(_changes(observed)),
        stages,
    )


def _stop_timeouts(observed: Observed) -> dict[str, float]:
    """Service -> seconds that its containers get to stop, by the live release's record."""
    live = observed.live_record
    entries = as_objects(live.project.get("services")) if live is not None else []
    timeouts = {as_str(entry.get("name")): entry.get("stop_timeout") for entry in entries}
    return {name: float(value) for name, value in timeouts.items() if isinstance(value, (int, float))}


def _stopped(
    containers: Iterable[Container], timeouts: Mapping[str, float], seconds: float
) -> tuple[Track, ...]:
    by_service: dict[str, list[Container]] = {}
    for container in containers:
        by_service.setdefault(container.labels.get(labels.SERVICE, container.name), []).append(container)
    return tuple(
        (StopAndRemove(name, refs(own), timeouts.get(name, seconds), "removed"),)
        for name, own in sorted(by_service.items())
    )


def _changes(observed: Observed) -> Iterable[Change]:
    seen = {
        container.labels.get(labels.SERVICE, container.name): container for container in _containers(observed)
    }
    for name, container in sorted(seen.items()):
        is_dependency = container.labels[labels.ROLE] == labels.ROLE_DEPENDENCY
        image = configured_reference(container.image)
        yield Change(name, "removed", "", image, "dependency" if is_dependency else "service")


def _containers(observed: Observed) -> tuple[Container, ...]:
    return tuple(container for container in observed.containers if _owns(observed, container.labels))


def _owns(observed: Observed, marks: Mapping[str, str]) -> bool:
    return marks.get(labels.PROJECT) == observed.project
