"""Image pins: the digest by which the image of each live service was pulled.

A tag may have been moved meanwhile, on the server too (a `docker pull` by hand): a change of the configuration alone
must not change the image with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common import references
from ftl.common.json_fields import as_str
from ftl.releases.record import pull_references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.changes import DependencyChange, ServiceChange
    from ftl.engine.values import Container, Image, Store
    from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord


def service_pin(observed: Observed, change: ServiceChange) -> str:
    """Pinned reference of a service's live image that FTL did not build.

    `nginx:1.27@sha256:...`; empty where ftl.yaml names a digest itself or another image than before, and for an image
    that was not pulled.
    """
    live = observed.live_record
    entry = live.services.get(change.name) if live else None
    return _pin(change.service.image or "", entry, change.current[0] if change.current else None)


def dependency_pin(observed: Observed, change: DependencyChange) -> str:
    """Pinned reference of a dependency's live image."""
    live = observed.live_record
    entry = live.dependencies.get(change.name) if live else None
    return _pin(change.dependency.image, entry, change.current)


def registry_pin(observed: Observed, change: ServiceChange) -> str:
    """Digest reference of a built image that was pulled before; empty if it must be pushed.

    `registry.example.com/shop/web@sha256:...`; empty where the content or the name to push to is another, or the server
    does not have it any more.
    """
    live = observed.live_record
    entry = live.services.get(change.name) if live else None
    if entry is None or not entry.pulled or entry.content != change.source.content:
        return ""
    made = next((release for release in observed.releases if release.release == entry.release), None)
    same = made is not None and _pushed_as(made, change.name) == change.service.image
    return entry.pulled if same and observed.has_image(entry.pulled) else ""


def pin_on_server(observed: Observed, reference: str) -> str:
    """Pinned form of a reference on the server; empty where no digest is known."""
    wanted = references.familiar(reference)
    image = next((image for image in observed.images if wanted in map(references.familiar, image.tags)), None)
    if image is None or "@" in reference:
        return ""
    recorded = pull_references(observed.releases).get(image.id)
    digest = origin_digest(reference, image, observed.info.store, recorded)
    return with_digest(reference, digest) if digest else ""


def _pin(reference: str, entry: ServiceRecord | DependencyRecord | None, running: Container | None) -> str:
    """By the record; where that was lost, by the image that the running container names."""
    if not reference or "@" in reference:
        return ""
    if entry is not None:
        before, pulled = entry.image, entry.pulled
    elif running is not None:
        before, pulled = (
            references.configured_reference(running.image),
            references.pull_reference(running.image),
        )
    else:
        return ""
    same = references.familiar(before) == references.familiar(reference)
    return with_digest(reference, pulled.partition("@")[2]) if same and pulled else ""


def _pushed_as(release: ReleaseRecord, service: str) -> str:
    """Image that ftl.yaml named for a service in that release."""
    sections = release.sections("services")
    return next((as_str(section.get("image")) for section in sections if section.get("name") == service), "")


# --- digests in references --------------------------------------------------------------------------


def origin_digest(reference: str, image: Image, store: Store, recorded: str | None) -> str:
    """Digest by which an image was pulled; empty where it was sent.

    `recorded` is what the last release with the image was pulled as, empty if it was sent; None where no record says
    so, or it was pulled since. The containerd store lists a digest for images that were loaded, too: one that no
    registry knows.
    """
    return "" if store == "containerd" and recorded == "" else digest_of(reference, image.digests)


def digest_of(reference: str, digests: Sequence[str]) -> str:
    """Digest of an image in the reference's repository; empty if it came from no registry.

    Of one with a digest (`nginx:1.27@sha256:...`) only that one counts. `digests` are all names of the image by digest,
    in every repository.
    """
    repository = references.familiar(references.repository(reference))
    requested = reference.partition("@")[2]
    pairs = (name.partition("@") for name in digests)
    own = [digest for name, _, digest in pairs if references.familiar(name) == repository]
    return next((digest for digest in own if digest == requested or not requested), "")


def with_digest(reference: str, digest: str) -> str:
    """A reference with its tag, for people, and a digest, by which the engine finds the image."""
    if "@" in reference:
        return reference
    name, tag = references.split(reference)
    return f"{name}:{tag}@{digest}"
