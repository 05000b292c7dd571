"""Runners that write release records."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.deploy.apply.runners import Decision, Runners
from ftl.deploy.plan.steps import EnsureStore, Record
from ftl.releases import store

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext, ResolvedImage
    from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord

RUNNERS = Runners()


@RUNNERS.runs(EnsureStore)
async def ensure_store(context: DeployContext, step: EnsureStore) -> None:
    """Create the store of release records."""
    await store.ensure_store(context.engine, step.image)


@RUNNERS.runs(Record)
async def write_record(context: DeployContext, step: Record) -> Decision:
    """Write a release record; one that says "live" decides a release that has nothing to switch."""
    record = step.record
    decides = record.release == context.release and record.outcome == "live"
    await store.write_record(context.engine, step.project, _completed(record, context) if decides else record)
    return Decision(committed=decides)


def _completed(record: ReleaseRecord, context: DeployContext) -> ReleaseRecord:
    """The record of a release with the images that it got, and its duration."""
    images = context.images
    services = {
        name: _service(entry, images[name]) if name in images else entry
        for name, entry in record.services.items()
    }
    dependencies = {
        name: _dependency(entry, images[name]) if name in images else entry
        for name, entry in record.dependencies.items()
    }
    seconds = max(0.0, time.time() - record.started)
    return replace(record, services=services, dependencies=dependencies, seconds=seconds)


def _service(entry: ServiceRecord, image: ResolvedImage) -> ServiceRecord:
    return replace(entry, image_id=image.id, pulled=image.pulled, layers=image.layers)


def _dependency(entry: DependencyRecord, image: ResolvedImage) -> DependencyRecord:
    return replace(entry, image_id=image.id, pulled=image.pulled)
