"""Rollback: scheduled backups belong to the databases, which stay."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.backup import ScheduledBackup
from ftl.config.models.project import Dependency
from ftl.deploy.plan.changes import dependency_change
from ftl.deploy.plan.jobs import jobs_diff
from ftl.engine import labels
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.rollback import restored_project
from tests.unit.deploy.world import dependency, project, server, service
from tests.unit.operations.changes.rollback.rollback_world import (
    REQUEST,
    image,
    on_server,
    released,
    rolled_back,
)

DB = Dependency(name="db", image="postgres:16")
NIGHTLY = ScheduledBackup(dependency="db", schedule="15 3 * * *", keep=14)


def test_backups_stay_with_the_databases_that_stay() -> None:
    """Neither is one removed that was added since, nor does an older number of files delete newer dumps."""
    now = project(service(), dependencies=(DB,), backups=(NIGHTLY,))
    for earlier in ((), (replace(NIGHTLY, keep=2),)):
        old = replace(now, backups=earlier)
        observed = on_server(now, released(old, "r1"), released(now, "r2"), images=(image("r1"),))
        assert restored_project(observed, choose(observed, "r1"), REQUEST).backups == (NIGHTLY,)


def test_what_goes_is_said_to_be_missing_in_the_release_and_not_in_the_file() -> None:
    """The file may well name it: a rollback does not read it."""
    now = project(service(), service("api", port=9000))
    old = project(service())
    observed = on_server(now, released(old, "r1"), released(now, "r2"), images=(image("r1"),))
    assert {change.name: change.why for change in rolled_back(observed, "r1").changes}["api"] == "not in r1"


def test_a_backup_of_a_database_that_stays_stopped_does_not_go_on() -> None:
    """Each of its runs would fail."""
    asked = project(service(), dependencies=(DB,), backups=(NIGHTLY,))
    observed = server(asked, replace(dependency(asked, "db"), state="exited"))
    for leave, action in ((True, "unchanged"), (False, "restarted")):
        owner = dependency_change(asked, DB, observed, leave_stopped=leave)
        made = jobs_diff(asked, observed, (owner,), partial=False).changes[0]
        label_map = {**made.spec.labels, labels.CONTENT: "postgres:16"}
        stopped = replace(
            dependency(asked, "db"),
            id="job",
            name="shop.job.backup.db.stopped",
            labels=label_map,
            state="created",
        )
        with_job = replace(observed, containers=(*observed.containers, stopped))
        found = jobs_diff(asked, with_job, (owner,), partial=False).changes
        assert [(change.name, change.action) for change in found] == [("backup.db", action)]
