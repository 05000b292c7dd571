"""What the live release's images are held fast by: the digests they were pulled by, by its record. Pure.

A tag may have been moved meanwhile, on the server too (a `docker pull` by hand): a change of the configuration alone
must not change the image with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl import references
from ftl.deploy.apply.external_images import exactly, named, pulled
from ftl.json_fields import as_objects, as_str

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import DependencyDecision, ServiceDecision
    from ftl.engine import Container
    from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord


def of_service(observed: Observed, one: ServiceDecision) -> str:
    """The exact reference that a service with an image of somebody else's goes on with.

    Returns:
        `nginx:1.27@sha256:...`; empty where ftl.yaml names a digest itself or another image than before, and for an
        image that was not pulled.
    """
    live = _live(observed)
    entry = live.services.get(one.service.name) if live else None
    return _exact(one.service.image or "", entry, one.current[0] if one.current else None)


def of_dependency(observed: Observed, one: DependencyDecision) -> str:
    """The same for a dependency."""
    live = _live(observed)
    entry = live.dependencies.get(one.dependency.name) if live else None
    return _exact(one.dependency.image, entry, one.current)


def by_registry(observed: Observed, one: ServiceDecision) -> str:
    """What a service that is built here was last pulled as, if that very image would be pushed and pulled once more.

    Returns:
        `registry.example.com/shop/web@sha256:...`; empty where the content or the name to push to is another, or the
        server does not have it any more.
    """
    live = _live(observed)
    entry = live.services.get(one.service.name) if live else None
    if entry is None or not entry.pulled or entry.content != one.content:
        return ""
    made = next((each for each in observed.releases if each.release == entry.release), None)
    same = made is not None and _pushed_as(made, one.service.name) == one.service.image
    return entry.pulled if same and observed.has_image(entry.pulled) else ""


def _live(observed: Observed) -> ReleaseRecord | None:
    return next((one for one in reversed(observed.releases) if one.outcome == "live"), None)


def _exact(reference: str, entry: ServiceRecord | DependencyRecord | None, runs: Container | None) -> str:
    """By the record; where that was lost, by what the container says that runs."""
    if not reference or "@" in reference:
        return ""
    if entry is not None:
        before, where_from = entry.image, entry.pulled
    elif runs is not None:
        before, where_from = named(runs.image), pulled(runs.image)
    else:
        return ""
    same = references.familiar(before) == references.familiar(reference)
    return exactly(reference, where_from.partition("@")[2]) if same and where_from else ""


def _pushed_as(release: ReleaseRecord, service: str) -> str:
    """What ftl.yaml named for a service's image in that release."""
    named_so = (one for one in as_objects(release.project.get("services")) if one.get("name") == service)
    return next((as_str(one.get("image")) for one in named_so), "")
