"""Runners that write release records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.apply.kept_logs import hook_lines, pre_hooks
from ftl.deploy.plan.steps.records import (
    AmendRecords,
    CompactRecords,
    Decide,
    EnsureStore,
    SetHold,
    SetPreview,
    WriteRecord,
)
from ftl.execution.runners import Decision, Runners
from ftl.host import crontab
from ftl.proxy.names import ProxyNames
from ftl.releases import store
from ftl.releases.file_copies import CONTAINER, ROOT

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext, ResolvedImage
    from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord

RUNNERS: Runners[DeployContext] = Runners()


@RUNNERS.runs(EnsureStore)
async def ensure_store(context: DeployContext, step: EnsureStore) -> None:
    """Create the store of release records."""
    await store.ensure_store(context.engine, step.image)


@RUNNERS.runs(WriteRecord)
async def write_record(context: DeployContext, step: WriteRecord) -> Decision:
    """Write a release record; that of the live release decides where nothing is switched."""
    record = _completed(step.record, context) if step.decides else step.record
    context.recorded[record.release] = record
    await store.write_record(context.engine, step.project, record)
    if step.decides:  # a power cut within half a minute would leave a release that no rollback goes back to
        context.in_background(context.proxy.sync())
    return Decision(committed=step.decides)


@RUNNERS.runs(AmendRecords)
async def amend_records(context: DeployContext, step: AmendRecords) -> None:
    """Write records of earlier releases again, all in one call."""
    await store.write_records(context.engine, step.project, step.records)


@RUNNERS.runs(CompactRecords)
async def compact_records(context: DeployContext, step: CompactRecords) -> None:
    """Sum up the records of old releases."""
    await store.compact(context.engine, step.project, step.records)


@RUNNERS.runs(Decide)
async def decide(_context: DeployContext, _step: Decide) -> Decision:
    """Decide: the new containers are healthy."""
    return Decision(committed=True)


@RUNNERS.runs(SetHold)
async def set_hold(context: DeployContext, step: SetHold) -> None:
    """Put deploys on hold, or end the hold; undoing restores the one before."""
    # Later than what it replaces, whatever the clocks say: the copies of several managers are compared by it. What is
    # restored is later again, since a manager that is lost meanwhile keeps what is undone.
    time = max(step.hold.time if step.hold else context.now, context.observed.hold_time + 1)
    hold = step.hold and replace(step.hold, time=time)
    before = context.observed.hold and replace(context.observed.hold, time=time + 1)
    context.undo.add(step, lambda: store.write_hold(context.engine, step.project, before, ended=time + 1))
    await store.write_hold(context.engine, step.project, hold, ended=time)


@RUNNERS.runs(SetPreview)
async def set_preview(context: DeployContext, step: SetPreview) -> None:
    """Store the preview, and write or remove the line of the crontab that ends it.

    It is not undone: what a deploy that fails leaves behind, such as volumes, shall be removed as well.
    """
    await store.write_preview(context.engine, step.project, step.preview)
    places = (ProxyNames().container, CONTAINER, ROOT) if step.preview is not None else ()
    await crontab.write_expiry(context.machine, step.project, places)


def _completed(record: ReleaseRecord, context: DeployContext) -> ReleaseRecord:
    """The record of a release with the images that it got, its duration and its traffic."""
    images = context.images
    services = {
        name: _service(entry, images[name]) if name in images else entry
        for name, entry in record.services.items()
    }
    dependencies = {
        name: _dependency(entry, images[name]) if name in images else entry
        for name, entry in record.dependencies.items()
    }
    now = context.now
    return replace(
        record,
        services=services,
        dependencies=dependencies,
        seconds=max(0.0, now - record.started),
        switched=context.switch.time or now,
        bytes_sent=sum(image.transfer.bytes_sent for image in images.values()),
        pre_hooks=pre_hooks(context),
        logs=hook_lines(context),
    )


def _service(entry: ServiceRecord, image: ResolvedImage) -> ServiceRecord:
    return replace(entry, image_id=image.id, pulled=image.pulled, layers=image.layers)


def _dependency(entry: DependencyRecord, image: ResolvedImage) -> DependencyRecord:
    return replace(entry, image_id=image.id, pulled=image.pulled)
