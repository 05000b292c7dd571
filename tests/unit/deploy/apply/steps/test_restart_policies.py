"""Restart policies of new containers, before and after their health check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.containers import create_and_start, stop_old, wait
from ftl.deploy.plan.desired.specs import created_spec
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import StopOld, WaitHealthy
from ftl.engine.specs import ContainerSpec
from ftl.health.spec import HealthSpec
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, container, project, server

if TYPE_CHECKING:
    from ftl.engine.values import Container

IMAGE, NAME = "shop-web:r2", "shop-web-r2"


def deploy_context(engine: FakeEngine, *containers: Container) -> DeployContext:
    """The context of a deploy that has observed these containers."""
    session = Session("server", FakeMachine(), engine, INFO)
    asked = project()
    return DeployContext(
        asked,
        Path(),
        Fleet([session]),
        session,
        server(asked, *containers),
        "r2",
        lambda _event: None,
        RunClients(asked, Path()),
    )


def test_undo_starts_only_what_ran_before() -> None:
    """A container that was stopped by hand stays so: another one may use its data by then."""

    async def check() -> None:
        engine = FakeEngine(images=[IMAGE])
        ids = {
            name: await engine.create(name, ContainerSpec(image=IMAGE, labels={}))
            for name in ("running", "stopped")
        }
        await engine.start(ids["running"])
        observed = tuple(
            replace(
                container(project(), "web", "r1")[0],
                id=number,
                name=name,
                state="running" if name == "running" else "exited",
            )
            for name, number in ids.items()
        )
        context = deploy_context(engine, *observed)
        await stop_old(
            context, StopOld("web", tuple(ContainerRef(number, name) for name, number in ids.items()), 1.0)
        )
        await context.undo.run(context.emit)
        assert [engine.by_name[name].state for name in ids] == ["running", "created"]

    run(check())


@pytest.mark.parametrize("policy", ["always", "no", "on-failure:3", "unless-stopped"])
def test_a_healthy_container_has_the_restart_policy_of_ftl_yaml(policy: str) -> None:
    """It has none until it is healthy, and then the one that its settings ask for."""

    async def check() -> None:
        engine = FakeEngine(images=[IMAGE])
        context = deploy_context(engine)
        spec = ContainerSpec(image=IMAGE, labels={}, networks={}, restart=policy)
        await create_and_start(context, NAME, created_spec(spec))
        assert engine.by_name[NAME].spec.restart == "no"
        await wait(context, WaitHealthy("web", (ContainerRef("", NAME),), HealthSpec()))
        assert engine.by_name[NAME].spec.restart == policy

    run(check())
