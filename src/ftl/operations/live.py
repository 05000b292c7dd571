"""Changes of the containers of the live release: restart, scale and start.

Each is a deploy of the live release's own project, as its record has it: the planner compares it with what runs, and no
new release is made.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ftl.deploy.operation import Applied, Operation, authored_session, dry_run, run
from ftl.deploy.plan.cleanup import DEPENDENCY_STOP, refs
from ftl.deploy.plan.model import Change, Plan, Stage, compact
from ftl.deploy.plan.pins import configured_reference
from ftl.deploy.plan.planner import Inputs, make_plan
from ftl.deploy.plan.restore import live_project, recorded_images
from ftl.deploy.plan.sources import PinnedImage
from ftl.deploy.plan.steps import StopContainers
from ftl.deploy.request import DeployRequest
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.suggestions import select_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from ftl.config import Project, Server
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Action, Track
    from ftl.deploy.plan.sources import ImageSource
    from ftl.deploy.request import Author
    from ftl.engine.values import Container
    from ftl.events import Emit
    from ftl.releases.record import ReleaseRecord
    from ftl.ssh.machine import Machine


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """A deployed project to change, and how.

    Attributes:
        project: Its name.
        server: Its server.
        root: Folder of ftl.yaml, or the current one.
        services: The services (and for some commands dependencies) to change; empty for all.
        lock_wait: Seconds to wait for another operation to end.
    """

    project: str
    server: Server
    root: Path
    services: tuple[str, ...] = ()
    lock_wait: float = 0.0


@dataclass(frozen=True, slots=True)
class LiveResult:
    """A change of the live release.

    Attributes:
        project: The live release's project.
        seconds: Time that it took.
    """

    project: Project
    applied: Applied
    seconds: float


async def change_live(
    command: str,
    make: Callable[[LiveRequest, Author, Observed], Plan],
    request: LiveRequest,
    machine: Machine,
    *,
    emit: Emit,
    dry: bool = False,
) -> LiveResult:
    """Run a change of the live release; with `dry` only plan it.

    Args:
        command: The command line, without `ftl`.
        make: Makes the plan. Pure.
        request: What is asked for.
        machine: The project's server, not entered yet.
        emit: Receives progress events.
        dry: Change nothing.

    Raises:
        UsageError: Nothing is deployed, or a service is unknown.
        ServerError, LockHeld, Unhealthy, EngineError.
    """
    began = time.monotonic()
    async with authored_session(machine, request.project, request.root) as (session, observed, by):
        _, project = live_project(observed, request.server)
        operation = Operation(
            command=command,
            project=project,
            root=request.root,
            by=by.name,
            plan=lambda server: make(request, by, server),
            lock_wait=request.lock_wait,
        )
        if dry:
            applied = Applied(await dry_run(operation, session, observed))
        else:
            applied = await run(operation, session, observed, emit=emit)
    return LiveResult(project, applied, time.monotonic() - began)


def plan_restart(request: LiveRequest, by: Author, observed: Observed) -> Plan:
    """Plan to replace containers by new ones of the same release, image and settings. Pure."""
    return _plan(request, by, observed, _running(observed, _project(request, observed)), restart=True)


def plan_start(request: LiveRequest, by: Author, observed: Observed) -> Plan:
    """Plan to start the containers that were stopped, of dependencies too. Pure."""
    project = _running(observed, _project(request, observed))
    services, dependencies = select_units(request, project)
    named = replace(
        project,
        services=tuple(service for service in project.services if service.name in services),
        dependencies=tuple(one for one in project.dependencies if services or one.name in dependencies),
    )
    return _plan(replace(request, services=services), by, observed, named)


def plan_stop(request: LiveRequest, by: Author, observed: Observed) -> Plan:
    """Plan to stop services, and the dependencies that are named. Pure."""
    record, project = live_project(observed, request.server)
    services, dependencies = select_units(request, project)
    changes: list[Change] = []
    tracks: list[Track] = []
    for service in project.services:
        if service.name in services:
            own = _stoppable(observed.containers_of(service.name))
            image = record.services[service.name].image if service.name in record.services else ""
            changes.append(Change(service.name, "stopped" if own else "unchanged", "", image))
            tracks += [(StopContainers(service.name, refs(own), service.stop_timeout),)] if own else []
    last: list[Track] = []
    for dependency in project.dependencies:
        if dependency.name in dependencies and dependency.name in observed.dependencies:
            own = _stoppable([observed.dependencies[dependency.name]])
            action: Action = "stopped" if own else "unchanged"
            changes.append(Change(dependency.name, action, "", dependency.image, "dependency"))
            last += [(StopContainers(dependency.name, refs(own), DEPENDENCY_STOP),)] if own else []
    stages = (Stage("services", tuple(tracks)), Stage("dependencies", tuple(last)))
    return Plan(
        observed.server,
        observed.project,
        f"r{observed.live_number}",
        tuple(changes),
        compact(stages),
    )


def select_units(request: LiveRequest, project: Project) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Select services and dependencies by name; without names, all services.

    Raises:
        UsageError: The project has none of that name.
    """
    services = [service.name for service in project.services]
    dependencies = [dependency.name for dependency in project.dependencies]
    select_names(request.services, [*services, *dependencies], kind="service")
    if not request.services:
        return tuple(services), ()
    return (
        tuple(name for name in services if name in request.services),
        tuple(name for name in dependencies if name in request.services),
    )


