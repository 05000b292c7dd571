"""Runners of the steps about jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather, shielded
from ftl.deploy.apply.kept_runs import keep_runs
from ftl.deploy.apply.steps.consensus import with_consensus
from ftl.deploy.apply.steps.resolve import resolve
from ftl.deploy.plan.steps.jobs import (
    CheckCron,
    CreateJob,
    DeleteRunHistory,
    RemoveBackups,
    RemoveJobs,
    SetJobless,
    SwitchJobs,
    WriteCrontab,
)
from ftl.engine import labels
from ftl.engine.errors import ignoring
from ftl.errors import EngineError, FtlError
from ftl.execution.runners import Runners
from ftl.host import backup_folders, crontab, job_logs, job_runs

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.steps.jobs import JobSwitch

RUNNERS: Runners[DeployContext] = Runners()


@RUNNERS.runs(CheckCron)
async def check_cron(context: DeployContext, step: CheckCron) -> None:
    """Make sure that cron runs on the server."""
    await crontab.check(context.machine, step.timezones)


@RUNNERS.runs(CreateJob)
async def create_job(context: DeployContext, step: CreateJob) -> None:
    """Create a job's container; cron starts it.

    Raises:
        FtlError: The folder of its backups was there once, and is missing.
    """
    image = await resolve(context, step.service, step.image, joins=step.joins)
    context.undo.add(step, lambda: context.remove_created(step.container))
    spec = image.container(step.spec)
    try:
        await context.create(step.container, spec)
    except EngineError as error:
        if not backup_folders.is_missing(error):
            raise
        if not step.creates_folder:
            folder = step.spec.labels[labels.FOLDER]
            removed = f"a folder that was removed on purpose: `sudo mkdir -p {folder}` there"
            raise FtlError(
                f"the folder of the backups of {step.service}, {folder}, is missing on {context.session.name}",
                hint=f"mount the disk that has it; {removed}",
            ) from None
        await backup_folders.create_folder(context.engine, context.project.name, spec)
        await context.create(step.container, spec)


@RUNNERS.runs(WriteCrontab)
async def write_crontab(context: DeployContext, step: WriteCrontab) -> None:
    """Write the project's lines; before the decision, undo writes the earlier ones again."""
    before = step.before
    if before is not None:
        context.undo.add(step, lambda: crontab.write(context.machine, step.project, before))
    await shielded(crontab.write(context.machine, step.project, step.lines))


@RUNNERS.runs(SwitchJobs)
async def switch_jobs(context: DeployContext, step: SwitchJobs) -> None:
    """Take the name that cron starts from the old container, and give it to the new one."""
    await gather(shielded(_switch(context, switch)) for switch in step.switches)


async def _switch(context: DeployContext, switch: JobSwitch) -> None:
    if switch.old is not None:
        with ignoring(404):
            await context.engine.rename(switch.old.id, switch.parked)
    if switch.fresh:
        await context.engine.rename(context.created[switch.fresh], switch.name)


@RUNNERS.runs(SetJobless)
async def set_jobless(context: DeployContext, step: SetJobless) -> None:
    """Label a node, or take the label away; one that has left the cluster has none."""
    swarm, project = context.fleet.first.engine.swarm, context.project.name
    host, label = labels.node_host(project), labels.node_jobless(project)
    node = next(
        (one for one in await with_consensus(swarm.nodes) if one.labels.get(host) == step.server), None
    )
    if node is None:
        return
    before = node.labels.get(label)
    context.undo.add(step, lambda: swarm.update_node(node.id, labels={label: before}))
    value = "true" if step.value else None
    await shielded(with_consensus(lambda: swarm.update_node(node.id, labels={label: value})))


@RUNNERS.runs(RemoveJobs)
async def remove_jobs(context: DeployContext, step: RemoveJobs) -> None:
    """Remove containers, and keep the last lines of their runs.

    The engine refuses to remove one that runs (409).
    """

    async def remove(container: str) -> None:
        with ignoring(409):
            await context.engine.remove(container)

    await keep_runs(context, [container.id for container in step.containers])
    await gather(remove(container.id) for container in step.containers)


@RUNNERS.runs(RemoveBackups)
async def remove_backups(context: DeployContext, step: RemoveBackups) -> None:
    """Remove scheduled backups."""
    for folder in step.folders:
        await backup_folders.remove_backups(context.engine, step.project, folder)


@RUNNERS.runs(DeleteRunHistory)
async def delete_run_history(context: DeployContext, step: DeleteRunHistory) -> None:
    """Remove the kept runs of jobs."""
    await job_runs.delete_run_history(context.engine, step.project, step.jobs)
    await job_logs.delete_run_logs(context.engine, step.project, step.jobs)
