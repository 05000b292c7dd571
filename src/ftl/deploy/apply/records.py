"""How a plan's release records are written."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.releases import store

if TYPE_CHECKING:
    from ftl.deploy.apply.context import Work
    from ftl.deploy.plan.steps import EnsureStore, Record


async def ensure_store(work: Work, step: EnsureStore) -> None:
    """A place for release records."""
    await store.ensure_store(work.engine, step.image)


async def record(work: Work, step: Record) -> None:
    """Write a release record; one that says "live" decides a release that has nothing to switch."""
    entry = step.record
    if entry.release == work.release and entry.outcome == "live":
        services = {
            name: replace(
                one,
                image_id=work.image_ids.get(name, one.image_id),
                pulled=work.pulled.get(name, one.pulled),
                layers=work.layers.get(name, one.layers),
            )
            for name, one in entry.services.items()
        }
        dependencies = {
            name: replace(
                one,
                image_id=work.image_ids.get(name, one.image_id),
                pulled=work.pulled.get(name, one.pulled),
            )
            for name, one in entry.dependencies.items()
        }
        seconds = max(0.0, time.time() - entry.started)
        entry = replace(entry, services=services, dependencies=dependencies, seconds=seconds)
    await store.write(work.engine, step.project, entry)
    if entry.release == work.release and entry.outcome == "live":
        work.committed = True
