"""Store of release records on a server: the volume `ftl-state`, one JSON file per release.

The files (`PROJECT/r12.json`; `file_copies.py` keeps an older one of some) have mode 0600 and belong to root. The
volume is mounted in a container of the same name that is created and never started. The engine's archive calls read
and write it, so only users of the engine can read records. The archive calls cannot remove a file: once in many deploys
a short container does, when the records of old releases have been summed up in one file (`compact`), so that reading
them takes the same time for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.common.redact import keep_commits, redact
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.errors import ignoring
from ftl.engine.helper import helper_container
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import Mount
from ftl.errors import EngineError, FtlError
from ftl.releases import audit, file_copies, hold, preview
from ftl.releases.audit import with_audit
from ftl.releases.file_copies import CONTAINER, ROOT, names_of
from ftl.releases.hold import hold_time, parse_hold
from ftl.releases.preview import Preview, parse_preview
from ftl.releases.record import ReleaseRecord, is_unreadable, release_number
from ftl.releases.watch import SUFFIX as WATCH
from ftl.releases.watch import parse_watches, with_watch_entry, with_watches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.engine.values import Volume
    from ftl.releases.audit import AuditEntry
    from ftl.releases.file_copies import StoredFiles
    from ftl.releases.hold import Hold
    from ftl.releases.watch import ReleaseWatch

VOLUME = "ftl-state"
TAKEN_HINT = f"move its data to a volume of another name, and remove it: `docker volume rm {VOLUME}`"

_NOTIFY = "notify"
_SUMMARY = "history.jsonl"
_RUNS = ".runs"

SUMMARIES = 200
"""Old releases that are kept as a line each."""

_REMOVE_SECONDS = 60.0

_REMOVE = 'sync "$1" && shift && rm -f "$@"'

ENDED = b'{"ended": true}\n'
"""Content of a file whose state is over: the engine's archive calls cannot remove one."""


@dataclass(frozen=True, slots=True)
class History:
    """A project's files in the store.

    Attributes:
        records: Its release records, oldest first.
        hold: The stop for deploys, if there is one.
        hold_time: When it was set or ended, Unix time; 0 where it never was.
        audit: The changes of the project, oldest first.
        watches: Release -> its watch, of those that have or had one.
        notify: Where the server sends messages by itself, as `ftl.host`'s notify.sh reads it; secret.
        preview: Set where the project is a preview.
        jobs: Those whose runs are stored (`ftl.host.job_runs`).
        damaged: Files whose newest content is lost, as by a power cut while they were written: what they say here is
            older, or made from other files.
    """

    records: tuple[ReleaseRecord, ...] = ()
    hold: Hold | None = None
    audit: tuple[AuditEntry, ...] = ()
    watches: Mapping[str, ReleaseWatch] = field(default_factory=dict)
    notify: bytes = field(default=b"", repr=False)
    preview: Preview | None = None
    jobs: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    hold_time: float = 0.0


async def read_history(engine: Engine, project: str) -> History:
    """All files of a project; empty before the first deploy. One API call.

    The values of secrets in its records are redacted from then on in all that is printed, their commits are not.
    """
    history = parse_history(project, await file_copies.read(engine, project))
    keep_commits(record.commit for record in history.records)
    redact(value for record in history.records for value in record.secrets)
    return history


def parse_history(project: str, stored: StoredFiles) -> History:
    """A project's history from its files. Pure."""
    files, place = stored.files, f"{project}/"
    watches = parse_watches(files)
    entries = audit.parse(files.get(f"{place}{audit.FILE}", b""))
    lost = {name: b"" for name in stored.damaged if name not in files}
    records = (
        with_audit(record, entries) if is_unreadable(record) else record
        for record in parse_records({**files, **lost})
    )
    runs = (name for name, data in files.items() if data.strip() and name.endswith(_RUNS))
    return History(
        with_watches(_with_summaries(tuple(records), files.get(f"{place}{_SUMMARY}", b"")), watches),
        parse_hold(stored, f"{place}{hold.FILE}"),
        with_watch_entry(entries, watches),
        watches,
        files.get(f"{place}{_NOTIFY}", b""),
        _parse_preview(stored, f"{place}{preview.FILE}"),
        tuple(sorted(PurePosixPath(name).stem for name in runs)),
        tuple(sorted(name.removeprefix(place) for name in stored.damaged)),
        hold_time(stored, f"{place}{hold.FILE}"),
    )


