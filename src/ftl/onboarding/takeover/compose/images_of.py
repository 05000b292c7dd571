"""Images of the services of a Compose file: run, built on, or built by another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.references import familiar
from ftl.config.values import scalars
from ftl.image.building.inputs.dockerfile import parse
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.nodes import entries, is_valid, pairs, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.yaml.tree import MappingNode
    from ftl.onboarding.takeover.nodes import ComposeTexts


_STAND_INS = ("x", "1", "0" * 64)
"""For a name or tag, a port, a digest."""

_REASON = "an image is named by it: Compose does not start without it, and FTL neither: set it in .env"

_PROGRAM = frozenset({"CMD", "ENTRYPOINT"})


def image_of(node: MappingNode, texts: ComposeTexts, base: Path) -> str:
    """The image that a service runs, or that its build only adds files to; empty if unknown."""
    return (
        _judged(text(node.get("image")), texts) if node.get("build") is None else _built_on(node, texts, base)
    )


def image_text(written: str, texts: ComposeTexts) -> str:
    """The image for ftl.yaml; an empty variable is demanded where there is no image without it."""
    if is_valid(scalars.image, texts.resolve(written)) or not is_valid(
        scalars.image, _judged(written, texts)
    ):
        return texts.convert(written)
    return texts.demand(written, _REASON)


def _judged(written: str, texts: ComposeTexts) -> str:
    """The image with the values of now, and with stand-ins where it is none without them."""
    image = texts.resolve(written)
    candidates = (image, *(texts.with_stand_ins(written, stand_in) for stand_in in _STAND_INS))
    return next((each for each in candidates if is_valid(scalars.image, each)), image)


def dockerfile_of(node: MappingNode, texts: ComposeTexts, base: Path) -> str:
    """The text of the Dockerfile that a service is built by; empty if there is none here."""
    build = node.get("build")
    options = entries(build)
    written = texts.resolve(text(options.get("dockerfile_inline")))
    context = texts.resolve(text(build) or text(options.get("context")) or ".")
    if build is None or written or "://" in context:
        return written
    return AppFolder(base / context).read(texts.resolve(text(options.get("dockerfile"))) or "Dockerfile")


def _built_on(node: MappingNode, texts: ComposeTexts, base: Path) -> str:
    """The image below a Dockerfile that starts no program of another kind."""
    written = dockerfile_of(node, texts, base)
    options = entries(node.get("build"))
    values = {name: texts.resolve(value or "") for name, value in pairs(options.get("args")).items()}
    target = texts.resolve(text(options.get("target"))).lower()
    dockerfile = parse(written, args=values)
    stage = next((one for one in dockerfile.stages if target and one.has_name(target)), None)
    stage = stage or (dockerfile.stages[-1] if dockerfile.stages else None)
    while stage is not None and not any(step.keyword in _PROGRAM for step in stage.instructions):
        below = dockerfile.base_stage(stage)
        if below is None:
            return stage.base
        stage = below
    return ""


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
