"""Containers that get requests before they have settled, and a switch that is taken back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Build, Project, ProjectInfo, Proxy, Route, Server, Service
from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.apply.steps.containers import wait
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.operation import Operation, OperationRequest, run
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.containers import WaitHealthy
from ftl.deploy.plan.steps.images import SendImages
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.errors import EngineError, Unhealthy
from ftl.events import Event, Note
from ftl.execution.runners import Runners
from ftl.health.spec import SETTLE_SECONDS
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.clock import run as run_async
from tests.support.fake_container import Behavior
from tests.support.fake_images import INFO
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import ModelEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.values import ExecResult

_OWN: Runners[DeployContext] = Runners()


@_OWN.runs(SendImages)
async def _send(context: DeployContext, step: SendImages) -> None:
    """The server has the image already: tag it."""
    for image in step.images:
        await context.engine.tag(image.local, image.tag)
        built = await context.engine.image(image.tag)
        assert built is not None
        context.images[image.service] = ResolvedImage(image.tag, built.id, layers=("l",))


@_OWN.runs(WaitHealthy)
async def _wait(context: DeployContext, step: WaitHealthy) -> None:
    """There are no sockets here: a container that runs has answered."""
    await wait(
        context, replace(step, check=replace(step.check, ports=(), path=None, settle=0.0, early=False))
    )
    if step.check.early:
        settled = asyncio.get_running_loop().time() + step.check.settle
        for number in map(context.id_of, step.containers):
            context.healthy[number] = replace(context.healthy[number], settled_at=settled)


BACKEND = replace(DOCKER, runners=Runners(DOCKER.runners, _OWN))


def shop(**changed: object) -> Project:
    """A shop with one service."""
    web = Service(name="web", port=8000, routes=(Route(host="shop.test"),), build=Build())
    return Project(
        project=ProjectInfo(name="shop", domain="shop.test"),
        server=Server(host="server"),
        services=(replace(web, **changed),),  # type: ignore[arg-type]
        proxy=Proxy(tls="off"),
    )


@dataclass(slots=True)
class Visits:
    """Which release requests went to, and when.

    Attributes:
        seen: (seconds since the deploy began, release, names of containers) whenever the release changed.
        events: Events of the deploy.
    """

    seen: list[tuple[float, str, set[str]]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def releases(self) -> list[str]:
        """The releases in turn."""
        return [release for _, release, _ in self.seen]


async def deploy(engine: ModelEngine, project: Project, content: str) -> Visits:
    """Deploy while somebody visits; raises what the deploy raises, with the visits as `visits`."""
    sources = {"web": BuiltImage(f"built:{content}", f"sha256:{content}")}
    request = PlanRequest(project, purpose=NewRelease(adopt=True))
    inputs = PlanInputs(Author("me"), sources)
    asked = OperationRequest.of(project, Path(), BACKEND, GivenCommand("deploy"))
    operation = Operation(asked, project, "me", lambda seen: make_plan(request, inputs, seen))
    session = Session("server", ModelMachine(engine), engine, INFO)
    visits = Visits()
    visiting = asyncio.create_task(_visit(engine, visits))
    try:
        observed = await observe(engine, INFO, "shop", "server")
        await run(operation, Fleet([session]), observed, emit=visits.events.append)
    except Unhealthy as error:
        raise _Failed(error, visits) from error
    finally:
        await asyncio.sleep(0.1)
        visiting.cancel()
    return visits


class _Failed(Exception):
    def __init__(self, error: Unhealthy, visits: Visits) -> None:
        super().__init__(error.cause)
        self.error = error
        self.visits = visits


async def _visit(engine: ModelEngine, visits: Visits) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        release = engine.live().get("shop.web", "").partition("-")[0]
        if not visits.seen or visits.seen[-1][1] != release:
            visits.seen.append((loop.time() - began, release, services(engine)))
        await asyncio.sleep(0.05)


def services(engine: ModelEngine) -> set[str]:
    """Names of the service's running containers."""
    own = (one for one in engine.by_name.values() if one.spec.labels.get(labels.ROLE) == labels.ROLE_SERVICE)
    return {one.name for one in own if one.state == "running"}


def test_a_release_that_answers_gets_requests_before_it_has_settled() -> None:
    """The release before runs on until then, and goes afterwards."""

    async def check() -> None:
        engine = ModelEngine()
        await deploy(engine, shop(), "1")
        loop = asyncio.get_running_loop()
        began = loop.time()
        visits = await deploy(engine, shop(), "2")
        assert visits.releases == ["r1", "r2"]
        assert visits.seen[1][0] < 1
        assert visits.seen[1][2] == {"shop-web-r1", "shop-web-r2"}
        assert SETTLE_SECONDS <= loop.time() - began < SETTLE_SECONDS + 2
        assert services(engine) == {"shop-web-r2"}

    run_async(check())


@pytest.mark.parametrize("recreate", [False, True])
def test_a_release_that_exits_after_the_switch_is_switched_back(recreate: bool) -> None:
    """Three seconds after its start: requests go to the release before again, and the first exit is the reason."""

    async def check() -> None:
        engine = ModelEngine()
        await deploy(engine, shop(recreate=recreate), "1")
        before = engine.live()
        engine.behaviors["shop-web:r2"] = Behavior(exit_code=9, seconds=3.0, log=("no such table",))
        with pytest.raises(_Failed) as failed:
            await deploy(engine, shop(recreate=recreate), "2")
        visits, error = failed.value.visits, failed.value.error
        assert error.cause == "it exited with code 9"
        assert "no such table" in error.details
        assert visits.releases == ["r1", "r2", "r1"]
        assert 3.0 <= visits.seen[2][0] <= 3.3
        assert engine.live() == before
        assert services(engine) == {"shop-web-r1"}
        notes = [event.text for event in visits.events if isinstance(event, Note)]
        assert "shop-web-r2 exited after the switch: requests go to the previous release again" in notes
        assert "the switch was taken back: the previous release stays live" in notes
        observed = await observe(engine, INFO, "shop", "server")
        assert [record.outcome for record in observed.releases] == ["live", "failed"]

    run_async(check())


def test_a_first_release_that_exits_leaves_nothing_public() -> None:
    """There is no release to go back to: its routes go."""

    async def check() -> None:
        engine = ModelEngine()
        engine.behaviors["shop-web:r1"] = Behavior(exit_code=9, seconds=3.0)
        with pytest.raises(_Failed):
            await deploy(engine, shop(), "1")
        assert engine.live() == {}
        assert services(engine) == set()

    run_async(check())


def test_switching_back_is_tried_again() -> None:
    """Without it, requests would go to a release that is down."""

    async def check() -> None:
        engine = ModelEngine()
        await deploy(engine, shop(), "1")
        before = engine.live()["shop.web"]
        engine.behaviors["shop-web:r2"] = Behavior(exit_code=9, seconds=3.0)
        execute, failures = engine.on_execute, iter((True,))
        assert execute is not None

        def failing(container: str, argv: Sequence[str]) -> ExecResult:
            if any(word.endswith(f"={before}") for word in argv) and next(failures, False):
                raise EngineError("the connection was cut", cause="timeout")
            return execute(container, argv)

        engine.on_execute = failing
        with pytest.raises(_Failed):
            await deploy(engine, shop(), "2")
        assert engine.live() == {"shop.web": before}
        assert services(engine) == {"shop-web-r1"}

    run_async(check())
