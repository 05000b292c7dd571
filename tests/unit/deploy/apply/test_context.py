"""A run: its containers by ID, what was sent where, and its work in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply import context as context_module
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext, TransferTotals
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.engine.specs import ContainerSpec
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.image.transfer import TransferResult
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from ftl.events import Event

SPEC = ContainerSpec("app", {})


class SlowToAnswer(FakeEngine):
    """An engine that has made a container some time before it says so."""

    async def create(self, name: str, spec: ContainerSpec) -> str:
        """Create it, and answer later."""
        made = await super().create(name, spec)
        await asyncio.sleep(0.02)
        return made


def run_at(*engines: FakeEngine) -> DeployContext:
    """A run at the first of the servers with these engines, which are called "a", "b", ..."""
    sessions = [
        Session(name, None, engine, INFO)  # type: ignore[arg-type]
        for name, engine in zip("abc", engines, strict=False)
    ]
    asked = project()
    clients = RunClients(asked, Path())
    events: list[Event] = []
    return DeployContext(
        asked, Path(), Fleet(sessions), sessions[0], server(asked), "r2", events.append, clients
    )


def test_only_containers_of_this_run_are_removed() -> None:
    """By their IDs, whatever has their names by then."""
    engine = FakeEngine(images=["app"])

    async def work() -> None:
        context = run_at(engine)
        foreign = await engine.create("shop-web-r2-1", SPEC)
        await context.create("shop-api-r2-1", SPEC, called="shop-api-r2-1-new")
        ours = context.id_of(ContainerRef("", "shop-api-r2-1"))
        assert context.id_of(ContainerRef("seen", "shop-api-r2-1")) == "seen"
        await context.remove_created("shop-web-r2-1", "shop-api-r2-1")
        left = {container.id for container in await engine.containers()}
        assert foreign in left
        assert ours not in left

    asyncio.run(work())


def test_a_container_that_is_being_created_is_known_although_the_run_is_cancelled() -> None:
    """An undo could not remove it otherwise."""
    engine = SlowToAnswer(images=["app"])

    async def work() -> None:
        context = run_at(engine)
        creating = asyncio.create_task(context.create("shop-web-r2-1", SPEC))
        await asyncio.sleep(0)
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        (made,) = await engine.containers()
        assert context.created == {"shop-web-r2-1": made.id}

    asyncio.run(work())


def test_work_in_the_background_is_waited_for_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends in time has ended; the rest is cancelled, and fails nothing."""
    monkeypatch.setattr(context_module, "TASK_SECONDS", 0.05)
    ended: list[str] = []

    async def work() -> None:
        context = run_at(FakeEngine(images=["app"]))

        async def task(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            ended.append(name)

        async def fails() -> None:
            raise OSError

        context.in_background(task("short", 0))
        context.in_background(task("long", 60))
        context.in_background(fails())
        await context.end_tasks()
        assert all(each.done() for each in context.tasks)

    asyncio.run(work())
    assert ended == ["short"]


def test_a_run_at_another_server_shares_all_but_the_session() -> None:
    """What is sent to one is counted there, and seen by all."""
    context = run_at(FakeEngine(images=["app"]), FakeEngine(images=["app"]))
    other = context.at("b")
    assert context.at("a") is context
    assert (other.server, context.server) == ("b", "a")
    other.count([TransferResult("app", 2, 4, 30, 0.1), TransferResult("db", 1, 0, 5, 0.1, bytes_saved=7)])
    assert context.sent_to == {"b": TransferTotals(3, 4, 35, 7)}
    assert [each.server for each in context.each(("b", "a"))] == ["b", "a"]
    assert other.undo is context.undo
    other.created["x"] = "1"
    assert context.created == {"x": "1"}
