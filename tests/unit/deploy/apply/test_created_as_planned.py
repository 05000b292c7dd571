"""Containers are created as the plan has them, and called by its names if they cannot start."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Project, ProjectInfo, Server, Service
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.containers import create_and_start
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.operation import Operation, OperationRequest, run
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.containers import StartContainers, StartDependency
from ftl.deploy.request import Author, PlanRequest
from ftl.engine import labels
from ftl.engine.errors import shortened
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from ftl.errors import EngineError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.kills.model import BACKEND
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import ModelEngine
from tests.unit.deploy.world import project, server

if TYPE_CHECKING:
    from ftl.deploy.plan.model import Plan

PROJECT = Project(
    project=ProjectInfo(name="shop"),
    server=Server(host="server"),
    services=(Service(name="web", image="app:1", port=8000, env={"A": "1"}, replicas=2),),
    dependencies=(Dependency(name="cache", image="app:2", env={"B": "2"}),),
)


DECLARED = "/var/lib/cache"


def deployed(engine: ModelEngine) -> Plan:
    """Deploy the project to an engine; returns the plan."""

    async def work() -> Plan:
        inputs = PlanInputs(Author("me"), {})
        session = Session("server", ModelMachine(engine), engine, INFO)
        observed = await observe(engine, INFO, "shop", "server")
        request = OperationRequest.of(PROJECT, Path(), BACKEND, GivenCommand("deploy"))
        operation = Operation(
            request, PROJECT, "me", lambda seen: make_plan(PlanRequest(PROJECT), inputs, seen)
        )
        applied = await run(operation, Fleet([session]), observed, emit=lambda _: None)
        return applied.plan

    return asyncio.run(work())


def specs_of(plan: Plan) -> dict[str, ContainerSpec]:
    """Planned settings by the container's name."""
    planned = {}
    for step in plan.steps:
        if isinstance(step, StartContainers):
            planned.update(dict(zip(step.containers, step.specs, strict=True)))
        if isinstance(step, StartDependency):
            planned[step.container] = step.spec
    return planned


def created(spec: ContainerSpec, image: str, *mounts: Mount) -> ContainerSpec:
    """Planned settings as a healthy container of an image has them."""
    return replace(spec, image=image, restart=spec.labels[labels.RESTART], mounts=(*spec.mounts, *mounts))


def test_containers_have_the_settings_that_the_plan_says() -> None:
    """All but their image's digest; and their restart policy once they are healthy, which the plan has as a label."""
    engine = ModelEngine()
    planned = specs_of(deployed(engine))
    assert set(planned) == {"shop-web-r1-1", "shop-web-r1-2", "shop-cache"}
    found = {name: engine.by_name[name].spec for name in planned}
    assert found == {name: created(spec, found[name].image) for name, spec in planned.items()}


def test_volumes_that_an_image_declares_are_created_and_the_plan_says_so() -> None:
    """The plan does not know their paths before a pull: its text names them as the image's."""
    engine = ModelEngine()
    engine.add_image("app:2", config={"Volumes": {DECLARED: {}}})
    plan = deployed(engine)
    spec, found = specs_of(plan)["shop-cache"], engine.by_name["shop-cache"].spec
    assert found == created(spec, found.image, Mount("shop-cache.var.lib.cache", DECLARED))
    (start,) = (step for step in plan.steps if isinstance(step, StartDependency))
    assert start.text == "start cache (new), with the volumes that its image declares"


class Refusing(FakeEngine):
    """An engine that cannot start a container, and calls it by its ID."""

    async def start(self, container: str) -> None:
        raise EngineError(f"the engine on shop could not start {shortened(container)}", cause="no `python`")


def test_a_container_that_cannot_be_started_is_called_by_its_name() -> None:
    """Nobody knows the ID of one that FTL has just created and removes again."""
    engine = Refusing(images=["shop-web:r2"])
    asked = project()
    session = Session("shop", FakeMachine(), engine, INFO)
    context = DeployContext(
        asked, Path(), Fleet([session]), session, server(asked), "r2", print, RunClients(asked, Path())
    )
    spec = ContainerSpec(image="shop-web:r2", labels={}, restart="no")
    with pytest.raises(EngineError) as caught:
        asyncio.run(create_and_start(context, "shop-web-r2", spec))
    assert caught.value.message == "the engine on shop could not start shop-web-r2"
    assert caught.value.cause == "no `python`"
