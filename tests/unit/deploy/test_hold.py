"""Hold on deploys: refusal with its reason, and its end by a deploy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.apply.steps.records import set_hold
from ftl.deploy.deploying import refuse_if_held
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.records import SetHold
from ftl.deploy.request import Author, NewRelease, PlanRequest, PreviewRequest, RestoredRelease
from ftl.errors import UsageError
from ftl.releases.hold import Hold
from ftl.releases.store import ensure_store, read_history, write_hold
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context
from tests.unit.deploy.world import container, images, kinds, project, server

HOLD = Hold("r14 loses sessions", "ana@laptop", 0.0)


def test_a_deploy_is_refused_with_the_reason_until_it_ends_the_hold() -> None:
    """The error names reason, person and way out; `--end-hold` removes it, also where nothing else changes."""
    asked = project()
    observed = replace(server(asked, *container(asked, "web", "r1"), live={"web": "r1"}), hold=HOLD)
    with pytest.raises(
        UsageError, match=r"by ana@laptop at 1970-01-01T00:00:00Z \(r14 loses sessions\)"
    ) as refused:
        refuse_if_held(PlanRequest(asked), observed)
    assert "--end-hold" in (refused.value.hint or "")
    ending = PlanRequest(asked, purpose=NewRelease(end_hold=True))
    refuse_if_held(ending, observed)
    assert kinds(make_plan(ending, PlanInputs(Author("me@here"), images(asked)), observed)) == ["SetHold"]


def test_a_preview_ends_the_hold_on_its_deploys_itself() -> None:
    """No `ftl deploy` could do that for it."""
    asked = replace(project(), preview_of="sh")
    preview = PreviewRequest("op", "sh", 3600.0)
    held = replace(server(asked, ready=False), hold=HOLD)
    ending = PlanRequest(asked, purpose=NewRelease(end_hold=True, preview=preview))
    refuse_if_held(ending, held)
    assert "SetHold" in kinds(make_plan(ending, PlanInputs(Author("me@here"), images(asked)), held))
    with pytest.raises(UsageError, match="on hold"):
        refuse_if_held(replace(ending, purpose=NewRelease(preview=preview)), held)


def test_a_hold_is_set_before_the_switch_and_ends_after_it() -> None:
    """Killed in between, a rollback has stopped the deploys that would undo it, and a deploy leaves them stopped."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    inputs = PlanInputs(Author("me@here"), images(asked, "sha256:two"))
    restoring = PlanRequest(asked, purpose=RestoredRelease("r13", hold="r14 loses sessions"))
    ending = PlanRequest(asked, purpose=NewRelease(end_hold=True))
    begins = kinds(make_plan(restoring, inputs, there))
    assert begins.index("SetHold") < begins.index("Switch")
    assert begins.index("WaitHealthy") < begins.index("SetHold")
    ends = kinds(make_plan(ending, inputs, replace(there, hold=HOLD)))
    assert ends.index("SetHold") > ends.index("Switch")


def test_a_hold_is_kept_beside_the_records() -> None:
    """It is read back as it was set, and is gone once it has ended."""

    async def check() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        await write_hold(engine, "shop", HOLD)
        assert (await read_history(engine, "shop")).hold == HOLD
        await write_hold(engine, "shop", None)
        ended = await read_history(engine, "shop")
        assert ended.hold_time > 0
        assert replace(ended, hold_time=0.0) == await read_history(engine, "other")

    run(check())


@pytest.mark.parametrize(("before", "asked"), [(None, HOLD), (HOLD, None), (HOLD, replace(HOLD, time=9.0))])
def test_what_is_undone_is_older_than_what_is_restored(before: Hold | None, asked: Hold | None) -> None:
    """A manager that is lost meanwhile keeps what is undone: it must not count when it comes back."""

    async def check() -> None:
        engine = FakeEngine(images=["caddy:2"])
        await ensure_store(engine, "caddy:2")
        context = deploy_context(engine)
        context = replace(context, observed=replace(context.observed, hold=before, hold_time=5e9))
        await set_hold(context, SetHold("shop", asked))
        changed = await read_history(engine, "shop")
        await context.undo.run(context.emit)
        restored = await read_history(engine, "shop")
        assert 5e9 < changed.hold_time < restored.hold_time
        assert (changed.hold is None, restored.hold is None) == (asked is None, before is None)

    run(check())
