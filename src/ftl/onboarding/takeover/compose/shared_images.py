"""Services of Compose that run an image which another service of the file builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.references import familiar
from ftl.onboarding.takeover.nodes import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import MappingNode
    from ftl.onboarding.takeover.nodes import ComposeTexts


def builders(services: Mapping[str, MappingNode], texts: ComposeTexts, project: str) -> dict[str, str]:
    """Service without a build -> the one that builds its image.

    Compose gives a built image the name in `image`, else PROJECT-SERVICE, and starts others with that name from it:
    no registry has it.
    """
    built: dict[str, str] = {}
    for key, node in services.items():
        if node.get("build") is not None:
            named = texts.resolve(text(node.get("image")))
            for name in (named,) if named else (f"{project}-{key}", f"{project}_{key}"):
                built.setdefault(familiar(name), key)
    return {
        key: built[image]
        for key, node in services.items()
        if node.get("build") is None and (image := familiar(texts.resolve(text(node.get("image"))))) in built
    }


def with_builds(services: Mapping[str, MappingNode], built_by: Mapping[str, str]) -> dict[str, MappingNode]:
    """The services, in which those that run another one's image have its build."""
    return {
        key: node.replace({"build": services[built_by[key]].get("build")}) if key in built_by else node
        for key, node in services.items()
    }
