"""Build cache of images that were dropped: layers that only the cache still has.

Docker before 23 keeps them for ever. The engine knows no owner of a record of its cache, so FTL remembers when it
built, and which records of that time were layers of an image. One of these that no image has any more was the layer of
a release that was dropped. What builds may use again stays: steps of other stages, mounts, and whatever is in an image.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_float, as_strs
from ftl.common.user_files import read_json, state_file, write_json
from ftl.dataclass import dataclass
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ftl.engine.api import Engine
    from ftl.engine.values import CacheRecord

EVERY = 5
"""Builds between two looks at the cache: each takes Docker before 23 about a second."""

_BUILDS = 100
"""Builds that are remembered."""

_SECONDS = 60.0
"""Limit for a call about the cache."""

_SLACK = 1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """Recorded builds of a project on an engine.

    Attributes:
        builds: Their beginnings and ends in seconds, by the engine's clock; the newest last.
        unseen: Number of them since the last look at the cache.
        layers: IDs of their records that were layers of an image then.
        looked: Whether there was a look. It may have found none: some engines never say what is shared.
    """

    builds: tuple[tuple[float, float], ...] = ()
    unseen: int = 0
    layers: frozenset[str] = frozenset()
    looked: bool = False

    def made(self, record: CacheRecord) -> bool:
        """Whether one of the builds made a record of the cache."""
        return record.kind == "regular" and any(
            began - _SLACK <= record.created <= ended + _SLACK for began, ended in self.builds
        )


async def note_build(engine: Engine, project: str, began: float) -> None:
    """Remember a build of a project that has ended now; `began` is by the engine's clock."""
    info = await engine.info()
    path = _path(info.id, project)
    seen = _load(path)
    builds = (*seen.builds, (began, info.now))[-_BUILDS:]
    _save(path, replace(seen, builds=builds, unseen=seen.unseen + 1))


async def remove_dropped(engine: Engine, project: str, *, keep: int) -> int:
    """Remove the layers of dropped images from the cache, once in several builds; bytes freed.

    Errors are ignored: they cost only disk space. `keep` images stay: each is seen with its layers before it is
    dropped.
    """
    freed = 0
    with suppress(EngineError, TimeoutError):
        path = _path((await engine.info()).id, project)
        seen = _load(path)
        if seen.unseen < min(EVERY, keep):
            return freed
        ours = [record for record in await engine.build_cache(seconds=_SECONDS) if seen.made(record)]
        dropped = [record for record in ours if record.id in seen.layers and not record.shared]
        # A record stays as long as a later one builds on it.
        for record in sorted(dropped, key=lambda one: one.created, reverse=True):
            freed += await engine.prune_build_cache(record.id, seconds=_SECONDS)
        layers = frozenset(record.id for record in ours if record.shared)
        _save(path, _Seen(seen.builds, 0, layers, looked=True))
    return freed


async def look_first(engine: Engine, project: str) -> None:
    """Remember which records are layers of an image now, unless a look has done so before."""
    with suppress(EngineError, TimeoutError):
        path = _path((await engine.info()).id, project)
        seen = _load(path)
        if seen.builds and not seen.looked:
            records = await engine.build_cache(seconds=_SECONDS)
            layers = frozenset(record.id for record in records if seen.made(record) and record.shared)
            _save(path, replace(seen, layers=layers, looked=True))


def _path(engine: str, project: str) -> Path:
    name = hashlib.blake2b(f"{engine} {project}".encode(), digest_size=8).hexdigest()
    return state_file(f"builds/{name}.cache.json")


def _load(path: Path) -> _Seen:
    raw = read_json(path)
    builds, unseen = raw.get("builds"), raw.get("unseen")
    return _Seen(
        tuple(_times(builds if isinstance(builds, list) else ())),
        unseen if isinstance(unseen, int) else 0,
        frozenset(as_strs(raw.get("layers"))),
        looked=bool(raw.get("layers")) or raw.get("looked") is True,
    )


def _times(builds: Iterable[object]) -> Iterable[tuple[float, float]]:
    for build in builds:
        if isinstance(build, list) and len(build) == 2:
            yield as_float(build[0]), as_float(build[1])


def _save(path: Path, seen: _Seen) -> None:
    layers = sorted(seen.layers)
    write_json(path, {"builds": seen.builds, "unseen": seen.unseen, "layers": layers, "looked": seen.looked})
