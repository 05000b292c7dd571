"""Images that FTL did not build: what their names stand for on the server, held fast by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl import references
from ftl.deploy.apply.context import Traffic
from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.apply.context import Work
    from ftl.engine import Image
    from ftl.engine.values import Store


async def held_fast(work: Work, name: str, reference: str) -> str:
    """The reference that a container is created from, and that hooks and the record go by.

    A registry's image is looked at once in a deploy, when its first container is created; the plan names the digest
    where an earlier release holds one (`held`). FTL's own images have names that nobody else moves.

    Args:
        work: Remembers what is found, for the record.
        name: The service or dependency.
        reference: Its image as the plan names it.

    Returns:
        `nginx:1.27@sha256:...`; the reference itself where the image was sent from here, or is FTL's own.

    Raises:
        TransferFailed: The image is not there (any more).
    """
    if name not in work.image_ids:
        image = await noted(work, name, reference)
        recorded = None if reference in work.fetched else work.origins.get(image.id)
        if sent := work.sent.get(reference):
            work.layers[name] = image.layers if sent.loaded else ()
            work.traffic[name] = Traffic.of(sent)
        elif digest := origin_digest(reference, image, work.info.store, recorded):
            work.pulled[name] = f"{references.repository(reference)}@{digest}"
            work.exact[name] = exactly(reference, digest)
    return work.exact.get(name, reference)


async def noted(work: Work, name: str, reference: str) -> Image:
    """The image that a service or dependency runs, its ID noted for the record.

    Raises:
        TransferFailed: It is not on the server.
    """
    image = await work.engine.image(reference)
    if image is None:
        raise TransferFailed(f"{reference} is not on the server after it was brought there")
    work.image_ids[name] = image.id
    return image


def origin_digest(reference: str, image: Image, store: Store, recorded: str | None) -> str:
    """The digest by which an image was pulled; empty where it was sent, as far as that can be told.

    Args:
        reference: `nginx:1.27`.
        image: What that stands for.
        store: The containerd store lists a digest for images that were loaded, too: one that no registry knows.
        recorded: What the last release with the image was pulled as, empty if it was sent; None where no record says
            so, or it was pulled since.
    """
    return "" if store == "containerd" and recorded == "" else digest_of(reference, image.digests)


def digest_of(reference: str, digests: Sequence[str]) -> str:
    """The digest by which an image is known in the reference's repository; empty where it came from no registry.

    Args:
        reference: `nginx:1.27`; of one with a digest (`nginx:1.27@sha256:...`) only that one counts.
        digests: All its names by digest, in every repository: `nginx@sha256:...`.
    """
    wanted = references.familiar(references.repository(reference))
    asked = reference.partition("@")[2]
    found = (one.partition("@") for one in digests)
    own = [digest for name, _, digest in found if references.familiar(name) == wanted]
    return next((digest for digest in own if digest == asked or not asked), "")


def exactly(reference: str, digest: str) -> str:
    """A reference with its tag, for people, and a digest, which is what the engine goes by."""
    if "@" in reference:
        return reference
    name, tag = references.split(reference)
    return f"{name}:{tag}@{digest}"


def named(image: str) -> str:
    """A container's image without the digest that `exactly` added to its tag: what ftl.yaml calls it."""
    name, _, digest = image.partition("@")
    return name if digest and ":" in name.rpartition("/")[2] else image


def pulled(image: str) -> str:
    """What a container's image says of where it came from: `nginx@sha256:...`; empty where it names no digest."""
    name, at, digest = image.partition("@")
    return f"{references.repository(name)}@{digest}" if at else ""
