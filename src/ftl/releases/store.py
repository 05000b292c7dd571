"""Where release records are kept on a server, and how they are read and written.

They live in the volume `ftl-state`, one JSON file a release (`PROJECT/r12.json`, mode 0600, owned by root). The
volume is mounted in a container of the same name that is created and never started: the engine's archive calls
read and write it, so whoever may use the engine may read it and nobody else, and no process ever sees it.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.engine import ContainerSpec, Mount, archive, labels
from ftl.releases.record import ReleaseRecord, release_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine import Engine

CONTAINER = "ftl-state"
VOLUME = "ftl-state"
ROOT = "/ftl"


async def read(engine: Engine, project: str) -> tuple[ReleaseRecord, ...]:
    """All records of a project, oldest first; none where nothing was ever deployed. One API call."""
    return unpacked(await engine.get_archive(CONTAINER, f"{ROOT}/{project}") or {})


def unpacked(files: Mapping[str, bytes]) -> tuple[ReleaseRecord, ...]:
    """The records in a project's files ("PROJECT/r12.json"), oldest first.

    One that cannot be read still has a name: it counts as a release that was started, so that its number is not given
    again.
    """
    read = []
    for path, data in files.items():
        release = PurePosixPath(path).stem
        if release_number(release):
            read.append(ReleaseRecord.from_json(data) or ReleaseRecord(release, "started", 0.0))
    return tuple(sorted(read, key=lambda record: record.number))


async def write(engine: Engine, project: str, record: ReleaseRecord) -> None:
    """Store a record, in place of an earlier one of the same release."""
    await engine.put_archive(CONTAINER, ROOT, packed(project, record))


def packed(project: str, record: ReleaseRecord) -> bytes:
    """The archive that puts a record in its place, private with its folder."""
    files = {f"{project}/{record.release}.json": record.to_json()}
    return archive(files, mode=0o600, folder_mode=0o700)


async def ensure_store(engine: Engine, image: str) -> None:
    """See to it that there is a place for records; `image` is any image the server has."""
    if await engine.container(CONTAINER) is not None:
        return
    marks = {labels.ROLE: labels.ROLE_STATE}
    await engine.create_volume(VOLUME, marks)
    spec = ContainerSpec(
        image=image, labels=marks, command=("true",), mounts=(Mount(VOLUME, ROOT),), restart="no"
    )
    await engine.create(CONTAINER, spec)
