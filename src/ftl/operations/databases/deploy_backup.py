"""`ftl deploy --backup`: a step for each dependency, before anything of it is changed.

Its planner and its runner are here and not beside the others: they dump databases, which is an operation on what is
deployed, and `ftl.deploy` is below the operations. So a backend gets both from here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.figures import size
from ftl.deploy.plan.model import Stage
from ftl.deploy.plan.steps.backups import BackUp
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.operations.databases.backup import back_up, dump_kind
from ftl.operations.databases.backup_files import project_folder
from ftl.operations.selection import select_container

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.backend import Backend
    from ftl.deploy.observe.observer import Observe
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.planner import PlanInputs
    from ftl.deploy.request import PlanRequest


def with_backups(backend: Backend) -> Backend:
    """A backend that backs up the dependencies on the server where there is anything to do.

    All that are there, also those that the deploy removes or renames: ftl.yaml no longer has these.
    """

    def plan(request: PlanRequest, inputs: PlanInputs, observed: Observed) -> Plan:
        made = backend.plan(request, inputs, observed)
        present = observed.dependencies
        if made.empty or not present:
            return made
        steps = tuple(
            BackUp(name, servers=(observed.server_of(container),))
            for name, container in sorted(present.items())
        )
        stages = list(made.stages)
        place = next((n for n, stage in enumerate(stages) if not stage.keeps_data), len(stages))
        stages.insert(place, Stage("backups", (steps,)))
        return replace(made, stages=tuple(stages))

    return replace(backend, plan=plan, runners=Runners(backend.runners, backup_runners(backend.observe)))


def backup_runners(observe: Observe) -> Runners[DeployContext]:
    """The runner of the step, which finds containers by a backend's look at the servers."""
    runners: Runners[DeployContext] = Runners()

    @runners.runs(BackUp)
    async def back_up_dependency(context: DeployContext, step: BackUp) -> None:
        """Back it up into the user's state folder."""
        fleet, project, name = context.fleet, context.project, step.service
        session, container = await select_container(
            fleet, project.name, name, observe=observe, servers=project.servers
        )
        if await dump_kind(session, container) is None:  # a cache, or a queue
            return
        file = str(project_folder(project.name))
        backup = await back_up(fleet, project, name, file, observe, context.emit)
        context.emit(Note(f"backed up {name} to {backup.file} ({size(backup.bytes)})"))
        for other in backup.others:
            context.emit(Note(f"backed up {name} ({other.database}) to {other.file} ({size(other.bytes)})"))

    return runners
