"""Leftovers of a project: containers and images that nothing needs any more. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.deploy.observe.abandoned import abandoned
from ftl.deploy.observe.state import release_of
from ftl.deploy.plan.records.pulled import sending_images
from ftl.deploy.plan.records.retention import retention
from ftl.deploy.plan.tracks.ended_watch import running_watch
from ftl.engine import labels
from ftl.releases.record import release_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.steps.images import PulledImage
    from ftl.engine.values import Container, Image
    from ftl.releases.record import ReleaseRecord
    from ftl.releases.watch import ReleaseWatch


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Containers, images and records for a prune.

    Attributes:
        containers: Of interrupted deploys, restores and drills, and of services that the live release does not have.
        tags: Of images of releases beyond those that are kept, on the server and here.
        images: IDs of images of the project without a tag.
        pulled: Images of registries that FTL brought for releases that are no longer kept.
        images_here: The same on this machine.
        records: Records to be written without project and env.
        networks: Networks of the project, by its label, that no container is in and no deploy uses.
        watch: The watch of the live release, if it goes on: what it needs to go back stays.
    """

    containers: tuple[Container, ...] = ()
    tags: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    images_here: tuple[str, ...] = ()
    records: tuple[ReleaseRecord, ...] = ()
    networks: tuple[str, ...] = ()
    watch: ReleaseWatch | None = None
    pulled: tuple[PulledImage, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about leftovers that stay."""
        if self.watch is None:
            return ()
        return (
            f"the server watches {self.watch.release}, and may switch back to {self.watch.before}: "
            "its containers stay",
        )


def leftovers(observed: Observed, local_images: Iterable[Image], *, keep: int) -> Leftovers:
    """Find containers, tags, records and networks that nothing needs any more.

    Images and records of `keep` different live releases stay.
    """
    live = observed.live_record
    if live is None:
        return Leftovers()
    watch = running_watch(observed)
    oldest = release_number(watch.before) if watch is not None else live.number + 1
    containers = tuple(_containers(observed, live, watch))
    gone = frozenset(container.id for container in containers)
    services = frozenset(_tagged_services(observed.project, (*observed.images, *local_images)))
    stays = retention(observed, keep=keep)
    tags = stays.unused_tags(services & live.services.keys(), removed=gone)
    kept = {entry.image for record in stays.kept for entry in record.services.values()}
    used = {container.image for container in observed.containers if container.id not in gone}
    others = _tags_of(observed.project, observed.images, services - live.services.keys())
    tags = (*tags, *(tag for tag in others if tag not in kept | used))
    tags = (*tags, *stays.unused_dependency_tags(observed.images, removed=gone))
    on_server = {tag for image in observed.images for tag in image.tags} - set(tags)
    only_here = (tag for tag in _tags_of(observed.project, local_images, services) if tag not in on_server)
    built_here = stays.unused_dependency_tags(local_images, removed=gone)
    needed = {entry.image_id for record in stays.kept for entry in record.services.values()}
    needed |= {container.image_id for container in observed.containers if container.id not in gone}
    sending = [image for server in observed.servers for image in sending_images(server.notify)]
    return Leftovers(
        containers=containers,
        tags=tuple(dict.fromkeys((*tags, *only_here, *built_here))),
        images=_untagged(observed.project, observed.images, needed),
        images_here=_untagged(observed.project, local_images, frozenset()),
        records=tuple(each for each in stays.outdated_records if each.number < oldest),
        networks=tuple(dict.fromkeys(_unused_networks(observed, gone))),
        watch=watch,
        pulled=stays.unused_pulled(removed=gone, named=sending),
    )


def _unused_networks(observed: Observed, gone: frozenset[str]) -> Iterator[str]:
    """The project's networks other than that of its containers, created by a user or an older FTL."""
    connected = {
        identity
        for container in observed.containers
        if container.id not in gone
        for endpoint in container.endpoints
        for identity in (endpoint.network_id, endpoint.network)  # one that never ran has no ID of its network
    }
    for network in observed.networks:
        is_ours = network.labels.get(labels.PROJECT) == observed.project
        if is_ours and network.name != observed.network and not connected & {network.id, network.name}:
            yield network.name


def _containers(observed: Observed, live: ReleaseRecord, watch: ReleaseWatch | None) -> Iterator[Container]:
    """Containers that get no requests: under the lock nobody is about to use them.

    While a watch goes on, those of earlier releases are what the server goes back to.
    """
    reached = {container.id for name in live.services for container in observed.live_containers(name)}
    for container in observed.services:
        is_kept = watch is not None and release_of(container) < release_number(watch.release)
        if container.id not in reached and not is_kept:
            yield container
    yield from observed.of_role(labels.ROLE_HOOK)
    yield from abandoned(observed)
    active = observed.dependencies
    yield from (
        container for container in observed.parked_dependencies if container.labels[labels.SERVICE] in active
    )


def _tagged_services(project: str, images: Iterable[Image]) -> Iterator[str]:
    for tag in (tag for image in images if _is_ours(image, project) for tag in image.tags):
        match = re.fullmatch(re.escape(project) + r"-(.+):r[0-9]+", tag)
        if match is not None:
            yield match[1]


def _tags_of(project: str, images: Iterable[Image], services: Iterable[str]) -> Iterator[str]:
    names = {f"{project}-{service}" for service in services}
    for tag in (tag for image in images if _is_ours(image, project) for tag in image.tags):
        name, _, version = tag.rpartition(":")
        if name in names and re.fullmatch(r"r[0-9]+", version):
            yield tag


def project_tags(project: str, images: Iterable[Image], *, latest: bool = False) -> tuple[str, ...]:
    """Tags that FTL gave to a project's images: PROJECT-SERVICE:rN.

    Others are the user's, as `docker tag` gives them, or those of an image that was built from one of ours and inherits
    its label. `latest`: PROJECT-SERVICE:latest too, the tag of the last build on this machine.
    """
    pattern = re.compile(
        re.escape(project) + r"-[^/:]+:(?:r[0-9]+|c[0-9a-f]{12}" + ("|latest)" if latest else ")")
    )
    ours = (image for image in images if _is_ours(image, project))
    return tuple(tag for image in ours for tag in image.tags if pattern.fullmatch(tag))


def _untagged(project: str, images: Iterable[Image], needed: Iterable[str]) -> tuple[str, ...]:
    kept = set(needed)
    return tuple(
        image.id
        for image in images
        if _is_ours(image, project)
        and not [tag for tag in image.tags if not tag.startswith("<none>")]
        and image.id not in kept
    )


def _is_ours(image: Image, project: str) -> bool:
    return image.labels.get(labels.PROJECT) == project
