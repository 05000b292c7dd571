"""Removal where the scheduled backups cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from ftl.errors import FtlError
from ftl.events import Note
from ftl.operations.changes.remove import _stored
from tests.support.clock import run
from tests.unit.operations.changes.rollback.rollback_world import REQUEST

if TYPE_CHECKING:
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
    fleet, request = cast("Fleet", Unreadable()), REQUEST.change
    notes: list[Event] = []
    assert run(_stored(fleet, request, notes.append, needed=needed, at_all=False)) == ()
    said = Note("scheduled backups may stay: the backups cannot be read", "warning")
    assert notes == ([said] if needed else [])
    if needed:
        with pytest.raises(FtlError, match="the backups cannot be read"):
            run(_stored(fleet, request, notes.append, needed=True, at_all=True))
