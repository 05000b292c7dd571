"""Restart policies of new containers, before and after their health check."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftl.deploy.apply.containers import create_and_start, wait
from ftl.deploy.apply.context import DeployContext, Resources
from ftl.deploy.plan.steps import ContainerRef, WaitHealthy
from ftl.engine.values import ContainerSpec
from ftl.health.spec import HealthSpec
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server

IMAGE, NAME = "shop-web:r2", "shop-web-r2"


@pytest.mark.parametrize("policy", ["always", "no", "on-failure:3", "unless-stopped"])
def test_a_healthy_container_has_the_restart_policy_of_ftl_yaml(policy: str) -> None:
    """It has none until it is healthy, and then the one that its settings ask for."""

    async def check() -> None:
        engine = FakeEngine(images=[IMAGE])
        session = Session("server", FakeMachine(), engine, INFO)
        asked = project()
        context = DeployContext(
            asked,
            Path(),
            Fleet([session]),
            session,
            server(asked),
            "r2",
            lambda _event: None,
            Resources(asked, Path()),
        )
        spec = ContainerSpec(image=IMAGE, labels={}, networks={}, restart=policy)
        await create_and_start(context, NAME, spec, restart="no")
        assert engine.by_name[NAME].spec.restart == "no"
        await wait(context, WaitHealthy("web", (ContainerRef("", NAME),), HealthSpec()))
        assert engine.by_name[NAME].spec.restart == policy

    run(check())
