"""Removal where the scheduled backups cannot be read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.backup import ScheduledBackup
from ftl.config.models.project import Dependency
from ftl.deploy.opening import PreparedOperation
from ftl.errors import FtlError
from ftl.events import Note
from ftl.operations.changes.remove import _of_removed, _stored
from ftl.releases.record import ReleaseRecord, backup_folders_of
from tests.support.clock import run
from tests.unit.deploy.world import plan, project, server
from tests.unit.operations.changes.rollback.rollback_world import ME, REQUEST, on_server

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.events import Event
    from ftl.host.fleet import Fleet
    from ftl.host.session import Session


class Unreadable:
    """Servers of which none can be read."""

    def require(self, host: str) -> Session:
        """Fail."""
        raise FtlError(f"the backups{host} cannot be read")


@pytest.mark.parametrize("needed", [True, False])
def test_a_preview_is_removed_though_its_backups_cannot_be_read(needed: bool) -> None:
    """With a warning, if it was to take them; `ftl remove --backups` stops there."""
    change = PreparedOperation(REQUEST.operation, cast("Fleet", Unreadable()), on_server(project()), ME, 0.0)
    notes: list[Event] = []
    assert run(_stored(change, notes.append, needed=needed, at_all=False)) == ()
    said = Note("scheduled backups may stay: the backups cannot be read", "warning")
    assert notes == ([said] if needed else [])
    if needed:
        with pytest.raises(FtlError, match="the backups cannot be read"):
            run(_stored(change, notes.append, needed=True, at_all=True))


def with_backups(path: str) -> Project:
    """A project whose database is backed up to this folder."""
    backup = ScheduledBackup(dependency="db", schedule="15 3 * * *", path=path)
    database = Dependency(name="db", image="postgres:17")
    return replace(project(), dependencies=(database,), backups=(backup,))


def test_where_the_backups_are_outlives_the_jobs_that_make_them() -> None:
    """A removal that was cut, or one without `--backups`, leaves it in the record of the release, as it is stored."""
    asked = with_backups("/mnt/backups")
    record = plan(asked, server(asked)).record
    assert record is not None
    removed = ReleaseRecord.from_json(_of_removed(record).to_json())
    assert removed is not None
    assert (removed.project, backup_folders_of([removed])) == ({}, ("/mnt/backups",))


def test_records_of_earlier_versions_tell_it_by_their_project() -> None:
    """Each folder counts once, and one that cannot be read is none."""
    asked = with_backups("/mnt/backups")
    record = ReleaseRecord("r1", "live", 0.0, project=asked.to_dict())
    broken = ReleaseRecord("r2", "live", 0.0, project={"backups": [{"path": 3}, "x"]})
    assert backup_folders_of([record, broken, record]) == ("/mnt/backups",)
