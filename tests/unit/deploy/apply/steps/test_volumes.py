"""Volumes, and folders of backups, that a deploy creates, or finds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.apply.steps.containers import ensure_volume
from ftl.deploy.apply.steps.jobs import RUNNERS
from ftl.deploy.plan.steps.containers import EnsureVolume
from ftl.engine import labels
from ftl.errors import FtlError, UsageError
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context
from tests.unit.deploy.plan.tracks.test_backups import created


@pytest.mark.parametrize(
    ("label_map", "refused"),
    [({}, False), ({labels.PROJECT: "shop"}, False), ({labels.PROJECT: "other"}, True)],
)
def test_a_volume_that_another_project_made_since_the_plan_is_not_used(
    label_map: dict[str, str], refused: bool
) -> None:
    """The engine answers with the volume that exists, whose labels say whose it is."""

    async def check() -> None:
        engine = FakeEngine()
        await engine.create_volume("shop_x_y", label_map)
        step = EnsureVolume("shop", "shop_x_y")
        if not refused:
            await ensure_volume(deploy_context(engine), step)
            return
        with pytest.raises(UsageError, match="shop_x_y is taken by project other"):
            await ensure_volume(deploy_context(engine), step)

    run(check())


FOLDER = "/var/backups/ftl/shop"


def test_a_deploy_creates_the_folder_of_backups_once() -> None:
    """Where it is missing later, its disk is not mounted: the engine would create it on that of the system."""

    async def check() -> None:
        engine, step = FakeEngine(images=["postgres:16"]), created()
        context = deploy_context(engine)
        await engine.create_network(next(iter(step.spec.networks)), {})
        await RUNNERS.of(step)(context, step)
        assert (FOLDER in engine.paths, list(engine.by_name)) == (True, [step.container])
        engine.paths.clear()
        again = replace(step, container="shop.job.backup.db.new-r2", creates_folder=False)
        with pytest.raises(FtlError, match=f"{FOLDER}, is missing on server") as caught:
            await RUNNERS.of(again)(context, again)
        assert "mount the disk" in (caught.value.hint or "")
        assert (FOLDER in engine.paths, list(engine.by_name)) == (False, [step.container])

    run(check())