async def read_records(engine: Engine, project: str) -> tuple[ReleaseRecord, ...]:
    """All records of a project, oldest first; empty before the first deploy: see `read_history`."""
    return (await read_history(engine, project)).records


def parse_records(files: Mapping[str, bytes]) -> tuple[ReleaseRecord, ...]:
    """The records in a project's files ("PROJECT/r12.json"), oldest first.

    The name of a file is that of its release, whatever the record says. A file that cannot be read still has one: it
    counts as a release that was started, so that its number is not reused. Other files are ignored.
    """
    records = []
    for name, data in files.items():
        path = PurePosixPath(name)
        if release_number(path.stem) and path.suffix == ".json" and len(path.parts) == 2:
            record = ReleaseRecord.from_json(data, release=path.stem)
            records.append(record or ReleaseRecord(path.stem, "started", 0.0))
    return tuple(sorted(records, key=lambda record: record.number))


def _with_summaries(records: tuple[ReleaseRecord, ...], lines: bytes) -> tuple[ReleaseRecord, ...]:
    """Records with those of old releases; a separate file of a release has precedence.

    A line has no file name to go by: one that does not name a release is ignored.
    """
    parsed = (ReleaseRecord.from_json(line) for line in lines.splitlines())
    known = {record.release for record in records}
    old = {
        record.release: record
        for record in parsed
        if record is not None and record.number and record.release not in known
    }
    return tuple(sorted((*old.values(), *records), key=lambda record: record.number))


async def compact(engine: Engine, project: str, old: Sequence[ReleaseRecord]) -> None:
    """Sum up the records of old releases in one file, and remove their own files.

    Only once the summary is on the disk is anything removed. Where the image of the store has no shell, the files stay.

    `old` are all records to sum up, summaries among them, oldest first.
    """
    kept = [
        replace(record.without_values(), services={}, dependencies={}, origin={})
        for record in old[-SUMMARIES:]
    ]
    lines = b"".join(b" ".join(record.to_json().split()) + b"\n" for record in kept)
    await file_copies.write(engine, project, {_SUMMARY: lines})
    store = next(iter(await engine.containers(labels={labels.ROLE: labels.ROLE_STATE})), None)
    if store is None:
        return
    own = [f"{record.release}{end}" for record in old for end in (".json", WATCH)]
    spec = ContainerSpec(
        image=store.image_id,
        labels={labels.PROJECT: project, labels.ROLE: labels.ROLE_TRANSFER, labels.SERVICE: "records"},
        entrypoint=("sh", "-c", _REMOVE),
        command=("ftl-records", *(f"{ROOT}/{project}/{name}" for name in (_SUMMARY, *names_of(own)))),
        mounts=(Mount(VOLUME, ROOT),),
        restart="no",
    )
    with suppress(EngineError, TimeoutError):
        async with (
            asyncio.timeout(_REMOVE_SECONDS),
            helper_container(engine, f"{CONTAINER}-files", spec) as container,
        ):
            await engine.start(container)
            await engine.wait(container)


def _parse_preview(stored: StoredFiles, name: str) -> Preview | None:
    """The preview in a file; of one that is damaged an older copy, which may have ended earlier."""
    found = parse_preview(stored.files.get(name, b"{}"))
    if name not in stored.damaged:
        return found
    # Its deploy began just before; expire.sh does the same.
    until = int(stored.written(name)) + preview.LASTS_SECONDS
    if found is None:
        return Preview(until, since=0.0, name="", of="")
    return replace(found, until=max(found.until, until))


