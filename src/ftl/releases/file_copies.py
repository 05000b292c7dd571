"""Copies of a project's files in the store: whatever is cut, a whole one stays.

The engine unpacks an archive in place and syncs nothing: a power cut within half a minute leaves an empty file, an
engine that is killed meanwhile a part of one. So a write replaces `r12.json` only after it has made `r12.json.old` a
link to it; unless `r12.json` may not be on the disk yet, and an older one is: that stays. A read takes the older one
where the newer is damaged. A record is whole if it is a JSON object; files of lines have a last line that says so.

FTL 0.1.0 reads and writes the names without `.old`.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass
from ftl.errors import EngineError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ftl.engine.api import Engine
    from ftl.engine.values import ArchivedFile

CONTAINER = "ftl-state"
ROOT = "/ftl"

OLD = ".old"

END = b'{"end": true}\n'
"""Last line of a file of lines."""

ON_DISK_SECONDS = 60.0
"""Age at which a file is on the disk: Linux writes after 30 s (vm.dirty_expire_centisecs)."""

_LINES = (".jsonl", "notify")


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """A project's files, each in its newest whole copy.

    Attributes:
        files: "shop/r12.json" -> content; those of which no copy is whole are missing.
        damaged: Names of those whose newest copy is not whole.
        modified: When the newest copy was written, whole or not: Unix time by the server's clock.
    """

    files: Mapping[str, bytes]
    damaged: frozenset[str] = frozenset()
    modified: Mapping[str, float] | None = None

    def written(self, name: str) -> float:
        """Time at which the newest copy of a file was written; 0 where it is not known."""
        return (self.modified or {}).get(name, 0.0)


def newest(files: Mapping[str, bytes], modified: Mapping[str, float] | None = None) -> StoredFiles:
    """The newest whole copy of each file. Pure."""
    found: dict[str, bytes] = {}
    damaged: set[str] = set()
    for name in dict.fromkeys(name.removesuffix(OLD) for name in files):
        older = f"{name}{OLD}"
        is_sealed = older in files or bool(modified and modified.get(name))
        if name in files and is_whole(name, files[name], is_sealed=is_sealed):
            found[name] = _unsealed(name, files[name])
            continue
        damaged.add(name)
        if older in files and is_whole(name, files[older], is_sealed=bool(modified and modified.get(older))):
            found[name] = _unsealed(name, files[older])
    return StoredFiles(found, frozenset(damaged), modified)


def is_whole(name: str, data: bytes, *, is_sealed: bool) -> bool:
    """Whether a file is complete.

    If it `is_sealed`, a file of lines must have its last line: those of earlier versions have none, and neither a time
    nor an older copy.
    """
    if name.endswith(".json"):
        with suppress(ValueError):
            return isinstance(parse_json(data), Mapping)
        return False
    if is_sealed:
        return data.endswith(END if name.endswith(_LINES) else b"\n")
    return bool(data) or not name.endswith(".jsonl")  # the others were empty where there was nothing to say


def sealed(name: str, data: bytes) -> bytes:
    """A file's content as it is stored."""
    return data + END if name.endswith(_LINES) else data


def _unsealed(name: str, data: bytes) -> bytes:
    return data.removesuffix(END) if name.endswith(_LINES) else data


# --- reading and writing ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """Knowledge of a file on a server: the times of those copies that are whole."""

    whole: float | None = None
    older: float | None = None
    differs: bool = False


_seen: WeakKeyDictionary[Engine, dict[str, dict[str, _Seen]]] = WeakKeyDictionary()
"""Engine -> project -> file, as last read or written: who writes has the project's lock."""


async def read(engine: Engine, project: str) -> StoredFiles:
    """All files of a project; none before the first deploy.

    One API call, two where one is damaged.
    """
    found = await engine.read_archive(CONTAINER, f"{ROOT}/{project}") or {}
    stored = _newest_of(found)
    if stored.damaged:  # or just being written, by an operation that we do not wait for
        found = await engine.read_archive(CONTAINER, f"{ROOT}/{project}") or {}
        stored = _newest_of(found)
    _seen.setdefault(engine, {})[project] = _look(found)
    return stored


async def read_one(engine: Engine, project: str, name: str) -> StoredFiles:
    """One file of a project; all of them where it is damaged."""
    found = await engine.read_archive(CONTAINER, f"{ROOT}/{project}/{name}") or {}
    data = found.get(name)
    if data is None:
        return StoredFiles({})
    if not is_whole(name, data.content, is_sealed=bool(data.modified)):
        return await read(engine, project)
    return _newest_of({f"{project}/{name}": data})


def _newest_of(found: Mapping[str, ArchivedFile]) -> StoredFiles:
    contents = {name: file.content for name, file in found.items()}
    return newest(contents, {name: file.modified for name, file in found.items()})


