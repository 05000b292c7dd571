"""Jobs in a plan: their containers, and when the crontab changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.project import Job
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.jobs import CreateJob, RemoveJobs, SwitchJobs, WriteCrontab
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.host.crontab import CronLine
from tests.unit.deploy.world import container, first, kinds, plan, project, record, server, service

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

NIGHTLY = Job(name="nightly", service="web", command="cleanup --all", schedule="15 3 * * *", timeout=1800.0)
LINE = CronLine("shop.job.nightly", "15 3 * * *", "UTC")


def made(asked: Project, *, state: str = "created", name: str = "", release: str = "r1") -> Container:
    """The container of the first job, as a deploy has made it."""
    step = first(plan(asked, server(asked, ready=False)), CreateJob)
    assert isinstance(step, CreateJob)
    label_map = {**step.spec.labels, labels.RELEASE: release}
    called = name or f"shop.job.{step.job}"
    return Container(f"id-{called}", called, "shop-web:r1", "sha256:x", label_map, state, "", 0)  # type: ignore[arg-type]


def writes(found: Plan) -> list[WriteCrontab]:
    """The steps that write the crontab."""
    return [step for step in found.steps if isinstance(step, WriteCrontab)]


def deployed(asked: Project, *jobs: Container) -> Observed:
    """A server on which r1 of a project is live."""
    return server(
        asked, *container(asked, "web", "r1"), *jobs, live={"web": "r1"}, releases=(record("r1", web="r1"),)
    )


def test_a_job_is_created_before_the_switch_and_gets_its_name_after_it() -> None:
    """Cron is checked before anything is made; no container of a job is started."""
    asked = project(jobs=(NIGHTLY,))
    found = plan(asked, server(asked, ready=False))
    names = kinds(found)
    order = ["CheckCron", "CreateJob", "WriteCrontab", "Switch", "SwitchJobs", "WriteCrontab"]
    assert [name for name in names if name in order] == order
    before, after = writes(found)
    assert (before.lines, before.before) == ((LINE,), ())
    assert (after.lines, after.before) == ((LINE,), None)
    assert [(change.kind, change.name, change.action) for change in found.changes][-1] == (
        "job",
        "nightly",
        "created",
    )


def test_a_job_has_its_service_s_container_without_ports_and_aliases() -> None:
    """Env, volumes and network are the service's; a run is never restarted."""
    web = service(env={"A": "1"}, volumes=("media:/m",), forwards=("9000:9000",), entrypoint="/entry")
    step = first(plan(project(web, jobs=(NIGHTLY,)), server(project(web), ready=False)), CreateJob)
    assert isinstance(step, CreateJob)
    spec = step.spec
    assert (spec.command, spec.entrypoint, spec.env) == (("cleanup", "--all"), ("/entry",), {"A": "1"})
    assert (spec.publish, spec.healthcheck, spec.restart) == ((), None, "no")
    assert list(spec.networks.values()) == [()]
    assert [mount.target for mount in spec.mounts] == ["/m"]
    assert spec.labels[labels.WHEN] == "15 03 * * * both UTC 1800"
    assert (step.image, step.joins, step.container) == ("shop-web:r1", False, "shop.job.nightly.new-r1")


def test_an_unchanged_job_is_no_reason_for_a_release() -> None:
    """Nothing is done, whether it ran, runs or waits."""
    asked = project(jobs=(NIGHTLY,))
    for state in ("created", "running", "exited"):
        assert plan(asked, deployed(asked, made(asked, state=state))).empty


def test_a_lost_crontab_is_written_again_without_a_release() -> None:
    """`crontab -r`, an emptied script, or a removal that was cut: with the jobs as they are, or shall be."""
    asked = project(jobs=(NIGHTLY,))
    lost = replace(deployed(asked, made(asked)), crontab_differs=True)
    (write,) = plan(asked, lost).steps
    assert isinstance(write, WriteCrontab)
    assert (write.lines, write.before, write.removed) == ((LINE,), None, ())
    changed = project(service(env={"A": "1"}), jobs=(NIGHTLY,))
    assert [one.lines for one in writes(plan(changed, lost, "sha256:two"))] == [(LINE,)]


def test_a_changed_job_makes_a_release_of_the_live_image() -> None:
    """The service's containers go on; the old container of the job stays for its log, since it ran."""
    before = project(jobs=(NIGHTLY,))
    asked = project(jobs=(replace(NIGHTLY, schedule="15 4 * * *"),))
    found = plan(asked, deployed(before, made(before, state="exited")))
    create, switch = first(found, CreateJob), first(found, SwitchJobs)
    assert isinstance(create, CreateJob)
    assert isinstance(switch, SwitchJobs)
    assert (found.release, create.joins, create.image) == ("r2", True, "shop-web:r1")
    assert "StartContainers" not in kinds(found)
    assert [(one.name, one.fresh, one.parked) for one in switch.switches] == [
        ("shop.job.nightly", "shop.job.nightly.new-r2", "shop.job.nightly.old-id-shop.job.")
    ]
    assert "RemoveJobs" not in kinds(found)


