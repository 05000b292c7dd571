"""Restart policies: asked for where a change broke off, whatever came in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.observe.snapshot import observe
from ftl.deploy.plan.desired.specs import created_spec, dependency_container
from ftl.deploy.plan.steps.containers import SetRestartPolicy
from ftl.engine import labels
from ftl.operations.changes.start import plan_start
from ftl.releases.audit import AuditEntry, AuditOutcome
from ftl.releases.store import ensure_store, write_audit
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.plan.data import DB
from tests.unit.deploy.world import INFO, container, dependency, plan, project, record, server, service
from tests.unit.operations.changes.live_release import ME, REQUEST

STOPPED = AuditEntry(1.0, "me@here", "stop db", "r1", "interrupted")


@pytest.mark.parametrize(
    ("outcome", "later", "asked"),
    [("interrupted", "prune", True), ("failed", "maintenance on", True), ("done", "prune", False)],
)
def test_a_stop_that_broke_off_is_seen_whatever_came_after_it(
    outcome: AuditOutcome, later: str, asked: bool
) -> None:
    """Ctrl-C came between taking the policy and stopping; the engine's list does not tell the policy."""

    async def look() -> None:
        engine = FakeEngine(images=["caddy:2", DB.image])
        await ensure_store(engine, "caddy:2")
        await engine.create_network("ftl-p-shop", {labels.PROJECT: "shop"})
        wanted = dependency_container(project(dependencies=(DB,)), DB).spec
        number = await engine.create("shop-db", created_spec(replace(wanted, image=DB.image), proven=True))
        await engine.start(number)
        await engine.set_restart_policy(number, "no")
        done = replace(STOPPED, command=later, outcome="done")
        await write_audit(engine, "shop", [replace(STOPPED, outcome=outcome), done])
        found = await observe(engine, INFO, "shop", "server")
        assert found.policies == ({number: "no"} if asked else {})

    run(look())


def test_a_start_with_nothing_to_start_sets_the_policies_again() -> None:
    """All of it runs; a reboot would end that. What has its policy is left alone."""
    asked = project(service("web"), dependencies=(DB,))
    told = replace(record("r1", web="r1"), project=asked.to_dict())
    running = (*container(asked, "web", "r1"), dependency(asked, "db"))
    there = server(asked, *running, live={"web": "r1"}, releases=(told,))
    cut = replace(there, policies={running[0].id: "always", running[1].id: "no"})
    for found in (plan(asked, cut), plan_start(REQUEST, ME, cut)):
        (step,) = found.steps
        assert isinstance(step, SetRestartPolicy)
        assert [ref.name for ref in step.containers] == ["shop-db"]
    assert plan_start(REQUEST, ME, there).empty
    without = replace(running[1], labels={**running[1].labels, labels.RESTART: "no"})
    asks_none = replace(cut, containers=(running[0], without, *there.containers[2:]))
    assert plan(asked, asks_none).empty
