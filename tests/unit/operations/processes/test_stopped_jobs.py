"""Jobs of services that are stopped: cron forgets them, and a start brings them back."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.project import Job
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import StopContainers
from ftl.deploy.plan.steps.jobs import SwitchJobs, WriteCrontab
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.host.crontab import CronLine
from ftl.operations.changes.start import plan_start
from ftl.operations.changes.stop import plan_stop
from tests.unit.deploy.world import actions, container, first, kinds, project, server, service
from tests.unit.operations.changes.live_release import ME, REQUEST, live
from tests.unit.operations.changes.rollback.rollback_world import released

NIGHTLY = Job(name="nightly", service="web", command="cleanup", schedule="15 3 * * *")
SYNC = Job(name="sync", service="api", command="sync", schedule="0 * * * *")
ASKED = project(service(), service("api"), jobs=(NIGHTLY, SYNC))
LINES = {job.name: CronLine(f"shop.job.{job.name}", job.schedule, "UTC") for job in (NIGHTLY, SYNC)}


def job(made: Job, suffix: str = "", state: str = "created") -> Container:
    """The container of a job."""
    label_map = {
        labels.PROJECT: "shop",
        labels.SERVICE: made.service,
        labels.ROLE: labels.ROLE_JOB,
        labels.JOB: made.name,
        labels.SCHEDULE: made.schedule,
        labels.WHEN: "15 03 * * * both UTC 3600",
    }
    name = f"shop.job.{made.name}{suffix}"
    return Container(f"id-{name}", name, "shop-web:r1", "sha256:x", label_map, state, "", 0)  # type: ignore[arg-type]


def boxes(state: str) -> list[Container]:
    """The containers of both services."""
    return [one for name in ("web", "api") for one in container(ASKED, name, "r1", state=state)]


def test_stopping_a_service_takes_its_jobs_from_cron_first() -> None:
    """Jobs of other services stay; a run that is under way ends, also one of an earlier release."""
    old = job(NIGHTLY, ".old-1", "running")
    observed = live(ASKED, *boxes("running"), job(NIGHTLY, state="exited"), job(SYNC), old)
    made = plan_stop(replace(REQUEST, services=("web",)), ME, observed)
    assert kinds(made) == ["SwitchJobs", "WriteCrontab", "StopContainers", "StopContainers"]
    switch, write, stop = first(made, SwitchJobs), first(made, WriteCrontab), first(made, StopContainers)
    assert isinstance(switch, SwitchJobs)
    assert isinstance(write, WriteCrontab)
    assert isinstance(stop, StopContainers)
    assert [(one.name, one.parked) for one in switch.switches] == [
        ("shop.job.nightly", "shop.job.nightly.stopped")
    ]
    assert (write.lines, write.text) == ((LINES["sync"],), "remove nightly from the crontab")
    assert stop.containers == (ContainerRef(old.id, old.name),)
    assert actions(made)["nightly"] == "stopped"


def test_stopping_twice_does_nothing() -> None:
    """The jobs are stopped already."""
    stopped = live(ASKED, *boxes("exited"), job(NIGHTLY, ".stopped"), job(SYNC, ".stopped"))
    assert plan_stop(REQUEST, ME, stopped).empty


def test_a_start_brings_the_jobs_of_its_services_back() -> None:
    """Those of others stay stopped."""
    observed = server(
        ASKED,
        *boxes("exited"),
        job(NIGHTLY, ".stopped"),
        job(SYNC, ".stopped"),
        live={"web": "r1", "api": "r1"},
        releases=(released(ASKED, "r1"),),
    )
    made = plan_start(replace(REQUEST, services=("web",)), ME, observed)
    switch, write = first(made, SwitchJobs), first(made, WriteCrontab)
    assert isinstance(switch, SwitchJobs)
    assert isinstance(write, WriteCrontab)
    assert [(one.name, one.old) for one in switch.switches] == [
        ("shop.job.nightly", ContainerRef("id-shop.job.nightly.stopped", "shop.job.nightly.stopped"))
    ]
    assert write.lines == (LINES["nightly"],)
    assert made.record is None