async def write_record(engine: Engine, project: str, record: ReleaseRecord) -> None:
    """Store the record of a release that is being made; it replaces an earlier one."""
    await copy_records(engine, project, [record])


async def write_records(engine: Engine, project: str, records: Iterable[ReleaseRecord]) -> None:
    """Store records that are changed later, in one call; each replaces an earlier one."""
    await copy_records(engine, project, [replace(record, changes=record.changes + 1) for record in records])


async def copy_records(engine: Engine, project: str, records: Iterable[ReleaseRecord]) -> None:
    """Store records as another manager of the cluster has them, in one call."""
    files = {f"{record.release}.json": record for record in records}
    await file_copies.write(
        engine,
        project,
        {name: record.to_json() for name, record in files.items()},
        forget=[name for name, record in files.items() if not record.project],
    )


async def write_hold(engine: Engine, project: str, stored: Hold | None, *, ended: float = 0.0) -> None:
    """Set or end the stop for deploys; `ended` is the time of an end, 0: now."""
    data = stored.to_json() if stored is not None else hold.ended_json(ended or (await engine.info()).now)
    await file_copies.write(engine, project, {hold.FILE: data})


async def write_notify(engine: Engine, project: str, lines: bytes) -> None:
    """Say where the server sends messages by itself; nothing: nowhere."""
    # They are secret: what was before must not stay.
    await file_copies.write(engine, project, {_NOTIFY: lines}, forget=() if lines else (_NOTIFY,))


async def read_preview(engine: Engine, project: str) -> Preview | None:
    """The preview that a project is; None: it is none."""
    stored = await file_copies.read_one(engine, project, preview.FILE)
    return _parse_preview(stored, f"{project}/{preview.FILE}")


async def write_preview(engine: Engine, project: str, stored: Preview | None) -> None:
    """Say that a project is a preview, or none any more."""
    data = stored.to_json() if stored is not None else ENDED
    await file_copies.write(engine, project, {preview.FILE: data})


async def write_watch(engine: Engine, project: str, watch: ReleaseWatch) -> None:
    """Store the watch of a release as it begins."""
    await file_copies.write(engine, project, {f"{watch.release}{WATCH}": watch.to_json()})


async def read_watch(engine: Engine, project: str, release: str) -> ReleaseWatch | None:
    """The watch of a release."""
    stored = await file_copies.read_one(engine, project, f"{release}{WATCH}")
    return parse_watches(stored.files).get(release)


async def write_audit(engine: Engine, project: str, entries: Sequence[AuditEntry]) -> None:
    """Store the entries of the audit."""
    await file_copies.write(engine, project, {audit.FILE: audit.pack(entries)})


def is_store(volume: Volume) -> bool:
    """Whether a volume is that of the release records, and not another's of its name."""
    return volume.name == VOLUME and volume.labels.get(labels.ROLE) == labels.ROLE_STATE


async def ensure_store(engine: Engine, image: str) -> None:
    """Create the volume and its container unless they exist; `image` is any image on the server.

    `docker container prune` removes the container, which never runs; the records stay in the volume, and cannot be
    read without it.

    Raises:
        FtlError: The name is taken by a container or a volume that is not FTL's.
    """
    existing = await engine.container(CONTAINER)
    if existing is not None:
        if existing.labels.get(labels.ROLE) != labels.ROLE_STATE:
            raise FtlError(
                f"the name {CONTAINER} is taken on {engine.name} by a container that FTL did not create",
                hint="rename or remove that container",
            )
        return
    label_map = {labels.ROLE: labels.ROLE_STATE}
    if not is_store(await engine.create_volume(VOLUME, label_map)):
        raise FtlError(
            f"the volume name {VOLUME} is taken on {engine.name} by a volume that FTL did not create",
            hint=TAKEN_HINT,
        )
    spec = ContainerSpec(
        image=image, labels=label_map, command=("true",), mounts=(Mount(VOLUME, ROOT),), restart="no"
    )
    with ignoring(409):  # another project's deploy creates it
        await engine.create(CONTAINER, spec)
