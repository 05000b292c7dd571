"""Images that a server pulls and nobody here pushes: where they are, and whether strangers get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl import references
from ftl.aio import gather
from ftl.errors import EngineError
from ftl.image.registry.failures import needs_credentials
from ftl.image.registry.names import registry_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.config import Project
    from ftl.engine.api import Engine

_OFFICIAL = f"{references.HUB}/library/"


def pulled_images(project: Project) -> Mapping[str, tuple[str, ...]]:
    """The images that a project's server pulls by itself, by registry (as docker's config file calls it).

    Those of services without `build`, of dependencies, and the proxy's; but for Docker Hub's official ones, which
    are everybody's.
    """
    images = [one.image for one in project.services if one.build is None and one.image]
    images += [one.image for one in project.dependencies]
    found: dict[str, tuple[str, ...]] = {}
    for image in dict.fromkeys([*images, project.proxy.image]):
        if not references.qualified(image).startswith(_OFFICIAL):
            registry = registry_of(image)
            found[registry] = (*found.get(registry, ()), image)
    return found


async def needs_login(engine: Engine, images: Sequence[str], *, seconds: float) -> bool:
    """Whether a registry gives one of its images to those alone who log in, as an engine finds.

    Args:
        engine: The server's, which pulls.
        images: All of one registry.
        seconds: What is not told by then counts as no: a registry that does not answer asks for nothing.
    """
    return any(await gather(_is_closed(engine, image, seconds) for image in images))


async def _is_closed(engine: Engine, image: str, seconds: float) -> bool:
    try:
        await engine.at_registry(image, seconds=seconds)
    except EngineError as error:
        return needs_credentials(error.cause or "")
    return False