def _stoppable(containers: Iterable[Container]) -> list[Container]:
    return [container for container in containers if container.state in ("running", "paused", "restarting")]


def plan_scale(numbers: Mapping[str, int]) -> Callable[[LiveRequest, Author, Observed], Plan]:
    """Planner of other numbers of replicas: service -> number."""

    def plan(request: LiveRequest, by: Author, observed: Observed) -> Plan:
        project = _project(request, observed)
        _refuse_published(project, numbers)
        return _plan(
            replace(request, services=tuple(numbers)), by, observed, _with_replicas(project, numbers)
        )

    return plan


def _project(request: LiveRequest, observed: Observed) -> Project:
    return live_project(observed, request.server)[1]


def _plan(
    request: LiveRequest, by: Author, observed: Observed, project: Project, *, restart: bool = False
) -> Plan:
    record, _ = live_project(observed, request.server)
    services = select_names(request.services, [service.name for service in project.services], kind="service")
    deploy = DeployRequest(
        project,
        request.root,
        services,
        adopt=True,
        hooks=False,
        keep_dependencies=True,
        keep_tls=True,
        same_release=True,
        restart=restart,
    )
    return make_plan(deploy, Inputs(by, _images(observed, project, record)), observed)


def _images(observed: Observed, project: Project, record: ReleaseRecord) -> dict[str, ImageSource]:
    """The images that the live containers run; recorded ones where there is no container."""
    sources = dict(recorded_images(observed, project, record).sources)
    for service in project.services:
        running = observed.live_containers(service.name)
        if running:
            image, content = running[0].image, running[0].labels[labels.CONTENT]
            sources[service.name] = PinnedImage(configured_reference(image), image, content)
    return sources


def _running(observed: Observed, project: Project) -> Project:
    """The project with as many replicas as there are now, which `ftl scale` may have changed."""
    numbers = {service.name: len(observed.live_containers(service.name)) for service in project.services}
    return _with_replicas(project, {name: number for name, number in numbers.items() if number})


def _with_replicas(project: Project, numbers: Mapping[str, int]) -> Project:
    services = tuple(
        replace(service, replicas=numbers.get(service.name, service.replicas)) for service in project.services
    )
    return replace(project, services=services)


def _refuse_published(project: Project, numbers: Mapping[str, int]) -> None:
    """Refuse several containers of a service that publishes ports of the server: they cannot share one."""
    select_names(tuple(numbers), [service.name for service in project.services], kind="service")
    for service in project.services:
        if service.forwards and numbers.get(service.name, 1) > 1:
            raise UsageError(
                f"{service.name} cannot have several containers: it publishes {', '.join(service.forwards)}",
                hint="only one container can have a port of the server: remove `forwards`",
            )


def parse_numbers(words: Sequence[str]) -> dict[str, int]:
    """Parse SERVICE=N.

    Raises:
        UsageError: A word is not of that form, or N is 0.
    """
    numbers: dict[str, int] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals and text.isascii() and text.isdigit()):
            raise UsageError(f"`{word}` is not a number of replicas", hint="write `ftl scale web=3`")
        if int(text) == 0:
            raise UsageError(
                f"`{word}`: a service has at least one container", hint=f"`ftl stop {name}` stops it"
            )
        numbers[name] = int(text)
    return numbers
