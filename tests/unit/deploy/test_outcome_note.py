"""Note after a failure: whether the old release goes on, or which command finishes the rest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.common.next_step import plain
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import Operation, OperationRequest, _outcome_note
from ftl.deploy.plan.model import Plan, PlannedChange, Stage
from tests.unit.deploy.world import project

if TYPE_CHECKING:
    from ftl.deploy.apply.executor import DeployExecutor


@pytest.mark.parametrize("decides", [True, False])
def test_only_a_plan_with_a_decision_leaves_the_old_release(decides: bool) -> None:
    """A removal that fails half way has stopped something: running it again finishes that."""
    change = PlannedChange("web", "removed", "", "shop-web:r1")
    plan = Plan("server", "shop", "r1", (change,), (Stage("services", (), decides=decides),))
    command = GivenCommand("remove", options=("--volumes", "--backups"))
    request = OperationRequest.of(project(), Path(), DOCKER, command)
    operation = Operation(request, project(), "me@here", lambda _: plan)
    failed = cast("DeployExecutor", SimpleNamespace(incomplete=False, committed=False, switched_back=False))
    note = _outcome_note(plan, operation, failed)
    assert note is not None
    texts = (note.text, plain(note.hint or ""))
    if decides:
        assert "nothing was switched" in texts[0]
    else:
        assert texts == (
            "`ftl remove` did not finish",
            "run `ftl remove --volumes --backups` again to finish the rest",
        ), "without its options it would leave the volumes"
