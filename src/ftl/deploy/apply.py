"""Run a plan: stages in turn, tracks side by side, and the same way back for failure and for Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ftl.aio import together, uninterrupted
from ftl.deploy import run_containers, run_images, run_proxy, run_records
from ftl.deploy import steps as s
from ftl.errors import FtlError, HookFailed, at
from ftl.events import StepFailed, StepFinished, StepStarted

if TYPE_CHECKING:
    from ftl.deploy.plan import Plan, Stage, Track
    from ftl.deploy.steps import Step
    from ftl.deploy.work import Work

Runner = Callable[["Work", Any], Awaitable[None]]

RUNNERS: dict[type[s.Step], Runner] = {
    s.EnsureNetwork: run_proxy.ensure_network,
    s.EnsureVolume: run_containers.ensure_volume,
    s.BringImage: run_images.bring_image,
    s.SendImages: run_images.send_images,
    s.PushPull: run_images.push_pull,
    s.TagPulled: run_images.tag_pulled,
    s.DropTags: run_images.drop_tags,
    s.EnsureProxy: run_proxy.ensure_proxy,
    s.EnsureStore: run_records.ensure_store,
    s.UpgradeProxy: run_proxy.upgrade_proxy,
    s.Attach: run_proxy.attach,
    s.ApplySite: run_proxy.apply_site,
    s.AwaitCertificates: run_proxy.await_certificates,
    s.OpenName: run_proxy.open_name,
    s.PointAgain: run_proxy.point_again,
    s.Switch: run_proxy.switch,
    s.Drain: run_proxy.drain,
    s.Forget: run_proxy.forget,
    s.Record: run_records.record,
    s.StartDependency: run_containers.start_dependency,
    s.StartContainers: run_containers.start_containers,
    s.StartAgain: run_containers.start_again,
    s.WaitHealthy: run_containers.wait,
    s.StopOld: run_containers.stop_old,
    s.StopAndRemove: run_containers.stop_and_remove,
    s.RunHook: run_containers.run_hook,
}
"""How each step is done; a test asks that none is missing."""


async def apply(plan: Plan, work: Work) -> None:
    """Do all steps of a plan. Before the switch, a failure or an interruption takes everything back.

    Raises:
        FtlError: Of the first step that failed.
    """
    work.release = plan.release
    late: FtlError | None = None
    try:
        for stage in plan.stages:
            try:
                running = _run_stage(stage, work)
                await (uninterrupted(running) if stage.decides else running)
            except FtlError as error:
                if not work.committed:
                    raise
                late = late or error
                work.cut_short |= not isinstance(error, HookFailed)  # hooks do not run again
    except BaseException:
        if not work.committed:
            await uninterrupted(work.take_back())
        work.cut_short = work.committed
        raise
    if late is not None:
        raise late


async def _run_stage(stage: Stage, work: Work) -> None:
    """Run a stage's tracks side by side; the first error ends the others."""
    await together(_run_track(track, work) for track in stage.tracks)


async def _run_track(track: Track, work: Work) -> None:
    for step in track:
        await _run_step(step, work)


async def _run_step(step: Step, work: Work) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    work.emit(StepStarted(step.kind, step.text, step.subject))
    try:
        with at(server=work.machine.name, service=step.subject, step=step.text):
            await RUNNERS[type(step)](work, step)
    except FtlError:
        work.emit(StepFailed(step.kind, step.text, step.subject))
        raise
    work.emit(StepFinished(step.kind, step.text, loop.time() - began, step.subject))
