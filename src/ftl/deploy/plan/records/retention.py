"""Retention: releases that a rollback can restore, and images that none of them needs. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.references import as_listed
from ftl.dataclass import dataclass
from ftl.deploy.plan.records.pulled import all_containers, unused_images
from ftl.deploy.plan.records.same import what_runs
from ftl.engine import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.steps.images import PulledImage
    from ftl.engine.values import Image
    from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord

COMPACT_AT = 100
"""Number of records of old releases at which they are summed up in one file."""


RECENT = 50
"""Number of newest records that are left whole, for `ftl releases` and `ftl logs`."""


@dataclass(frozen=True, slots=True)
class Retention:
    """The releases that stay restorable on a server once a plan is done.

    Attributes:
        kept: Their records, oldest first.
        made: The record of the release that the plan makes, which is one of those that are kept.
    """

    observed: Observed
    keep: int
    kept: tuple[ReleaseRecord, ...]
    made: ReleaseRecord | None = None

    def unused_tags(self, services: Set[str], *, removed: Set[str] = frozenset()) -> tuple[str, ...]:
        """List tags of services' images that no rollback needs.

        A tag that a container uses stays, whatever its age. The same for a deploy and for a prune. Containers that are
        `removed` by then, by ID, use nothing.
        """
        staying = [container for container in self.observed.containers if container.id not in removed]
        used = {container.image for container in staying}
        unused: list[str] = []
        for service in sorted(services):
            tags = _release_tags(self.observed, service)
            stay = used | self._needed_tags(service, tags)
            unused += [tags[number] for number in sorted(tags) if tags[number] not in stay]
        # The engine keeps the last name of an image that a container uses by its ID or digest.
        used_ids = {container.image_id for container in staying}
        for image in self.observed.images:
            if image.id in used_ids and image.tags and set(image.tags) <= set(unused):
                unused.remove(max(image.tags, key=unused.index))
        return tuple(unused)

    def unused_dependency_tags(
        self, images: Iterable[Image], *, removed: Set[str] = frozenset()
    ) -> tuple[str, ...]:
        """List tags of built dependencies that no container runs and no kept release names.

        The images are those of the server, or of this machine.
        """
        observed = self.observed
        needed = {entry.image for record in self.kept for entry in record.dependencies.values()}
        needed |= {container.image for container in observed.containers if container.id not in removed}
        pattern = re.compile(re.escape(observed.project) + r"-[^/:]+:c[0-9a-f]{12}")
        ours = (image for image in images if image.labels.get(labels.PROJECT) == observed.project)
        return tuple(
            tag for image in ours for tag in image.tags if pattern.fullmatch(tag) and tag not in needed
        )

    def unused_pulled(
        self, *, removed: Set[str] = frozenset(), named: Iterable[str] = ()
    ) -> tuple[PulledImage, ...]:
        """List images that FTL brought, and that no container uses and no kept release names.

        Of services and dependencies alike, those of failed releases as well. What was there before FTL pulled it is not
        among them. `named` are images that the plan creates containers from, or that servers send messages in.
        """
        entries: list[ServiceRecord | DependencyRecord] = []
        for record in self._newest_first:
            entries += record.services.values()
            entries += record.dependencies.values()
        names = [*named, *(entry.pulled or entry.image for entry in entries)]
        needed = {*names, *map(as_listed, names), *(entry.image_id for entry in entries)}
        users = (one for one in all_containers(self.observed) if one.id not in removed)
        return unused_images(self.observed, needed, users)

    @property
    def old_records(self) -> tuple[ReleaseRecord, ...]:
        """Records to sum up, once there are many: neither recent nor needed for a rollback.

        Those that are summed up already are among them; they have nothing but the summary.
        """
        needed, releases = self._needed_records, self.observed.releases
        older = releases[: max(0, len(releases) - RECENT)]
        old = [record for record in older if record.outcome != "started" and record.release not in needed]
        whole = sum(bool(record.services) for record in old)
        return tuple(old) if whole >= COMPACT_AT else ()

    @property
    def outdated_records(self) -> tuple[ReleaseRecord, ...]:
        """Records of releases that no rollback goes back to any more, without project and env.

        And without the output of their hooks; a failed one keeps its last lines, with the secrets to mask in them. One
        that made containers of a kept release stays whole: pins are looked up in it.
        """
        needed = self._needed_records
        return tuple(
            record.without_values() if record.outcome == "live" else replace(record, project={})
            for record in self.observed.releases
            if record.project and record.outcome != "started" and record.release not in needed
        )

    @property
    def _needed_records(self) -> set[str]:
        """Releases to go back to, and those that made their containers."""
        made = {entry.release for record in self._newest_first for entry in record.services.values()}
        return {record.release for record in self.kept} | made

    @property
    def _newest_first(self) -> tuple[ReleaseRecord, ...]:
        """All releases that are kept, with the one that is made."""
        return (*self._made, *reversed(self.kept))

    @property
    def _made(self) -> tuple[ReleaseRecord, ...]:
        return () if self.made is None else (self.made,)

    def _needed_tags(self, service: str, tags: Mapping[int, str]) -> set[str]:
        """Tags of a service that stay: the newest of each image of a kept release.

        Of releases without a record, which FTL knows nothing else of, as many as there is room for.
        """
        there = set(tags.values())
        images = {_image(entry) for record in self._newest_first if (entry := record.services.get(service))}
        needed: dict[str, str] = {}
        for record in (*self._made, *reversed(self.observed.releases)):
            entry = record.services.get(service)
            is_made = record is self.made and entry is not None and entry.release == record.release
            if entry is not None and _image(entry) in images and (is_made or entry.image in there):
                needed.setdefault(_image(entry), entry.image)
        recorded = {record.number for record in (*self._made, *self.observed.releases)}
        others = [tags[number] for number in sorted(tags) if number not in recorded]
        others = [tag for tag in others if tag not in needed.values()]
        return {*needed.values(), *others[max(0, len(others) - max(0, self.keep - len(needed))) :]}


def _image(entry: ServiceRecord) -> str:
    """Identity of the image of a service."""
    return entry.content or entry.image


def retention(observed: Observed, *, keep: int, made: ReleaseRecord | None = None) -> Retention:
    """Find the releases that are kept: the newest different ones that were live.

    One that runs the same as a newer one takes no place. It is kept, too, if it is one of the newest `keep`, so that a
    rollback to it is no error right after another one. The record of the release that is about to be made (`made`) is
    one of them.
    """
    serving = observed.live_releases
    live = [
        record
        for record in reversed(observed.releases)
        if record.project and (record.outcome == "live" or record.release in serving)
    ]
    newest_first = live if made is None else [made, *live]
    different: list[object] = []
    kept: list[ReleaseRecord] = []
    for index, record in enumerate(newest_first):
        runs = what_runs(record)
        if runs is None or runs not in different:
            if len(different) == keep:
                break
            different.append(object() if runs is None else runs)
            kept.append(record)
        elif index < keep:
            kept.append(record)
    return Retention(observed, keep, tuple(record for record in reversed(kept) if record is not made), made)


def _release_tags(observed: Observed, service: str) -> Mapping[int, str]:
    """Release number -> the tag of a service's image, as far as the server has it."""
    pattern = re.compile(re.escape(f"{observed.project}-{service}:") + r"r([0-9]+)")
    matches = (pattern.fullmatch(tag) for image in observed.images for tag in image.tags)
    return {int(match[1]): match[0] for match in matches if match is not None}
