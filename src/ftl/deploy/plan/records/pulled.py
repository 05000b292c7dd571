"""Pulled images: those that FTL brought, and which of them nothing needs any more. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.common.references import as_listed, familiar
from ftl.deploy.plan.steps.images import PulledImage
from ftl.engine import labels
from ftl.engine.marks import marks_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import Container, Image

_ABOUT = {"job": "job_failure", "host": "certificate"}
"""Event of each kind of lines that a server has."""


def all_containers(observed: Observed) -> tuple[Container, ...]:
    """Every container on the servers, of any project; of a Swarm service the tasks, too."""
    tasks = (container for view in observed.views for container in view.containers)
    return tuple({container.id: container for container in (*tasks, *observed.containers)}.values())


def is_tagged(project: str, image: Image) -> bool:
    """Whether an image was built for the project, and has a tag of a release or of a build.

    A built one that goes through a registry has a mark, too, where it was pushed; it goes with these tags.
    """
    own = re.compile(re.escape(project) + r"-[^/:]+:(?:r[0-9]+|c[0-9a-f]{12}|latest)")
    return image.labels.get(labels.PROJECT) == project and any(map(own.fullmatch, image.tags))


def unused_images(
    observed: Observed, needed: Set[str], users: Iterable[Container]
) -> tuple[PulledImage, ...]:
    """The project's pulled images but those that are used.

    What a container of another project uses that has marked it, too, is that project's alone from now on. `needed` has
    IDs of images that are used, and their names as engines list them; `users` are containers that use theirs.
    """
    projects: dict[str, set[str]] = {}
    for container in users:
        for name in (container.image_id, as_listed(container.image)):
            projects.setdefault(name, set()).add(container.project)
    used, marks = set[str](), dict[str, dict[str, None]]()
    for image in observed.images:
        names = {image.id, *map(familiar, (*image.tags, *image.digests))}
        found = () if is_tagged(observed.project, image) else marks_on(image)
        others = {mark.project for mark in found} - {observed.project}
        if names & needed or set[str]().union(*(projects.get(name, ()) for name in names)) - others:
            used.add(image.id)
        if own := [mark.text for mark in found if mark.project == observed.project]:
            marks.setdefault(image.id, {}).update(dict.fromkeys(own))
    return tuple(PulledImage(image, tuple(own)) for image, own in marks.items() if image not in used)


def sending_images(lines: bytes) -> tuple[str, ...]:
    """Images in which a server sends messages, by the lines that `ftl.host`'s notify.sh reads.

    Without a job or a host in them there is nothing to send.
    """
    words = [line.split() for line in lines.decode().splitlines()]
    about = {_ABOUT[word] for word, *_ in words if word in _ABOUT}
    sending = (rest for word, *rest in words if word == "apprise")
    return tuple(dict.fromkeys(image for event, image, _ in sending if event in about))


def images_of_removed(observed: Observed) -> tuple[PulledImage, ...]:
    """All pulled images of a project that is removed.

    One that a container of somebody without FTL uses only loses its marks.
    """
    others = [container for container in all_containers(observed) if container.project != observed.project]
    free = unused_images(observed, frozenset(), others)
    known = {image.id for image in free}
    every = unused_images(observed, frozenset(), ())
    return (*free, *(PulledImage(one.id, one.marks, stays=True) for one in every if one.id not in known))


def is_unclaimed(project: str, images: Iterable[Image], reference: str) -> bool:
    """Whether FTL brought one of the images, by this name, for other projects alone."""
    wanted = as_listed(reference)
    for image in images:
        if image.id == reference or wanted in map(familiar, (*image.tags, *image.digests)):
            projects = {mark.project for mark in marks_on(image)}
            if projects and project not in projects:
                return True
    return False