def test_a_new_image_of_the_service_replaces_the_job() -> None:
    """A job runs in the live release."""
    asked = project(jobs=(NIGHTLY,))
    found = plan(asked, deployed(asked, made(asked)), "sha256:two")
    create = first(found, CreateJob)
    assert isinstance(create, CreateJob)
    assert (create.joins, create.image, create.why) == (False, "shop-web:r2", "new image")
    remove = first(found, RemoveJobs)
    assert isinstance(remove, RemoveJobs)
    assert [one.name for one in remove.containers] == ["shop.job.nightly"], "it never ran"


def test_a_removed_job_leaves_the_crontab_when_the_release_is_live() -> None:
    """A deploy that is cut before leaves the live release its job."""
    before = project(jobs=(NIGHTLY, replace(NIGHTLY, name="hourly")))
    asked = project(jobs=())
    found = plan(asked, deployed(before, made(before)))
    (write,) = writes(found)
    assert (write.lines, write.before, write.removed) == ((), None, ("nightly",))
    names = kinds(found)
    assert names.index("WriteRecord") < names.index("SwitchJobs") < names.index("WriteCrontab")
    assert names.index("WriteCrontab") < names.index("RemoveJobs")
    assert [(one.name, one.action, one.kind) for one in found.changes][-1] == ("nightly", "removed", "job")


def test_the_crontab_has_old_and_new_times_during_the_switch() -> None:
    """Whichever container has the job's name is started at its own."""
    before = project(jobs=(NIGHTLY,))
    asked = project(jobs=(replace(NIGHTLY, schedule="15 4 * * *"),))
    during, after = writes(plan(asked, deployed(before, made(before))))
    assert [line.schedule for line in during.lines] == ["15 3 * * *", "15 4 * * *"]
    assert during.before == (LINE,)
    assert [line.schedule for line in after.lines] == ["15 4 * * *"]


def test_a_deploy_brings_back_the_jobs_of_a_service_that_was_stopped() -> None:
    """Without a release, if nothing has changed."""
    asked = project(jobs=(NIGHTLY,))
    stopped = made(asked, name="shop.job.nightly.stopped", state="exited")
    found = plan(asked, deployed(asked, stopped))
    switch = first(found, SwitchJobs)
    assert isinstance(switch, SwitchJobs)
    (only,) = switch.switches
    assert (only.name, only.fresh) == ("shop.job.nightly", "shop.job.nightly.new-r1")
    assert only.old == ContainerRef(stopped.id, stopped.name)
    assert [write.lines for write in writes(found)] == [(LINE,), (LINE,)]
    create = first(found, CreateJob)
    assert isinstance(create, CreateJob)
    assert (create.why, create.joins, create.image) == ("it was stopped", True, "shop-web:r1")
    assert (found.record, "RemoveJobs" in kinds(found)) == (None, False), "its log stays"


def test_a_partial_deploy_leaves_the_jobs_of_other_services() -> None:
    """Their lines stay, and so do jobs that ftl.yaml no longer names."""
    asked = project(service(), service("api"), jobs=(NIGHTLY, replace(NIGHTLY, name="sync", service="api")))
    observed = server(
        asked,
        *container(asked, "web", "r1"),
        *container(asked, "api", "r1"),
        made(asked),
        live={"web": "r1", "api": "r1"},
        releases=(record("r1", web="r1", api="r1"),),
    )
    found = plan(asked, observed, only=("api",))
    assert [line.container for line in writes(found)[-1].lines] == ["shop.job.nightly", "shop.job.sync"]
    assert [step.job for step in found.steps if isinstance(step, CreateJob)] == ["sync"]


def test_what_an_interrupted_deploy_left_of_a_job_is_removed_first() -> None:
    """A container that never got the name that cron starts is not counted as the job."""
    asked = project(jobs=(NIGHTLY,))
    left = made(asked, name="shop.job.nightly.new-r2")
    found = plan(asked, deployed(asked, left))
    remove = first(found, RemoveJobs)
    assert isinstance(remove, RemoveJobs)
    assert [one.name for one in remove.containers] == ["shop.job.nightly.new-r2"]
    assert kinds(found).index("RemoveJobs") < kinds(found).index("CreateJob")


def test_only_the_last_run_of_replaced_containers_is_kept() -> None:
    """Older ones go with the next release."""
    asked = project(jobs=(NIGHTLY,))
    parked = made(asked, name="shop.job.nightly.old-1", state="exited")
    found = plan(asked, deployed(asked, made(asked, state="exited"), parked), "sha256:two")
    remove = first(found, RemoveJobs)
    assert isinstance(remove, RemoveJobs)
    assert [one.name for one in remove.containers] == ["shop.job.nightly.old-1"]


def test_what_a_deploy_left_that_was_cut_after_its_switch_goes_with_the_next_one() -> None:
    """Without a release of its own; the last run stays, and so does one that runs. Then nothing is left to do."""
    asked = project(jobs=(NIGHTLY,))
    last, idle = (
        made(asked, name="shop.job.nightly.old-1", state="exited"),
        made(asked, name="shop.job.nightly.old-2"),
    )
    found = plan(asked, deployed(asked, made(asked), last, idle))
    assert kinds(found) == ["RemoveJobs"]
    remove = first(found, RemoveJobs)
    assert isinstance(remove, RemoveJobs)
    assert [one.name for one in remove.containers] == ["shop.job.nightly.old-2"]
    running = made(asked, name="shop.job.nightly.old-2", state="running")
    for left in ((last,), (running,), (replace(last, created=1), running)):
        assert plan(asked, deployed(asked, made(asked), *left)).empty
