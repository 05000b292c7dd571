"""Swarm services that are stopped, started and removed, and servers that are drained."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.swarm_services import RUNNERS
from ftl.deploy.plan.steps.base import ContainerRef, Step
from ftl.deploy.plan.steps.swarm_services import (
    AdmitServer,
    RemoveSwarmServices,
    SetDrained,
    StartSwarmServices,
    StopSwarmServices,
    WaitSwarmTasks,
)
from ftl.engine import labels
from ftl.engine.calls.services import SwarmService, SwarmTask
from ftl.engine.calls.swarm import SwarmNode
from ftl.engine.specs import ContainerSpec
from ftl.errors import EngineError, ServerError, Unhealthy
from ftl.events import Note
from ftl.health.spec import HealthSpec
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import project, server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.calls.swarm import Swarm
    from ftl.events import Event

WEB = ContainerRef("s1", "shop-web-r1")


class Nodes:
    """The nodes of a Swarm, as its managers see them."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.availability = {"n-a": "active", "n-b": "active"}
        self.labels: dict[str, dict[str, str]] = {"n-a": {}, "n-b": {}}

    async def nodes(self) -> list[SwarmNode]:
        """All nodes."""
        return [
            SwarmNode(node, dict(self.labels[node]), "manager", value, "ready", "", True)
            for node, value in self.availability.items()
        ]

    async def update_node(
        self, node: str, *, labels: Mapping[str, str | None], availability: str | None = None
    ) -> None:
        """Change a node's availability and labels."""
        self._manager.may_be_late()
        self.availability[node] = availability or self.availability[node]
        changed = {**self.labels[node], **labels}
        self.labels[node] = {name: value for name, value in changed.items() if value is not None}


class Manager(FakeEngine):
    """A manager's engine.

    Attributes:
        scaled: Service -> number of replicas, and the labels that were set.
        late: Number of changes that fail at first.
    """

    def __init__(self) -> None:
        super().__init__(name="a", images=["web"])
        self.scaled: dict[str, tuple[int, dict[str, str | None]]] = {}
        self.removed: list[str] = []
        self.running: list[SwarmTask] = []
        self.late = 0
        self.nodes = Nodes(self)

    def may_be_late(self) -> None:
        """Fail as while the managers choose a leader, so often."""
        if self.late:
            self.late -= 1
            raise EngineError("the engine on a could not do it", cause="The swarm does not have a leader.")

    @property
    def swarm(self) -> Swarm:
        """Swarm mode."""
        return cast("Swarm", self.nodes)

    async def scale_service(self, service: str, replicas: int, label_map: Mapping[str, str | None]) -> None:
        """Note the number."""
        self.may_be_late()
        self.scaled[service] = (replicas, dict(label_map))

    async def remove_service(self, service: str) -> None:
        """Note the removal."""
        self.may_be_late()
        self.removed.append(service)

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """One of each project."""
        assert labels is None
        return [
            SwarmService(f"s{number}", name, {"ftl.project": name.partition("-")[0]}, "", 1, {})
            for number, name in ((1, "shop-web-r1"), (2, "blog-web-r7"))
        ]

    async def tasks(self, service: str | None = None) -> list[SwarmTask]:
        """Those that shall run, or of a service."""
        if service is not None:
            self.may_be_late()
        return self.running


def servers() -> tuple[DeployContext, Manager, FakeEngine, list[Event]]:
    """A run on two servers, of which the second has a task of the service; its manager and its worker."""
    manager, worker = Manager(), FakeEngine(name="b", images=["web"])
    label_map = {labels.SWARM_SERVICE: "s1", labels.PROJECT: "shop"}
    run(worker.create("shop-web-r1.1.t1", ContainerSpec(image="web", labels=label_map)))
    run(worker.start("shop-web-r1.1.t1"))
    sessions = [
        Session(name, FakeMachine(name), engine, replace(INFO, node=f"n-{name}", is_manager=name == "a"))
        for name, engine in (("a", manager), ("b", worker))
    ]
    events: list[Event] = []
    asked = project()
    clients = RunClients(asked, Path())
    context = DeployContext(
        asked, Path(), Fleet(sessions), sessions[0], server(asked), "r1", events.append, clients
    )
    return context, manager, worker, events


async def perform(context: DeployContext, step: Step) -> None:
    """Execute a step."""
    await RUNNERS.of(step)(context, step)


def task(service: str, node: str) -> SwarmTask:
    """A task that runs."""
    return SwarmTask("t", service, 1, node, "running", "running", "", "c", {})


@pytest.mark.parametrize("ends", [True, False])
def test_a_stopped_service_keeps_its_number_and_its_tasks_are_waited_for(ends: bool) -> None:
    """One that does not end in time is an error that names its server."""
    context, manager, worker, _ = servers()

    async def check() -> None:
        stopping = asyncio.create_task(perform(context, StopSwarmServices("web", (WEB,), (3,), 5.0)))
        await asyncio.sleep(2)
        assert not stopping.done()
        if ends:
            worker.by_name["shop-web-r1.1.t1"].end(0, stopped=True)
            await stopping
        else:
            with pytest.raises(EngineError, match="tasks of shop-web-r1 are still running on b"):
                await stopping

    run(check())
    assert manager.scaled == {"s1": (0, {labels.STOPPED: "3"})}


def test_a_service_is_started_with_as_many_replicas() -> None:
    """What waits for its tasks finds its ID by its name."""
    context, manager, _, _ = servers()
    run(perform(context, StartSwarmServices("web", (WEB,), (3,))))
    assert manager.scaled == {"s1": (3, {labels.STOPPED: None})}
    assert context.created["shop-web-r1"] == "s1"


