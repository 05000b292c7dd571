"""Store of release records on a server: the volume `ftl-state`, one JSON file per release.

The files (`PROJECT/r12.json`) have mode 0600 and belong to root. The volume is mounted in a container of the same name
that is created and never started. The engine's archive calls read and write it, so only users of the engine can read
records. The archive calls cannot remove a file: once in many deploys a short container does, when the records of old
releases have been summed up in one file (`compact`), so that reading them takes the same time for ever.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_float, as_object, as_str, parse_json
from ftl.common.redact import redact
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.errors import ignoring
from ftl.engine.helper import helper_container
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Mount
from ftl.errors import EngineError, FtlError
from ftl.releases import audit, preview
from ftl.releases.preview import parse_preview
from ftl.releases.record import ReleaseRecord, release_number
from ftl.releases.watch import SUFFIX as WATCH
from ftl.releases.watch import parse_watches, with_watch_entry, with_watches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.releases.audit import AuditEntry
    from ftl.releases.preview import Preview
    from ftl.releases.watch import ReleaseWatch

CONTAINER = "ftl-state"
VOLUME = "ftl-state"
ROOT = "/ftl"

_HOLD = "hold.json"
_NOTIFY = "notify"
_SUMMARY = "history.jsonl"
_RUNS = ".runs"

SUMMARIES = 200
"""Old releases that are kept as a line each."""

_REMOVE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Hold:
    """A stop for deploys of a project, until `ftl deploy --end-hold`.

    Attributes:
        reason: As `ftl rollback --hold -m REASON` got it.
        by: Who set it.
        time: Unix time in seconds.
    """

    reason: str
    by: str
    time: float


@dataclass(frozen=True, slots=True)
class History:
    """A project's files in the store.

    Attributes:
        records: Its release records, oldest first.
        hold: The stop for deploys, if there is one.
        audit: The changes of the project, oldest first.
        watches: Release -> its watch, of those that have or had one.
        notify: Where the server sends messages by itself, as `ftl.host`'s notify.sh reads it; secret.
        preview: Set where the project is a preview.
        jobs: Those whose runs are stored (`ftl.host.job_runs`).
    """

    records: tuple[ReleaseRecord, ...] = ()
    hold: Hold | None = None
    audit: tuple[AuditEntry, ...] = ()
    watches: Mapping[str, ReleaseWatch] = field(default_factory=dict)
    notify: bytes = field(default=b"", repr=False)
    preview: Preview | None = None
    jobs: tuple[str, ...] = ()


async def read_history(engine: Engine, project: str) -> History:
    """All files of a project; empty before the first deploy. One API call.

    The values of secrets in its records are redacted from then on in all that is printed.
    """
    history = parse_history(project, await engine.get_archive(CONTAINER, f"{ROOT}/{project}") or {})
    redact(value for record in history.records for value in record.secrets)
    return history


def parse_history(project: str, files: Mapping[str, bytes]) -> History:
    """A project's history from its files."""
    watches = parse_watches(files)
    records = _with_summaries(parse_records(files), files.get(f"{project}/{_SUMMARY}", b""))
    return History(
        with_watches(records, watches),
        _parse_hold(files.get(f"{project}/{_HOLD}", b"")),
        with_watch_entry(audit.parse(files.get(f"{project}/{audit.FILE}", b"")), watches),
        watches,
        files.get(f"{project}/{_NOTIFY}", b""),
        parse_preview(files.get(f"{project}/{preview.FILE}", b"")),
        tuple(
            sorted(PurePosixPath(name).stem for name, data in files.items() if data and name.endswith(_RUNS))
        ),
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

    Only once the summary is stored is anything removed. Where the image of the store has no `rm`, the files stay.

    `old` are all records to sum up, summaries among them, oldest first.
    """
    kept = [
        replace(
            record,
            project={},
            services={},
            dependencies={},
            origin={},
            logs=(),
            secrets=(),
            secret_texts=None,
        )
        for record in old[-SUMMARIES:]
    ]
    lines = b"\n".join(b" ".join(record.to_json().split()) for record in kept)
    await engine.put_archive(CONTAINER, ROOT, _archive({f"{project}/{_SUMMARY}": lines}))
    store = next(iter(await engine.containers(labels={labels.ROLE: labels.ROLE_STATE})), None)
    if store is None:
        return
    spec = ContainerSpec(
        image=store.image_id,
        labels={labels.PROJECT: project, labels.ROLE: labels.ROLE_TRANSFER, labels.SERVICE: "records"},
        entrypoint=("rm", "-f"),
        command=tuple(
            f"{ROOT}/{project}/{record.release}{suffix}" for record in old for suffix in (".json", WATCH)
        ),
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


def _parse_hold(data: bytes) -> Hold | None:
    """The hold in a file; an empty file says that it has ended, since the engine's archive calls cannot remove one."""
    try:
        stored = as_object(parse_json(data))
    except ValueError:
        return None
    if not {"reason", "by", "time"} <= stored.keys():
        return None
    return Hold(as_str(stored["reason"]), as_str(stored["by"]), as_float(stored["time"]))


async def write_record(engine: Engine, project: str, record: ReleaseRecord) -> None:
    """Store a record; it replaces an earlier one of the same release."""
    await write_records(engine, project, [record])


async def write_records(engine: Engine, project: str, records: Iterable[ReleaseRecord]) -> None:
    """Store records in one call; each replaces an earlier one of the same release."""
    await engine.put_archive(CONTAINER, ROOT, pack_records(project, records))


async def write_hold(engine: Engine, project: str, hold: Hold | None) -> None:
    """Set or end the stop for deploys."""
    data = json.dumps(asdict(hold)).encode() if hold is not None else b""
    await engine.put_archive(CONTAINER, ROOT, _archive({f"{project}/{_HOLD}": data}))


async def write_notify(engine: Engine, project: str, lines: bytes) -> None:
    """Say where the server sends messages by itself; nothing: nowhere."""
    await engine.put_archive(CONTAINER, ROOT, _archive({f"{project}/{_NOTIFY}": lines}))


async def read_preview(engine: Engine, project: str) -> Preview | None:
    """The preview that a project is; None: it is none."""
    files = await engine.get_archive(CONTAINER, f"{ROOT}/{project}/{preview.FILE}") or {}
    return parse_preview(files.get(preview.FILE, b""))


async def write_preview(engine: Engine, project: str, stored: Preview | None) -> None:
    """Say that a project is a preview, or none any more."""
    data = stored.to_json() if stored is not None else b""
    await engine.put_archive(CONTAINER, ROOT, _archive({f"{project}/{preview.FILE}": data}))


async def write_watch(engine: Engine, project: str, watch: ReleaseWatch) -> None:
    """Store the watch of a release as it begins."""
    await engine.put_archive(
        CONTAINER, ROOT, _archive({f"{project}/{watch.release}{WATCH}": watch.to_json()})
    )


async def read_watch(engine: Engine, project: str, release: str) -> ReleaseWatch | None:
    """The watch of a release."""
    files = await engine.get_archive(CONTAINER, f"{ROOT}/{project}/{release}{WATCH}") or {}
    return parse_watches(files).get(release)


async def write_audit(engine: Engine, project: str, entries: Sequence[AuditEntry]) -> None:
    """Store the entries of the audit."""
    await engine.put_archive(CONTAINER, ROOT, _archive({f"{project}/{audit.FILE}": audit.pack(entries)}))


def pack_records(project: str, records: Iterable[ReleaseRecord]) -> bytes:
    """A tar archive of records, readable by their owner alone, as their folder is."""
    return _archive({f"{project}/{record.release}.json": record.to_json() for record in records})


def _archive(files: Mapping[str, bytes]) -> bytes:
    return tar_archive(files, mode=0o600, folder_mode=0o700)


async def ensure_store(engine: Engine, image: str) -> None:
    """Create the volume and its container unless they exist; `image` is any image on the server.

    `docker container prune` removes the container, which never runs; the records stay in the volume, and cannot be
    read without it.

    Raises:
        FtlError: The name is taken by a container that is not FTL's.
    """
    existing = await engine.container(CONTAINER)
    if existing is not None:
        if existing.labels.get(labels.ROLE) != labels.ROLE_STATE:
            raise FtlError(
                f"the name {CONTAINER} is taken on {engine.name} by a container that FTL did not create",
                hint="rename or remove that container",
            )
        return
    marks = {labels.ROLE: labels.ROLE_STATE}
    await engine.create_volume(VOLUME, marks)
    spec = ContainerSpec(
        image=image, labels=marks, command=("true",), mounts=(Mount(VOLUME, ROOT),), restart="no"
    )
    with ignoring(409):  # another project's deploy creates it
        await engine.create(CONTAINER, spec)
