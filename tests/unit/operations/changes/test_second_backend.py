"""Second backend: commands plan and run through the one that they are given."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import pytest

from ftl.config.models.project import Server
from ftl.dataclass import dataclass
from ftl.deploy.backend import Backend
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.opening import PreparedOperation
from ftl.deploy.operation import OperationRequest
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.steps.base import RunsOn, Step
from ftl.deploy.request import Author
from ftl.errors import UsageError
from ftl.events import ignore
from ftl.execution.runners import Decision, Runners
from ftl.host.fleet import Fleet, open_fleet
from ftl.host.session import Session
from ftl.operations.changes.maintenance import plan_maintenance
from ftl.operations.changes.restart import plan_restart
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.rollback import RollbackRequest, plan_rollback
from ftl.operations.changes.scale import plan_scale
from ftl.operations.changes.stop import plan_stop
from ftl.operations.processes.run import RunRequest, run_command
from ftl.operations.selection import select_container
from ftl.operations.views.releases import releases
from ftl.operations.views.servers import servers
from ftl.operations.views.status import gather_cluster_status
from ftl.proxy.site import Maintenance
from ftl.releases.watch import ReleaseWatch
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import ModelEngine
from tests.unit.deploy.world import INFO, container, project
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released
from tests.unit.operations.stage import add

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

    from ftl.config.models.project import ClusterServer
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.observe.observer import Observer
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.planner import PlanInputs
    from ftl.deploy.request import PlanRequest
    from ftl.ssh.machine import Machine

ASKED = project()
ME = Author("me@here")


@dataclass(frozen=True, slots=True)
class Submit(Step):
    """Hand something to an orchestrator, which does the rest."""

    kind: ClassVar[str] = "submit"
    runs_on: ClassVar[RunsOn] = "one manager"
    what: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"submit {self.what}"


class Orchestrator:
    """A backend of one step class, and what was handed to it."""

    def __init__(self, observed: Observed) -> None:
        self.submitted: list[str] = []
        self.looks = 0
        self.observed = observed
        runners: Runners[DeployContext] = Runners()
        runners.runs(Submit)(self._submit)
        self.backend = Backend(open_fleet, self._observe, self._plan, self._assign, runners)

    async def _observe(self, _fleet: Fleet, _project: str, _servers: Sequence[ClusterServer]) -> Observed:
        self.looks += 1
        return self.observed

    def _plan(self, request: PlanRequest, inputs: PlanInputs, observed: Observed) -> Plan:
        purpose = type(request.purpose).__name__
        units = [
            f"{one.name} x{one.replicas} of {inputs.sources[one.name].content}"
            for one in request.project.services
        ]
        stage = Stage("submit", ((Submit(f"{purpose}: {', '.join(units)}"),),), decides=True)
        return Plan(observed.server, observed.project, "r3", (), (stage,))

    def _assign(self, plan: Plan, _observed: Observed, _servers: Sequence[ClusterServer]) -> Plan:
        def own(step: Step) -> Step:
            return step if isinstance(step, Submit) else Submit(step.text)

        stages = tuple(
            replace(stage, tracks=tuple(tuple(map(own, track)) for track in stage.tracks))
            for stage in plan.stages
        )
        return replace(plan, stages=stages)

    async def _submit(self, _context: DeployContext, step: Submit) -> Decision:
        self.submitted.append(step.what)
        return Decision(committed=True)


class Changing:
    """The project at r2 on a server of this backend, and the commands that change it."""

    def __init__(self) -> None:
        records = (released(ASKED, "r1"), released(ASKED, "r2"))
        self.observed = on_server(ASKED, *records, images=(image("r1"), image("r2")))
        self.orchestrator = Orchestrator(self.observed)
        self.request = OperationRequest(
            "shop",
            Server(host="server"),
            Path(),
            self.orchestrator.backend,
            GivenCommand("scale", ("web=3",)),
        )

    def watch(self) -> None:
        """Have the live release watched, next to what is kept of the previous one."""
        kept = container(ASKED, "web", "r1", content="content-r1")
        watched = ReleaseWatch("r2", "r1", "me@here", self.observed.info.now + 100)
        self.observed = replace(
            self.observed, containers=(*self.observed.containers, *kept), watches={"r2": watched}
        )
        self.orchestrator.observed = self.observed

    def run(self, plan: Callable[[OperationRequest, Author, Observed], Plan]) -> list[str]:
        """Plan and execute under the lock, as the command does once it is connected; what was submitted."""

        async def work() -> None:
            engine = FakeEngine()
            session = Session("server", ModelMachine(ModelEngine()), engine, INFO)
            change = PreparedOperation(self.request, Fleet([session]), self.observed, ME, 0.0)
            await change.run(ASKED, lambda seen: plan(self.request, ME, seen), emit=lambda _: None)
            assert not engine.by_name, "no container was started behind the backend's back"

        run(work())
        assert self.orchestrator.looks, "it is observed again under the lock"
        return self.orchestrator.submitted


def _rollback(request: OperationRequest, by: Author, observed: Observed) -> Plan:
    return plan_rollback(RollbackRequest(request), choose(observed, None), by, {}, observed)


@pytest.mark.parametrize(
    ("plan", "submitted"),
    [
        (_rollback, "RestoredRelease: web x1 of content-r1"),
        (plan_restart, "AdjustedRelease: web x1 of content-r2"),
        (plan_scale({"web": 3}), "AdjustedRelease: web x3 of content-r2"),
        (plan_stop, "stop shop-web-r2"),
        (plan_maintenance(Maintenance()), "set routes of shop.example.com (in maintenance)"),
    ],
)
def test_a_command_plans_and_runs_by_the_backend_it_is_given(
    plan: Callable[[OperationRequest, Author, Observed], Plan], submitted: str
) -> None:
    """A rollback, changes of the live release, and plans of single steps: none knows Docker's planner or runners."""
    assert Changing().run(plan) == [submitted]


