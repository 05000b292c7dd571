"""Deploys that are killed while they change jobs: each job that is there runs at its times."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Job
from ftl.deploy.apply.steps.jobs import RUNNERS
from ftl.deploy.plan.steps.jobs import CreateJob, RemoveJobs, SwitchJobs, WriteCrontab
from ftl.deploy.plan.steps.proxy import Switch
from ftl.deploy.plan.steps.records import WriteRecord
from ftl.engine import labels
from ftl.errors import EngineError
from ftl.host.jobs import read_jobs
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context
from tests.unit.deploy.world import container, plan, project, record, server

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.apply.context import DeployContext
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.steps.base import Step
    from ftl.engine.api import Engine

LAST = 8
"""Changes that the deploy makes."""

IMAGE = "shop-web:r1"
KEPT = Job(name="kept", service="web", command="kept", schedule="0 1 * * *")
MOVED = Job(name="moved", service="web", command="moved", schedule="0 2 * * *")
GONE = Job(name="gone", service="web", command="gone", schedule="0 3 * * *")
NEW = Job(name="new", service="web", command="new", schedule="0 4 * * *")
BEFORE = project(jobs=(KEPT, MOVED, GONE))
AFTER = project(jobs=(KEPT, replace(MOVED, schedule="30 2 * * *"), NEW))
OLD_TIMES = {"kept": "0 1 * * *", "moved": "0 2 * * *", "gone": "0 3 * * *"}
NEW_TIMES = {"kept": "0 1 * * *", "moved": "30 2 * * *", "new": "0 4 * * *"}


class ServerWithJobs:
    """A server with the jobs of BEFORE."""

    def __init__(self) -> None:
        self.engine = FakeEngine(images=[IMAGE])
        self.crontab: set[tuple[str, str]] = set()

    async def begin(self) -> None:
        """Deploy BEFORE."""
        await self.engine.create_network("ftl-p-shop", {})
        await self.run(plan(BEFORE, server(BEFORE, ready=False)))

    def plan(self, asked: Project) -> Plan:
        """Plan a deploy by what is on the server, where r1 is live."""
        jobs = asyncio.run(self.engine.containers(labels={labels.ROLE: labels.ROLE_JOB}))
        boxes = container(asked, "web", "r1")
        records = (record("r1", web="r1"),)
        return plan(asked, server(asked, *boxes, *jobs, live={"web": "r1"}, releases=records))

    async def run(self, made: Plan, changes: int = 100) -> tuple[bool, bool]:
        """Do so many changes of the jobs, then be killed; returns whether it was decided, and had come to its end."""
        context = deploy_context(self.engine)
        decided = False
        for step in made.steps:
            decided |= isinstance(step, Switch) or (
                isinstance(step, WriteRecord) and step.record.outcome == "live"
            )
            for change in _changes(step):
                if not changes:
                    return decided, False
                await self.step(context, change)
                changes -= 1
        return True, True

    async def step(self, context: DeployContext, step: Step) -> None:
        """Do a step, and keep the crontab."""
        if isinstance(step, WriteCrontab):
            self.crontab = {(line.container, line.schedule) for line in step.lines}
        elif isinstance(step, CreateJob):
            spec = replace(step.spec, image=IMAGE)
            context.created[step.container] = await self.engine.create(step.container, spec)
        else:
            await RUNNERS.of(step)(context, step)

    @property
    def times(self) -> dict[str, str]:
        """Job -> schedule at which cron starts its container: a line wakes it, and its label agrees."""
        return {
            box.spec.labels[labels.JOB]: schedule
            for name, box in self.engine.by_name.items()
            for schedule in [box.spec.labels[labels.SCHEDULE]]
            if (name, schedule) in self.crontab
        }

    @property
    def jobs(self) -> dict[str, str]:
        """Job -> schedule of its container, whatever the crontab has."""
        return {
            box.spec.labels[labels.JOB]: box.spec.labels[labels.SCHEDULE]
            for name, box in self.engine.by_name.items()
            if name == f"shop.job.{box.spec.labels[labels.JOB]}"
        }


def _changes(step: Step) -> list[Step]:
    """The changes of the jobs on the server that a step makes."""
    if isinstance(step, SwitchJobs):
        return [SwitchJobs((switch,)) for switch in step.switches]
    return [step] if isinstance(step, CreateJob | WriteCrontab | RemoveJobs) else []


@pytest.mark.parametrize("cut", range(LAST + 1))
def test_a_deploy_that_is_killed_leaves_each_job_its_times(cut: int) -> None:
    """Before the decision those of the live release; after it old or new ones, until the next deploy."""
    world = ServerWithJobs()
    asyncio.run(world.begin())
    assert world.times == OLD_TIMES
    decided, ended = asyncio.run(world.run(world.plan(AFTER), cut))
    assert ended == (cut == LAST), "the cuts are all that there are"
    assert world.times == world.jobs, "each job that is there is started at its times"
    if not decided:
        assert world.times == OLD_TIMES
    for name, schedule in world.times.items():
        assert schedule in (OLD_TIMES.get(name), NEW_TIMES.get(name))
    asyncio.run(world.run(world.plan(AFTER)))
    assert world.times == world.jobs == NEW_TIMES
    assert world.plan(AFTER).empty


def test_a_deploy_that_is_killed_between_two_names_is_seen_and_ended_by_the_next() -> None:
    """The old container has lost the name that cron starts, and the new one has not got it."""
    world = ServerWithJobs()
    asyncio.run(world.begin())
    world.engine.fail("rename", number=2 + len(OLD_TIMES))
    with pytest.raises(EngineError):
        asyncio.run(world.run(world.plan(AFTER)))
    now = datetime.fromtimestamp(1_700_000_100, UTC)
    jobs = asyncio.run(read_jobs(cast("Engine", world.engine), "shop", now=now))
    (moved,) = (job for job in jobs if job.problem)
    assert (moved.name, moved.problem) == ("moved", "the deploy that replaces it did not end: deploy again")
    asyncio.run(world.run(world.plan(AFTER)))
    assert world.times == world.jobs == NEW_TIMES