def test_a_removal_waits_for_the_tasks_where_networks_are_removed_after_it() -> None:
    """A deploy does not wait; what goes on stopping after a minute is noted."""
    context, manager, _, events = servers()
    run(perform(context, RemoveSwarmServices("web", (WEB,))))
    assert (manager.removed, events) == (["s1"], [])
    manager.removed.clear()
    run(perform(context, RemoveSwarmServices("web", (WEB,), waits=True)))
    assert manager.removed == ["s1"]
    assert events == [Note("shop-web-r1 is still stopping on b")]


def test_a_removal_waits_until_swarm_has_removed_the_containers() -> None:
    """Until then, an engine does not remove their image."""
    context, _, worker, events = servers()

    async def check() -> None:
        removing = asyncio.create_task(perform(context, RemoveSwarmServices("web", (WEB,), waits=True)))
        await asyncio.sleep(2)
        worker.by_name["shop-web-r1.1.t1"].end(0, stopped=True)
        await asyncio.sleep(2)
        assert not removing.done()
        await worker.remove("shop-web-r1.1.t1")
        await removing

    run(check())
    assert events == []


def test_a_removal_waits_for_the_tasks_while_a_server_is_down() -> None:
    """Its proxy still leads to them when it comes back: what answers then is no old release."""
    context, manager, worker, events = servers()
    context.fleet.missing = {"c": ServerError("c does not answer")}

    async def check() -> None:
        removing = asyncio.create_task(perform(context, RemoveSwarmServices("web", (WEB,))))
        await asyncio.sleep(2)
        assert (manager.removed, removing.done()) == (["s1"], False)
        worker.by_name["shop-web-r1.1.t1"].end(0, stopped=True)
        await removing

    run(check())
    assert events == []


def test_a_drain_is_a_label_of_the_node_and_is_undone_with_its_change() -> None:
    """Its availability stays: where it is not active, no proxy could join the network again."""
    context, manager, _, events = servers()
    run(perform(context, SetDrained("b", value=True)))
    assert manager.nodes.labels["n-b"] == {"ftl.drained.shop": "true"}
    assert manager.nodes.availability["n-b"] == "active"
    run(context.undo.run(events.append))
    assert manager.nodes.labels["n-b"] == {}


def test_a_server_is_admitted_by_a_label_of_its_node() -> None:
    """A deploy that fails takes it away again: the images of what stays live may be all that it has."""
    context, manager, _, events = servers()
    run(perform(context, AdmitServer("b")))
    assert manager.nodes.labels["n-b"] == {"ftl.role.shop.any": "true"}
    run(context.undo.run(events.append))
    assert manager.nodes.labels["n-b"] == {}


def test_a_drain_waits_for_the_tasks_that_finish_their_work() -> None:
    """The server is empty when the command returns."""
    context, manager, worker, events = servers()

    async def check() -> None:
        draining = asyncio.create_task(perform(context, SetDrained("b", value=True)))
        await asyncio.sleep(5)
        assert manager.nodes.labels["n-b"]
        assert not draining.done()
        worker.by_name["shop-web-r1.1.t1"].end(0, stopped=True)
        await draining

    run(check())
    assert not [event for event in events if isinstance(event, Note)]


def test_resume_makes_a_node_active_that_was_drained_by_hand() -> None:
    """Undoing gives it the label and the availability that it had."""
    context, manager, _, events = servers()
    manager.nodes.availability["n-b"] = "drain"
    manager.nodes.labels["n-b"] = {"ftl.drained.shop": "true"}
    run(perform(context, SetDrained("b", value=False)))
    assert (manager.nodes.labels["n-b"], manager.nodes.availability["n-b"]) == ({}, "active")
    run(context.undo.run(events.append))
    assert manager.nodes.labels["n-b"] == {"ftl.drained.shop": "true"}
    assert manager.nodes.availability["n-b"] == "drain"


def test_tasks_of_another_project_on_a_drained_server_are_named() -> None:
    """They stay; their project drains the server itself."""
    context, manager, _, events = servers()
    manager.running = [task("s2", "n-b"), task("s1", "n-b")]
    run(perform(context, SetDrained("b", value=True)))
    assert [event.text for event in events if isinstance(event, Note)] == [
        "blog-web-r7 of another project still runs on b",
        "tasks of shop are still stopping on b",
    ]


@pytest.mark.parametrize(
    "step",
    [
        StartSwarmServices("web", (WEB,), (3,)),
        RemoveSwarmServices("web", (WEB,)),
        SetDrained("b", value=True),
    ],
)
def test_a_change_waits_for_another_leader(step: Step) -> None:
    """The release is live already: what is left to do is done when the managers agree again."""
    context, manager, _, _ = servers()
    manager.late = 3
    run(perform(context, step))
    assert manager.late == 0
    assert manager.removed or manager.scaled or manager.nodes.labels["n-b"]
    manager.late = 9
    with pytest.raises(EngineError):
        run(perform(context, step))


def test_a_stop_and_a_wait_for_tasks_wait_for_another_leader() -> None:
    """A release is not given up for it."""
    context, manager, worker, _ = servers()
    worker.by_name["shop-web-r1.1.t1"].end(0, stopped=True)
    manager.late = 3
    run(perform(context, StopSwarmServices("web", (WEB,), (3,), 5.0)))
    assert (manager.late, manager.scaled) == (0, {"s1": (0, {labels.STOPPED: "3"})})
    context.created["shop-web-r1"] = "s1"
    manager.running = [replace(task("s1", "n-b"), state="failed", error="no such image")]
    manager.late = 3
    with pytest.raises(Unhealthy, match="did not become healthy"):
        run(perform(context, WaitSwarmTasks("web", "shop-web-r1", 1, HealthSpec(start_period=0.0))))
    assert manager.late == 0