def _look(found: Mapping[str, ArchivedFile]) -> dict[str, _Seen]:
    seen = {}
    for name in dict.fromkeys(name.removesuffix(OLD) for name in found):
        file, older = found.get(name), found.get(f"{name}{OLD}")
        is_older = older is not None and is_whole(name, older.content, is_sealed=bool(older.modified))
        is_newest = file is not None and is_whole(
            name, file.content, is_sealed=older is not None or bool(file.modified)
        )
        seen[name] = _Seen(
            file.modified if file is not None and is_newest else None,
            older.modified if older is not None and is_older else None,
            file is not None and older is not None and file.content != older.content,
        )
    return seen


async def write(
    engine: Engine, project: str, files: Mapping[str, bytes], *, forget: Collection[str] = ()
) -> None:
    """Write files of a project, in one API call; one more where they were not read before.

    The caller has the project's lock. Of files to `forget` the older copy must not stay either: it has what the new one
    leaves out.
    """
    if project not in _seen.setdefault(engine, {}):
        await read(engine, project)
    seen = _seen[engine][project]
    now = (await engine.info()).now
    contents = {f"{project}/{name}": sealed(name, data) for name, data in files.items()}
    forgotten = {f"{project}/{name}" for name in forget}
    archive = _Archive(project, now)
    for name, content in contents.items():
        archive.replace(name, content, seen.get(name, _Seen()), forget=name in forgotten)
    # In passing: an older copy that is of no use any more only makes each read longer.
    for name, known in seen.items():
        if known.differs and name not in contents and _is_on_disk(known.whole, now):
            archive.link(f"{name}{OLD}", name, known.whole)
            seen[name] = _Seen(known.whole, known.whole)
    try:
        await engine.put_archive(CONTAINER, ROOT, archive.closed())
    except EngineUnavailable:
        raise
    except EngineError:
        if not archive.has_links:
            raise
        # A file system without links, or the file is gone: better without an older copy than not at all.
        plain = _Archive(project, now)
        for name, content in contents.items():
            plain.replace(name, content, _Seen())
            if name in forgotten and seen.get(name, _Seen()).older is not None:
                plain.add(f"{name}{OLD}", content)
        await engine.put_archive(CONTAINER, ROOT, plain.closed())
    for name in contents:
        seen[name] = _after(seen.get(name, _Seen()), now, forget=name in forgotten)


def _is_on_disk(modified: float | None, now: float) -> bool:
    return modified is not None and now - modified >= ON_DISK_SECONDS


def _replaces_older(seen: _Seen, now: float) -> bool:
    """Whether the newest copy becomes the older one: not while only the older one may be on the disk."""
    return seen.whole is not None and (_is_on_disk(seen.whole, now) or seen.older is None)


def _after(seen: _Seen, now: float, *, forget: bool) -> _Seen:
    older = seen.whole if _replaces_older(seen, now) else seen.older
    return _Seen(now, now, False) if forget and older is not None else _Seen(now, older, older is not None)


class _Archive:
    """Tar archive of files and links in a project's folder, readable by their owner alone, as the folder is."""

    def __init__(self, project: str, now: float) -> None:
        self._buffer = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._now = now
        self.has_links = False
        folder = self._entry(project)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        self._tar.addfile(folder)

    def _entry(self, name: str) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(name)
        entry.mtime, entry.mode = int(self._now), 0o600
        return entry

    def replace(self, name: str, content: bytes, seen: _Seen, *, forget: bool = False) -> None:
        """A new copy of a file, in addition to an older one."""
        older = f"{name}{OLD}"
        if _replaces_older(seen, self._now):
            self.link(older, name, seen.whole)
        self.add(name, content)
        if forget and (seen.whole is not None or seen.older is not None):
            self.link(older, name, self._now)

    def add(self, name: str, content: bytes) -> None:
        """A file; the engine removes one of this name first."""
        entry = self._entry(name)
        entry.size = len(content)
        self._tar.addfile(entry, io.BytesIO(content))

    def link(self, name: str, target: str, modified: float | None) -> None:
        """Another name of a file on the server, or earlier in the archive, which keeps its time."""
        entry = self._entry(name)
        entry.type, entry.linkname, entry.mtime = tarfile.LNKTYPE, target, int(modified or 0)
        self._tar.addfile(entry)
        self.has_links = True

    def closed(self) -> bytes:
        """The archive's bytes."""
        self._tar.close()
        return self._buffer.getvalue()


def names_of(files: Collection[str]) -> Iterator[str]:
    """All names that the copies of files may have."""
    for name in files:
        yield from (name, f"{name}{OLD}")
