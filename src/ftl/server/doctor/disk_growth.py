"""Growth of Docker's disk by deploys of a project, from the images of its releases there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.aio import gather2
from ftl.common.json_fields import as_int
from ftl.config.models.project import KEEP_RELEASES
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.marks import parse_mark
from ftl.releases.record import stored_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from ftl.engine.api import Engine
    from ftl.releases.record import ReleaseRecord

SENT = 5
"""Last releases whose bytes stand for the growth, where the engine does not measure images."""


@dataclass(frozen=True, slots=True)
class DiskGrowth:
    """Growth of a disk by the deploys of a project.

    Attributes:
        bytes: What a deploy adds: the mean of what its releases there have for themselves.
        releases: Releases with images there.
        keep: Releases whose images stay (`keep_releases`).
    """

    bytes: int
    releases: int
    keep: int

    @property
    def deploys(self) -> int:
        """Deploys that add something before one has removed as much.

        An old release goes after the new one has come.
        """
        return max(0, self.keep - self.releases) + 1


async def gather_growth(engine: Engine, project: str, records: Sequence[ReleaseRecord]) -> DiskGrowth | None:
    """The growth by a project's deploys; None where its releases do not tell.

    Raises:
        EngineError: The engine does not tell.
    """
    ours, every = await gather2(
        engine.unshared_sizes(labels={labels.PROJECT: project}), engine.unshared_sizes(labels={})
    )
    sizes = {**ours, **{tag: size for tag, size in every.items() if parse_mark(tag) is not None}}
    keep = as_int(stored_project(records).get("keep_releases")) or KEEP_RELEASES
    return growth(project, sizes, records, keep)


def growth(
    project: str, sizes: Mapping[str, int | None], records: Sequence[ReleaseRecord], keep: int
) -> DiskGrowth | None:
    """The growth by a project's deploys. Pure.

    Of a first release alone, nothing tells what the next one shares with it. `sizes` is tag -> bytes that only its
    image has, None where they are not known, with the marks (`ftl.engine.marks`) of images that FTL brought from
    registries; the bytes on the way that `records` have stand for those.
    """
    pattern = re.compile(re.escape(project) + r"-[^/:]+:(r[0-9]+)")
    tagged = {tag: match[1] for tag in sizes if (match := pattern.fullmatch(tag)) is not None}
    tagged |= _brought(project, sizes, records, {*tagged})
    releases = set(tagged.values())
    if len(releases) < 2:
        return None
    known = [size for tag in tagged if (size := sizes[tag]) is not None]
    if len(known) == len(tagged):
        added = sum(known) // len(releases)
    else:
        sent = [record.bytes_sent for record in records if record.outcome == "live" and record.bytes_sent]
        added = sum(sent[-SENT:]) // max(1, len(sent[-SENT:]))
    return DiskGrowth(added, len(releases), keep) if added else None


def _brought(
    project: str, tags: Iterable[str], records: Sequence[ReleaseRecord], counted: Set[str]
) -> dict[str, str]:
    """Mark -> the first release with the image of a registry that FTL brought; one for each image of a service.

    A built one that went through a registry has a tag of a release, too: those are counted already.
    """
    found: dict[str, tuple[str, str]] = {}
    for mark in filter(None, map(parse_mark, tags)):
        if mark.project == project:
            ran = [
                (record.release, entry.image)
                for record in records
                for entry in record.services.values()
                if entry.image_id.removeprefix("sha256:").startswith(mark.image)
            ]
            if ran and counted.isdisjoint(image for _, image in ran):
                found.setdefault(mark.image, (mark.text, ran[0][0]))
    return dict(found.values())
