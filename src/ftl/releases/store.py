"""Store of release records on a server: the volume `ftl-state`, one JSON file per release.

The files (`PROJECT/r12.json`) have mode 0600 and belong to root. The volume is mounted in a container of the same name
that is created and never started. The engine's archive calls read and write it, so only users of the engine can read
records, and no process runs with the volume mounted.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.tarball import tar_archive
from ftl.engine.values import ContainerSpec, Mount
from ftl.releases.record import ReleaseRecord, release_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.engine.api import Engine

CONTAINER = "ftl-state"
VOLUME = "ftl-state"
ROOT = "/ftl"


async def read_records(engine: Engine, project: str) -> tuple[ReleaseRecord, ...]:
    """All records of a project, oldest first; empty before the first deploy. One API call."""
    return parse_records(await engine.get_archive(CONTAINER, f"{ROOT}/{project}") or {})


def parse_records(files: Mapping[str, bytes]) -> tuple[ReleaseRecord, ...]:
    """The records in a project's files ("PROJECT/r12.json"), oldest first.

    A file that cannot be read still has a name: it counts as a release that was started, so that its number is not
    reused.
    """
    records = []
    for path, data in files.items():
        release = PurePosixPath(path).stem
        if release_number(release):
            records.append(ReleaseRecord.from_json(data) or ReleaseRecord(release, "started", 0.0))
    return tuple(sorted(records, key=lambda record: record.number))


async def write_record(engine: Engine, project: str, record: ReleaseRecord) -> None:
    """Store a record; it replaces an earlier one of the same release."""
    await engine.put_archive(CONTAINER, ROOT, pack_record(project, record))


def pack_record(project: str, record: ReleaseRecord) -> bytes:
    """A tar archive of one record, readable by its owner alone, as its folder is."""
    files = {f"{project}/{record.release}.json": record.to_json()}
    return tar_archive(files, mode=0o600, folder_mode=0o700)


async def ensure_store(engine: Engine, image: str) -> None:
    """Create the volume and its container unless they exist; `image` is any image on the server."""
    if await engine.container(CONTAINER) is not None:
        return
    marks = {labels.ROLE: labels.ROLE_STATE}
    await engine.create_volume(VOLUME, marks)
    spec = ContainerSpec(
        image=image, labels=marks, command=("true",), mounts=(Mount(VOLUME, ROOT),), restart="no"
    )
    await engine.create(CONTAINER, spec)
