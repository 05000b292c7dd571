"""Swarm services that are created while the managers do not agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.deploy.apply.steps.agreed import create_agreed
from ftl.engine import labels
from ftl.engine.calls.services import ServiceSpec, SwarmService
from ftl.engine.specs import ContainerSpec
from ftl.errors import EngineError
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

LATE = "rpc error: code = DeadlineExceeded desc = context deadline exceeded"
LOST = "rpc error: code = Unknown desc = raft: failed to process the request: node lost leader status"
NO_LEADER = "rpc error: code = Unknown desc = The swarm does not have a leader."
MARKS = {labels.PROJECT: "shop", labels.SERVICE: "web", labels.RELEASE: "r2"}
WEB = ServiceSpec("shop-web-r2", ContainerSpec("web", MARKS), 3)


class Manager(FakeEngine):
    """A manager that answers with these causes at first.

    Attributes:
        attempts: Number of attempts.
    """

    def __init__(self, *causes: str, stored_after: int = 99, unlisted: int = 0) -> None:
        super().__init__(name="a")
        self.attempts = 0
        self._unlisted = unlisted
        self._causes = causes
        self._stored_after = stored_after

    async def create_service(self, spec: ServiceSpec) -> str:
        """Refuse at first."""
        self.attempts += 1
        if self.attempts <= len(self._causes):
            raise EngineError("the engine could not create it", cause=self._causes[self.attempts - 1])
        return f"id-{spec.name}"

    async def services(self, *, labels: Mapping[str, str] | None = None) -> list[SwarmService]:
        """Those with these labels: the managers agreed after the answer."""
        if self._unlisted:
            self._unlisted -= 1
            raise EngineError("the engine could not list them", cause=NO_LEADER)
        known = SwarmService("late", "shop-web-r2", MARKS, "", 3, {})
        return (
            [known] if self.attempts >= self._stored_after and (labels or {}).items() <= MARKS.items() else []
        )


@pytest.mark.parametrize("causes", [(), (LATE,), (LOST, NO_LEADER, NO_LEADER)])
def test_it_is_tried_again_until_the_managers_agree(causes: tuple[str, ...]) -> None:
    """A new leader is chosen within some seconds."""
    manager = Manager(*causes)
    assert run(create_agreed(manager, WEB)) == "id-shop-web-r2"
    assert manager.attempts == len(causes) + 1


def test_one_that_was_stored_after_all_is_taken() -> None:
    """A second one of the name would be refused, and nobody would remove the first."""
    manager = Manager(LATE, LATE, stored_after=1)
    assert run(create_agreed(manager, WEB)) == "late"
    assert manager.attempts == 1


def test_a_list_that_needs_a_leader_is_tried_again_as_well() -> None:
    """The attempts do not end with the first one that is only about the look."""
    manager = Manager(LATE, stored_after=1, unlisted=2)
    assert run(create_agreed(manager, WEB)) == "late"


def test_a_name_that_an_attempt_took_is_looked_up() -> None:
    """They may agree between the look and the next attempt."""
    manager = Manager(LATE, "name conflicts with an existing object", stored_after=2)
    assert run(create_agreed(manager, WEB)) == "late"


@pytest.mark.parametrize(("causes", "calls"), [(("name conflicts",), 1), ((LATE,) * 9, 4)])
def test_other_refusals_and_a_lasting_one_are_raised(causes: tuple[str, ...], calls: int) -> None:
    """Most managers may be gone for good."""
    manager = Manager(*causes)
    with pytest.raises(EngineError):
        run(create_agreed(manager, WEB))
    assert manager.attempts == calls
