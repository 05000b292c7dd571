"""Run a plan: stages in turn, tracks side by side, and the same way back for failure and for Ctrl-C."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ftl.aio import gather, shielded
from ftl.deploy.apply import containers, images, proxy, records
from ftl.deploy.plan import steps as s
from ftl.errors import FtlError, HookFailed, at
from ftl.events import StepFailed, StepFinished, StepStarted

if TYPE_CHECKING:
    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.model import Plan, Stage, Track
    from ftl.deploy.plan.steps import Step

Runner = Callable[["Work", Any], Awaitable[None]]

RUNNERS: dict[type[s.Step], Runner] = {
    s.EnsureNetwork: proxy.ensure_network,
    s.EnsureVolume: containers.ensure_volume,
    s.BringImage: images.bring_image,
    s.SendImages: images.send_images,
    s.PushPull: images.push_pull,
    s.TagPulled: images.tag_pulled,
    s.DropTags: images.drop_tags,
    s.EnsureProxy: proxy.ensure_proxy,
    s.EnsureStore: records.ensure_store,
    s.UpgradeProxy: proxy.upgrade_proxy,
    s.Attach: proxy.attach,
    s.ApplySite: proxy.apply_site,
    s.AwaitCertificates: proxy.await_certificates,
    s.OpenName: proxy.open_name,
    s.PointAgain: proxy.point_again,
    s.Switch: proxy.switch,
    s.Drain: proxy.drain,
    s.Forget: proxy.forget,
    s.Record: records.record,
    s.StartDependency: containers.start_dependency,
    s.StartContainers: containers.start_containers,
    s.StartAgain: containers.start_again,
    s.WaitHealthy: containers.wait,
    s.StopOld: containers.stop_old,
    s.StopAndRemove: containers.stop_and_remove,
    s.RunHook: containers.run_hook,
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
                await (shielded(running) if stage.decides else running)
            except FtlError as error:
                if not work.committed:
                    raise
                late = late or error
                work.cut_short |= not isinstance(error, HookFailed)  # hooks do not run again
    except BaseException:
        if not work.committed:
            await shielded(work.take_back())
        work.cut_short = work.committed
        raise
    if late is not None:
        raise late


async def _run_stage(stage: Stage, work: Work) -> None:
    """Run a stage's tracks side by side; the first error ends the others."""
    await gather(_run_track(track, work) for track in stage.tracks)


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
