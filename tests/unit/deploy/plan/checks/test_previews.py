"""Previews in plans: how one is marked, and what it must not take the place of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.plan.checks.previews import is_deployed
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.records import SetPreview
from ftl.deploy.request import Author, NewRelease, PlanRequest, PreviewRequest, RestoredRelease
from ftl.engine import labels
from ftl.engine.values import Volume
from ftl.errors import UsageError
from ftl.operations.changes.remove import plan_remove
from ftl.releases.preview import Preview
from tests.unit.deploy.world import container, first, images, kinds, plan, project, record, server

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.request import Purpose

ASKED = replace(project(), preview_of="sh")
URL = "https://op.example.com"
BEFORE = Preview(1_900_000_000, 5.0, "op", "sh", URL, "ana@laptop")
BY = Author("me@here", time=1_999_740_800.0)
UP = NewRelease(preview=PreviewRequest("op", "sh", 259_200.0, URL))


def planned(observed: Observed, purpose: Purpose = UP) -> Plan:
    """The plan of `ftl preview up`."""
    return make_plan(PlanRequest(ASKED, purpose=purpose), PlanInputs(BY, images(ASKED)), observed)


def deployed(preview: Preview | None = BEFORE) -> Observed:
    """A server where it runs."""
    return replace(server(ASKED, *container(ASKED, "web", "r1"), live={"web": "r1"}), preview=preview)


def test_a_preview_is_marked_before_anything_is_created() -> None:
    """The server removes what a deploy that is killed leaves, and refuses one that it could not remove."""
    made = planned(server(ASKED, ready=False))
    steps = kinds(made)
    assert steps.index("CheckCron") < steps.index("SetPreview") < steps.index("WriteRecord")
    assert steps.index("EnsureStore") < steps.index("SetPreview") < steps.index("WaitHealthy")
    step = first(made, SetPreview)
    assert isinstance(step, SetPreview)
    assert step.preview == Preview(2_000_000_000, BY.time, "op", "sh", URL, "me@here")
    assert step.text == "schedule its removal for 2033-05-18T03:33:20Z"


def test_each_deploy_begins_its_time_anew() -> None:
    """Also one that changes nothing; its age is that of the first."""
    made = planned(deployed())
    assert kinds(made) == ["CheckCron", "SetPreview"]
    step = first(made, SetPreview)
    assert isinstance(step, SetPreview)
    assert step.preview == Preview(2_000_000_000, 5.0, "op", "sh", URL, "me@here")


def test_a_project_that_is_no_preview_does_not_become_one() -> None:
    """Its end would remove the data, even where only that is left."""
    kept = replace(server(ASKED, ready=False), volumes=(Volume("shop-data", {labels.PROJECT: "shop"}),))
    for observed in (deployed(None), replace(kept, releases=(record("r1", "replaced"),))):
        with pytest.raises(UsageError, match="shop, which is not a preview"):
            planned(observed)
    cut_short = planned(kept)
    assert "SetPreview" in kinds(cut_short)


def test_nothing_else_is_deployed_over_a_preview() -> None:
    """The server would remove it at the preview's end; a rollback of the preview is none of that."""
    with pytest.raises(
        UsageError, match="shop on server is a preview, which is removed at 2030-03-17"
    ) as caught:
        plan(project(), deployed())
    assert "ftl preview down op" in (caught.value.hint or "")
    assert "SetPreview" not in kinds(planned(deployed(), RestoredRelease("r1")))


def test_two_previews_of_one_name_on_the_server() -> None:
    """Preview `a-b` of `sh` and preview `b` of `sh-a` would be one project: the second is refused."""
    for other in (replace(BEFORE, of="sh-a"), replace(BEFORE, name="other")):
        with pytest.raises(UsageError, match=f"shop on server is the preview {other.name} of {other.of}"):
            planned(deployed(other))
        with pytest.raises(UsageError, match=f"is the preview {other.name} of {other.of}"):
            is_deployed(deployed(other), BEFORE.identity)


def test_only_a_preview_is_taken_down() -> None:
    """One that is gone already is no error; a project of its name that is none is left alone."""
    assert is_deployed(deployed(), BEFORE.identity)
    assert not is_deployed(server(ASKED, ready=False), BEFORE.identity)
    with pytest.raises(UsageError, match="shop on server is not a preview"):
        is_deployed(deployed(None), BEFORE.identity)


def test_a_removed_preview_is_none_any_more() -> None:
    """Unless volumes stay: the server removes those at its end."""
    assert kinds(plan_remove(deployed(), volumes=True))[-1] == "SetPreview"
    kept = replace(deployed(), volumes=(Volume("shop-data", {labels.PROJECT: "shop"}),))
    assert "SetPreview" not in kinds(plan_remove(kept, volumes=False))
    assert "SetPreview" in kinds(plan_remove(kept, volumes=True))
    assert "SetPreview" not in kinds(plan_remove(deployed(None), volumes=True))
