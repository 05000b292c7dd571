"""Swarm services that are created while the managers do not agree."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.apply.steps.consensus import SwarmServiceCreation
from ftl.deploy.apply.steps.swarm_services import RUNNERS
from ftl.deploy.plan.steps.swarm_services import CreateSwarmService
from ftl.engine import labels
from ftl.engine.calls.services import ServiceSpec, SwarmService
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Container
from ftl.errors import EngineError
from ftl.events import StepUndone
from ftl.execution.undo import UndoStack
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.events import Event

NO_ANSWER = "no answer"
LATE = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
LOST = "rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status"
NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader."
MARKS = {labels.PROJECT: "shop", labels.SERVICE: "web", labels.RELEASE: "r2"}
WEB = ServiceSpec("shop-web-r2", ContainerSpec("web", MARKS), 3)


class Manager(FakeEngine):
    """A manager that answers with these causes at first.

    Attributes:
        attempts: Number of attempts.
        looks: How often the services were listed.
        removed: IDs of the services that were removed.
    """

    def __init__(self, *causes: str, stored_after: int = 99, seen_at: int = 0, unlisted: int = 0) -> None:
        super().__init__(name="a")
        self.attempts = 0
        self._unlisted = unlisted
        self._causes = causes
        self._stored_after = stored_after
        self._seen_at = seen_at
        self.removed: list[str] = []
        self.looks = 0

    async def create_service(self, spec: ServiceSpec) -> str:
        """Refuse at first."""
        self.attempts += 1
        if self.attempts <= len(self._causes):
            cause = self._causes[self.attempts - 1]
            status = {"name": 409, "inva": 400, "no a": 0}.get(cause[:4], 500)
            raise EngineError("the engine could not create it", cause=cause, status=status)
        return f"id-{spec.name}"

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """Those with these labels: the managers agreed after the answer."""
        self.looks += 1
        if self._unlisted:
            self._unlisted -= 1
            raise EngineError("the engine could not list them", cause=NO_LEADER)
        known = SwarmService("late", "shop-web-r2", MARKS, "", 3, {})
        return (
            [known]
            if self.attempts >= self._stored_after
            and self.looks >= self._seen_at
            and (labels or {}).items() <= MARKS.items()
            else []
        )

    async def remove_service(self, service: str) -> None:
        """Note the removal."""
        self.removed.append(service)


@pytest.mark.parametrize("causes", [(), (LATE,), (LOST, NO_LEADER, NO_LEADER)])
def test_it_is_tried_again_until_the_managers_agree(causes: tuple[str, ...]) -> None:
    """A new leader is chosen within some seconds."""
    manager = Manager(*causes)
    assert run(SwarmServiceCreation(manager, WEB).create()) == "id-shop-web-r2"
    assert manager.attempts == len(causes) + 1


def test_one_that_was_stored_after_all_is_taken() -> None:
    """A second one of the name would be refused, and nobody would remove the first."""
    manager = Manager(LATE, LATE, stored_after=1)
    assert run(SwarmServiceCreation(manager, WEB).create()) == "late"
    assert manager.attempts == 1


def test_a_list_that_needs_a_leader_is_tried_again_as_well() -> None:
    """The attempts do not end with the first one that is only about the look."""
    manager = Manager(LATE, stored_after=1, unlisted=2)
    assert run(SwarmServiceCreation(manager, WEB).create()) == "late"


def test_a_name_that_an_attempt_took_is_looked_up() -> None:
    """They may agree between the look and the next attempt."""
    manager = Manager(LATE, "name conflicts with an existing object", stored_after=2)
    assert run(SwarmServiceCreation(manager, WEB).create()) == "late"


@pytest.mark.parametrize(("causes", "calls"), [(("name conflicts",), 1), ((LATE,) * 9, 4)])
def test_other_refusals_and_a_lasting_one_are_raised(causes: tuple[str, ...], calls: int) -> None:
    """Most managers may be gone for good."""
    manager = Manager(*causes)
    with pytest.raises(EngineError):
        run(SwarmServiceCreation(manager, WEB).create())
    assert manager.attempts == calls


@pytest.mark.parametrize(
    ("causes", "seen_at"), [((LATE,) * 4, 4), ((LATE,) * 4, 6), ((NO_ANSWER,), 0), ((NO_ANSWER,), 3)]
)
def test_one_that_was_stored_although_its_creation_failed_is_undone(
    causes: tuple[str, ...], seen_at: int
) -> None:
    """The managers agree after the last attempt, perhaps while the undo looks."""
    manager = Manager(*causes, stored_after=len(causes), seen_at=seen_at)
    service = SwarmServiceCreation(manager, WEB)

    async def work() -> None:
        with pytest.raises(EngineError):
            await service.create()
        await service.remove()

    run(work())
    assert manager.removed == ["late"]


@pytest.mark.parametrize("cause", ["name conflicts with an existing object", "invalid"])
def test_a_refused_one_is_not_looked_for(cause: str) -> None:
    """One of its name is somebody else's."""
    manager = Manager(cause, stored_after=0)
    service = SwarmServiceCreation(manager, WEB)

    async def work() -> None:
        with pytest.raises(EngineError):
            await service.create()
        await service.remove()

    run(work())
    assert (manager.removed, manager.looks) == ([], 0)


def test_one_that_existed_before_is_neither_taken_nor_removed() -> None:
    """Only what this run made is undone."""
    manager = Manager(*(LATE,) * 4, stored_after=0)
    service = SwarmServiceCreation(manager, WEB, {"late"})

    async def work() -> None:
        with pytest.raises(EngineError):
            await service.create()
        await service.remove()

    run(work())
    assert (manager.attempts, manager.removed) == (4, [])


@pytest.mark.parametrize(
    ("causes", "removed"), [((), "id-shop-web-r2"), ((NO_ANSWER,), "late"), ((LATE,) * 4, "")]
)
def test_a_failed_deploy_undoes_the_step(causes: tuple[str, ...], removed: str) -> None:
    """Whether the answer came or not; where the managers never agreed, there is nothing to remove."""
    manager = Manager(*causes, stored_after=len(causes) if removed else 99)
    before = Container("late.1" if not causes else "old.1", "shop-web-r1.1", "web", "", {}, "running", "", 0)
    context = replace(
        deploy_context(manager), images={"web": ResolvedImage("web", "")}, undo=(undo := UndoStack(""))
    )
    context = replace(context, observed=replace(context.observed, containers=(before,)))
    step = CreateSwarmService("web", "shop-web-r2", WEB.container, "web", "new", 3)
    events: list[Event] = []

    async def work() -> None:
        with suppress(EngineError):
            await RUNNERS.of(step)(context, step)
        await undo.run(events.append)

    run(work())
    assert manager.removed == ([removed] if removed else [])
    assert [type(event) for event in events] == [StepUndone]
