"""Scheduled backups in a plan: a job beside the database, which cron starts."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.backup import ScheduledBackup
from ftl.config.models.project import Dependency
from ftl.deploy.plan.steps.jobs import CreateJob, WriteCrontab
from ftl.engine import labels
from ftl.engine.values import Container, Mount
from ftl.host.crontab import CronLine
from tests.unit.deploy.world import container, dependency, first, kinds, plan, project, record, server

POSTGRES = Dependency(
    name="db",
    image="postgres:16",
    env={"POSTGRES_PASSWORD": "hunter2"},
    volumes=("data:/var/lib/postgresql/data",),
)
NIGHTLY = ScheduledBackup(dependency="db", schedule="15 3 * * *", keep=3)
ASKED = project(dependencies=(POSTGRES,), backups=(NIGHTLY,))


def created(**settings: object) -> CreateJob:
    """The step that creates the backup's container, on a new server."""
    asked = replace(ASKED, backups=(replace(NIGHTLY, **settings),))  # type: ignore[arg-type]
    step = first(plan(asked, server(asked, ready=False)), CreateJob)
    assert isinstance(step, CreateJob)
    return step


def test_a_backup_is_a_job_in_a_container_of_the_database_s_image() -> None:
    """It has the database's env and network, no data of it, and a folder of the server that only root reads."""
    step = created(path="/srv/backups")
    spec = step.spec
    assert (step.job, step.service, step.container) == ("backup.db", "db", "shop.job.backup.db.new-r1")
    assert (step.image, step.joins) == ("postgres:16", False)
    assert (spec.env, spec.mounts) == (POSTGRES.env, (Mount("/srv/backups/shop", "/backups"),))
    assert (step.creates_folder, spec.needs_paths) == (True, True)
    assert (spec.restart, spec.publish, spec.settings) == ("no", (), {"User": "0"})
    assert list(spec.networks.values()) == [()]
    assert spec.command is not None
    assert spec.command[1:4] == ("ftl-backup", "db", "3")
    assert "hunter2" not in "".join((*spec.command, *spec.labels.values()))


def test_databases_that_are_left_out_are_arguments_of_the_script() -> None:
    """Without any, the container is the same as ever."""
    command, usual = (created(**settings).spec.command for settings in ({"without": ("cache", "a b")}, {}))
    assert command is not None
    assert usual is not None
    assert command == (*usual, "cache", "a b")


def test_a_backup_enters_the_crontab_and_is_checked_like_a_job() -> None:
    """A server without cron is refused."""
    made = plan(ASKED, server(ASKED, ready=False))
    assert "CheckCron" in kinds(made)
    writes = [step for step in made.steps if isinstance(step, WriteCrontab)]
    assert writes[-1].lines == (CronLine("shop.job.backup.db", "15 3 * * *", "UTC"),)


def test_a_backup_of_an_unchanged_database_runs_its_image() -> None:
    """A new one makes a release that starts no container of the database; an unchanged one makes none."""
    without = replace(ASKED, backups=())
    database = dependency(without, "db")
    boxes = (*container(without, "web", "r1"), database)
    observed = server(without, *boxes, live={"web": "r1"}, releases=(record("r1", web="r1"),))
    made = plan(ASKED, observed)
    create = first(made, CreateJob)
    assert isinstance(create, CreateJob)
    assert (create.image, create.joins, made.release) == (database.image, True, "r2")
    assert "StartDependency" not in kinds(made)
    label_map = {**create.spec.labels, labels.RELEASE: "r2"}
    job = Container("id", "shop.job.backup.db", "x", "sha256:x", label_map, "exited", "", 0)
    assert plan(ASKED, replace(observed, containers=(*boxes, job))).empty
    for before, creates in ((label_map, False), ({**label_map, labels.FOLDER: "/mnt/shop"}, True)):
        changed = replace(job, labels={**before, labels.CONFIG: "another"})
        again = first(plan(ASKED, replace(observed, containers=(*boxes, changed))), CreateJob)
        assert isinstance(again, CreateJob)
        assert again.creates_folder is creates, "one that is missing later is on a disk that is not mounted"
    told = replace(record("r2", web="r1"), project=ASKED.to_dict())
    pruned = first(plan(ASKED, replace(observed, containers=boxes, releases=(told,))), CreateJob)
    assert isinstance(pruned, CreateJob)
    assert not pruned.creates_folder, "its container was pruned, and its folder is that of the live release"
    anew = first(plan(ASKED, replace(observed, containers=(), releases=(told,))), CreateJob)
    assert isinstance(anew, CreateJob)
    assert not anew.creates_folder, "the record, which is on this server, says that there was a folder"
    moved = replace(ASKED, backups=(replace(NIGHTLY, path="/mnt"),))
    fresh = first(plan(moved, replace(observed, containers=boxes, releases=(told,))), CreateJob)
    assert isinstance(fresh, CreateJob)
    assert fresh.creates_folder
    removed = plan(without, replace(observed, containers=(*boxes, job)))
    assert [(one.name, one.action) for one in removed.changes][-1] == ("backup.db", "removed")