def test_the_end_of_a_watch_is_in_its_terms_too() -> None:
    """A command of single steps may end a watch: the steps that remove what was kept are assigned, too."""
    changing = Changing()
    changing.watch()
    stopped, *removed = changing.run(plan_stop)
    assert stopped.startswith("stop shop-web-r")
    assert any("shop-web-r1" in what for what in removed)


async def _releases(observer: Observer, machines: list[Machine], fleet: Fleet) -> None:
    rows, _ = await releases("shop", machines, emit=lambda _: None, observer=observer)
    assert [row.record.release for row in rows] == ["r2", "r1"]


async def _servers(observer: Observer, machines: list[Machine], fleet: Fleet) -> None:
    assert await servers(ASKED, machines, observer, ignore) == ()


async def _status(observer: Observer, machines: list[Machine], fleet: Fleet) -> None:
    assert (await gather_cluster_status(ASKED, fleet, observer.observe)).observed.live_number == 2


async def _run(observer: Observer, machines: list[Machine], fleet: Fleet) -> None:
    asked = RunRequest("shop", Server(host="server"), "wbe")
    with pytest.raises(UsageError, match="wbe"):
        await run_command(asked, fleet, observer.observe, lambda _: None)


async def _select(observer: Observer, machines: list[Machine], fleet: Fleet) -> None:
    for release in ("r1", "r2"):
        await add(cast("FakeEngine", fleet.first.engine), f"shop-web-{release}", "web", release=release)
    await select_container(fleet, "shop", "web", observe=observer.observe)


@pytest.mark.parametrize("read", [_releases, _servers, _status, _run, _select])
def test_a_command_that_reads_looks_at_the_servers_through_the_backend_it_is_given(
    read: Callable[[Observer, list[Machine], Fleet], Coroutine[None, None, None]],
) -> None:
    """It connects and observes by that one's functions, and by no other's."""
    orchestrator = Changing().orchestrator
    orchestrator.observed = replace(orchestrator.observed, containers=())
    session = Session("server", ModelMachine(ModelEngine()), FakeEngine(), INFO)
    connected: list[Machine] = []

    @asynccontextmanager
    async def connect(machines: Sequence[Machine], _emit: object) -> AsyncIterator[Fleet]:
        connected.extend(machines)
        yield Fleet([session])

    observer = replace(orchestrator.backend, connect=connect)
    run(read(observer, [session.machine], Fleet([session])))
    assert orchestrator.looks == 1
    assert connected == ([session.machine] if read in (_releases, _servers) else [])
