"""Store of release records whose container was pruned: `docker system prune` does that.

The container never runs. The records are in its volume, and cannot be read without it. Commands that change something
create it anew; those that only read say that it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.common.next_step import ftl
from ftl.events import Note
from ftl.releases.file_copies import CONTAINER
from ftl.releases.store import ensure_store, is_store, read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Image, Volume
    from ftl.events import Emit
    from ftl.releases.record import ReleaseRecord

CAUSE = "their container was removed, as by `docker system prune`, and jobs with it"
HINT = f"{ftl('deploy')} creates it again, and the jobs; the records are in its volume"


async def is_pruned(engine: Engine) -> bool:
    """Whether there are records that nobody can read."""
    container, volumes = await gather2(engine.container(CONTAINER), engine.volumes())
    return container is None and any(map(is_store, volumes))


async def note_pruned(engine: Engine, server: str, emit: Emit) -> None:
    """Say that the records cannot be read, if it is so."""
    if await is_pruned(engine):
        emit(Note(f"the release records on {server} cannot be read: {CAUSE}", "warning", hint=HINT))


async def read_kept_records(engine: Engine, project: str) -> tuple[ReleaseRecord, ...] | None:
    """All records of a project; the container of a store that was pruned is created again.

    For what must not go without them: secrets that a log has to be printed without. None: the server has no store.
    """
    records = await read_records(engine, project)
    if records or await engine.container(CONTAINER) is not None:
        return records
    if not await restore_store(engine, await engine.images(), await engine.volumes()):
        return None
    return await read_records(engine, project)


async def restore_store(engine: Engine, images: Sequence[Image], volumes: Iterable[Volume]) -> bool:
    """Recreate the store's container after it was pruned; returns whether it did.

    That takes the volume with the records, and any image, of the server's `volumes` and `images`.
    """
    if not images or not any(map(is_store, volumes)):
        return False
    await ensure_store(engine, images[0].id)
    return True
