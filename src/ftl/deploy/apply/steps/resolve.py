"""Image of a service or dependency, as the server has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.references import repository
from ftl.deploy.apply.context import ResolvedImage
from ftl.deploy.plan.pins import origin_digest, with_digest
from ftl.errors import TransferFailed
from ftl.releases.record import pull_references

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.values import Image


async def resolve(
    context: DeployContext, owner: str, reference: str, *, joins: bool = False
) -> ResolvedImage:
    """The image that containers of a service or dependency are created from.

    The steps that bring an image have resolved it; one that the server had is looked up once, when its first container
    is created. Of containers that join live ones, it is named as it runs there.

    Raises:
        TransferFailed: The image is not there (any more).
    """
    if joins:
        return ResolvedImage(reference, "")
    if owner not in context.images:
        image = await image_on_server(context, reference)
        recorded = pull_references(context.observed.releases).get(image.id)
        context.images[owner] = external_image(context, reference, image, recorded)
    return context.images[owner]


async def image_on_server(context: DeployContext, reference: str) -> Image:
    """An image that was brought to the server.

    Raises:
        TransferFailed: It is not there.
    """
    image = await context.engine.image(reference)
    if image is None:
        raise TransferFailed(f"{reference} is not on the server after its transfer")
    return image


def external_image(
    context: DeployContext, reference: str, image: Image, recorded: str | None
) -> ResolvedImage:
    """An image of a registry: pinned to the digest by which it was pulled, if it was."""
    digest = origin_digest(reference, image, context.info.store, recorded)
    if not digest:
        return ResolvedImage(reference, image.id, declared_volumes=image.declared_volumes)
    return ResolvedImage(
        with_digest(reference, digest),
        image.id,
        pulled=f"{repository(reference)}@{digest}",
        declared_volumes=image.declared_volumes,
    )
