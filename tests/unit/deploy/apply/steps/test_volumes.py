"""Volumes that a deploy creates, or finds."""

from __future__ import annotations

import pytest

from ftl.deploy.apply.steps.containers import ensure_volume
from ftl.deploy.plan.steps.containers import EnsureVolume
from ftl.engine import labels
from ftl.errors import UsageError
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context


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
