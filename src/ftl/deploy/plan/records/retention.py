"""Retention: images and records that no rollback needs any more. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set

    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import Image
    from ftl.releases.record import ReleaseRecord


def unused(
    observed: Observed, services: Set[str], *, keep: int, removed: Set[str] = frozenset()
) -> tuple[str, ...]:
    """List image tags that no rollback needs.

    A tag that a container uses stays, whatever its age. Pure: the same for a deploy and for a prune.

    Args:
        observed: The server.
        services: Services whose images are looked at.
        keep: Number of releases to keep of each service, newest first.
        removed: IDs of containers that are gone by then: they use nothing.
    """
    staying = [container for container in observed.containers if container.id not in removed]
    used = {container.image for container in staying}
    never_live = _never_live(observed)
    unused: list[str] = []
    for service in sorted(services):
        tags = _release_tags(observed, service)
        numbers = sorted(tags)
        good = [number for number in numbers if number not in never_live]
        kept = set(good[max(0, len(good) - keep) :])
        unused += [tags[number] for number in numbers if number not in kept and tags[number] not in used]
    # The engine keeps the last name of an image that a container uses by its ID or digest.
    used_ids = {container.image_id for container in staying}
    for image in observed.images:
        if image.id in used_ids and image.tags and set(image.tags) <= set(unused):
            unused.remove(max(image.tags, key=unused.index))
    return tuple(unused)


def kept_releases(observed: Observed, *, keep: int) -> Sequence[ReleaseRecord]:
    """Records of the newest releases that were live, as many as are kept."""
    live = [record for record in observed.releases if record.outcome == "live"]
    return live[max(0, len(live) - keep) :]


def unused_dependency_tags(
    observed: Observed, images: Iterable[Image], *, keep: int, removed: Set[str] = frozenset()
) -> tuple[str, ...]:
    """List tags of built dependencies that no container runs and no kept release names.

    Args:
        observed: The server.
        images: Those of the server, or of this machine.
        keep: Number of releases to keep, newest first.
        removed: IDs of containers that are gone by then.
    """
    kept = kept_releases(observed, keep=keep)
    needed = {entry.image for record in kept for entry in record.dependencies.values()}
    needed |= {container.image for container in observed.containers if container.id not in removed}
    pattern = re.compile(re.escape(observed.project) + r"-[^/:]+:c[0-9a-f]{12}")
    ours = (image for image in images if image.labels.get(labels.PROJECT) == observed.project)
    return tuple(tag for image in ours for tag in image.tags if pattern.fullmatch(tag) and tag not in needed)


COMPACT_AT = 100
"""Number of records of old releases at which they are summed up in one file."""


RECENT = 50
"""Number of newest records that are left whole, for `ftl releases` and `ftl logs`."""


def old_records(observed: Observed, *, keep: int) -> tuple[ReleaseRecord, ...]:
    """Records to sum up, once there are many: neither recent nor needed for a rollback.

    Those that are summed up already are among them; they have nothing but the summary.
    """
    needed = _needed(observed, keep=keep)
    older = observed.releases[: max(0, len(observed.releases) - RECENT)]
    old = [record for record in older if record.outcome != "started" and record.release not in needed]
    whole = sum(bool(record.services) for record in old)
    return tuple(old) if whole >= COMPACT_AT else ()


def outdated_records(observed: Observed, *, keep: int) -> tuple[ReleaseRecord, ...]:
    """Records of releases that no rollback goes back to any more, without project and env.

    And without the output of their hooks; a failed one keeps its last lines, with the secrets to mask in them. One that
    made containers of a kept release stays whole: pins are looked up in it.
    """
    needed = _needed(observed, keep=keep)
    return tuple(
        record.without_values() if record.outcome == "live" else replace(record, project={})
        for record in observed.releases
        if record.project and record.outcome != "started" and record.release not in needed
    )


def _needed(observed: Observed, *, keep: int) -> set[str]:
    """Releases to go back to, and those that made their containers."""
    kept = kept_releases(observed, keep=keep)
    live = kept_releases(observed, keep=max(1, keep))
    made = {service.release for record in live for service in record.services.values()}
    return {record.release for record in kept} | made


def _release_tags(observed: Observed, service: str) -> Mapping[int, str]:
    """Release number -> the tag of a service's image, as far as the server has it."""
    pattern = re.compile(re.escape(f"{observed.project}-{service}:") + r"r([0-9]+)")
    matches = (pattern.fullmatch(tag) for image in observed.images for tag in image.tags)
    return {int(match[1]): match[0] for match in matches if match is not None}


def _never_live(observed: Observed) -> set[int]:
    """Numbers of releases that failed or were interrupted before their switch."""
    live = observed.live_releases
    return {
        record.number
        for record in observed.releases
        if record.outcome != "live" and record.release not in live
    }
