"""Images that the server pulls: their registries, and whether these require a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common import references
from ftl.errors import EngineError
from ftl.image.registry.failures import requires_login
from ftl.image.registry.names import registry_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config.models.project import Project
    from ftl.engine.api import Engine

_OFFICIAL_IMAGES = f"{references.HUB}/library/"


def pulled_images(project: Project) -> Mapping[str, tuple[str, ...]]:
    """Return the images that a project's server pulls, by registry.

    Registries are keys in Docker's config file; the images are those of services without `build`, of dependencies and
    of the proxy. Docker Hub's official images are left out, because they are public.
    """
    images = [service.image for service in project.services if service.build is None and service.image]
    images += [each.image for each in project.dependencies if each.build is None]
    by_registry: dict[str, tuple[str, ...]] = {}
    for image in dict.fromkeys([*images, project.proxy.image]):
        if not references.qualified(image).startswith(_OFFICIAL_IMAGES):
            registry = registry_of(image)
            by_registry[registry] = (*by_registry.get(registry, ()), image)
    return by_registry


async def needs_login(engine: Engine, images: Sequence[str], *, seconds: float) -> bool:
    """Whether a registry denies one of its images without a login, as an engine finds.

    A registry that does not answer within `seconds` counts as one that requires no login.
    """
    return any(await gather(_is_denied(engine, image, seconds) for image in images))


async def _is_denied(engine: Engine, image: str, seconds: float) -> bool:
    try:
        await engine.at_registry(image, seconds=seconds)
    except EngineError as error:
        return requires_login(error.cause or "")
    return False
