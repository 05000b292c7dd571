"""Stop: the containers of services, and of dependencies that are named; they stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.plan.model import Plan, PlannedChange, Stage
from ftl.deploy.plan.records.recorded import live_project
from ftl.deploy.plan.steps.base import refs
from ftl.deploy.plan.steps.containers import StopContainers
from ftl.deploy.plan.steps.jobs import SwitchJobs
from ftl.deploy.plan.tracks.cleanup import DEPENDENCY_STOP
from ftl.deploy.plan.tracks.jobs import stop_track
from ftl.execution.stages import compact
from ftl.operations.changes.live import select_units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.operation import OperationRequest
    from ftl.deploy.plan.model import Action, Track
    from ftl.deploy.request import Author
    from ftl.engine.values import Container


def plan_stop(request: OperationRequest, _by: Author, observed: Observed) -> Plan:
    """Plan to stop services, and the dependencies that are named. Pure."""
    record, project = live_project(observed, request.server)
    services, dependencies = select_units(request, project)
    changes: list[PlannedChange] = []
    job_track = stop_track(observed, (*services, *dependencies))
    changes += [
        PlannedChange(switch.name.removeprefix(f"{observed.project}.job."), "stopped", "", "", "job")
        for step in job_track
        if isinstance(step, SwitchJobs)
        for switch in step.switches
    ]
    tracks: list[Track] = []
    for service in project.services:
        if service.name in services:
            own = _stoppable(observed.containers_of(service.name))
            image = record.services[service.name].image if service.name in record.services else ""
            changes.append(PlannedChange(service.name, "stopped" if own else "unchanged", "", image))
            tracks += [(StopContainers(service.name, refs(own), service.stop_timeout),)] if own else []
    last: list[Track] = []
    for dependency in project.dependencies:
        if dependency.name in dependencies and dependency.name in observed.dependencies:
            own = _stoppable([observed.dependencies[dependency.name]])
            action: Action = "stopped" if own else "unchanged"
            changes.append(PlannedChange(dependency.name, action, "", dependency.image, "dependency"))
            last += [(StopContainers(dependency.name, refs(own), DEPENDENCY_STOP),)] if own else []
    stages = (
        Stage("jobs", (job_track,)),
        Stage("services", tuple(tracks)),
        Stage("dependencies", tuple(last)),
    )
    return Plan.without_release(observed, compact(stages), tuple(changes))


def _stoppable(containers: Iterable[Container]) -> list[Container]:
    return [container for container in containers if container.state in ("running", "paused", "restarting")]
