"""Images that FTL did not build: what their names stand for on the server, held fast by digest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl import references
from ftl.deploy.work import Traffic
from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.deploy.work import Work
    from ftl.engine import Image


async def held_fast(work: Work, name: str, reference: str) -> str:
    """The reference that a container is created from, and that hooks and the record go by.

    A registry's image is looked at once, when its first container is created: from then on its digest counts,
    whatever its tag is moved to. FTL's own images have names that nobody else moves.

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
        if sent := work.sent.get(reference):
            work.layers[name] = image.layers if sent.loaded else ()
            work.traffic[name] = Traffic.of(sent)
        elif digest := digest_of(reference, image.digests):
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


def digest_of(reference: str, digests: Sequence[str]) -> str:
    """The digest by which an image is known in the reference's repository; empty where it came from no registry.

    Args:
        reference: `nginx:1.27`.
        digests: All its names by digest, in every repository: `nginx@sha256:...`.
    """
    wanted = references.familiar(references.repository(reference))
    found = (one.partition("@") for one in digests)
    return next((digest for name, _, digest in found if references.familiar(name) == wanted), "")


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
