"""Adjustments of the live release: their run, and their planner.

One is a deploy of the live release's own project, as its record has it: the planner compares it with what runs, and no
new release is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.references import configured_reference
from ftl.common.suggestions import select_names
from ftl.deploy.opening import open_operation
from ftl.deploy.plan.desired.sources import PinnedImage
from ftl.deploy.plan.planner import PlanInputs
from ftl.deploy.plan.records.recorded import live_project, on_servers, recorded_images
from ftl.deploy.request import AdjustedRelease, PlanRequest
from ftl.engine import labels
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest, OperationResult
    from ftl.deploy.plan.desired.sources import ImageSource
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Author
    from ftl.events import Emit
    from ftl.releases.record import ReleaseRecord
    from ftl.ssh.machine import Machine


async def adjust_live(
    make: Callable[[OperationRequest, Author, Observed], Plan],
    request: OperationRequest,
    machines: Sequence[Machine],
    *,
    emit: Emit,
) -> OperationResult:
    """Adjust the live release; `make` is pure.

    Raises:
        UsageError: Nothing is deployed, or a service is unknown.
        ServerError, LockTaken, Unhealthy, EngineError.
    """
    async with open_operation(request, machines, emit) as prepared:
        _, project = live_project(prepared.observed, request.server)
        return await prepared.run(project, lambda server: make(request, prepared.by, server), emit=emit)


def select_units(request: OperationRequest, project: Project) -> tuple[tuple[str, ...], tuple[str, ...]]:
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


def refuse_dependencies(project: Project, names: Sequence[str], hint: Callable[[str], str]) -> None:
    """Refuse dependencies where services alone are changed; the hint is made from the name.

    Raises:
        UsageError: One of the names is a dependency's.
    """
    for dependency in project.dependencies:
        if dependency.name in names:
            name = dependency.name
            raise UsageError(f"`{name}` is a dependency, and not a service", hint=hint(name))


def plan_live(
    request: OperationRequest,
    by: Author,
    observed: Observed,
    project: Project,
    *,
    dependencies: tuple[str, ...] = (),
    restart: bool = False,
) -> Plan:
    """Plan an adjustment of the live release's containers. Pure.

    Names of the request are those of services. The project is the live release's as it shall be, with all services: the
    proxy has routes of each. Dependencies are started if they are stopped; others are left alone. With these alone, and
    no services in the request, no service is changed. `restart` replaces containers that are as they should be, too.

    Raises:
        UsageError: A service is unknown.
    """
    record, _ = live_project(observed, request.server)
    services = select_names(request.services, [service.name for service in project.services], kind="service")
    if dependencies and not request.services:
        services = ()
    project = on_servers(project, request.servers)
    deploy = PlanRequest(project, (*services, *dependencies), AdjustedRelease(restart=restart))
    return request.backend.plan(deploy, PlanInputs(by, _images(observed, project, record)), observed)


def _images(observed: Observed, project: Project, record: ReleaseRecord) -> dict[str, ImageSource]:
    """The images that the live containers run; recorded ones where there is no container."""
    sources = dict(recorded_images(observed, project, record).sources)
    for service in project.services:
        running = observed.live_containers(service.name)
        if running:
            image, content = running[0].image, running[0].labels[labels.CONTENT]
            sources[service.name] = PinnedImage(configured_reference(image), image, content)
    return sources


def running_project(request: OperationRequest, observed: Observed) -> Project:
    """The live release's project with as many replicas as there are now, after an `ftl scale`."""
    project = live_project(observed, request.server)[1]
    numbers = {service.name: len(observed.live_containers(service.name)) for service in project.services}
    return with_replicas(project, {name: number for name, number in numbers.items() if number})


def with_replicas(project: Project, numbers: Mapping[str, int]) -> Project:
    """The project with other numbers of replicas, by service."""
    services = tuple(
        replace(service, replicas=numbers.get(service.name, service.replicas)) for service in project.services
    )
    return replace(project, services=services)
