"""Measure built images and derive advice, for `ftl build --explain`."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.dataclass import dataclass
from ftl.image.building.diagnosis.build_record import load_record, record_path
from ftl.image.building.docker_cli.buildkit_cli import find_cli
from ftl.image.explain.facts import ImageFacts
from ftl.image.explain.history import image_history
from ftl.image.explain.rules import advise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Service
    from ftl.engine.api import Engine
    from ftl.image.building.service_build import BuildResult
    from ftl.image.explain.facts import Advice


@dataclass(frozen=True, slots=True)
class Explanation:
    """Figures of an image, and advice.

    Attributes:
        size: Bytes of the image; `base_size` of them are the base image's.
        context: Bytes of the build context.
        steps: (line, instruction, bytes of its layer, seconds when last executed).
    """

    service: str
    size: int
    base: str
    base_size: int
    context: int
    steps: tuple[tuple[int, str, int, float], ...]
    advice: tuple[Advice, ...]


async def explain(
    services: Sequence[Service],
    results: Mapping[str, BuildResult],
    *,
    root: Path,
    engines: Mapping[str, Engine],
) -> dict[str, Explanation]:
    """Explain the images that were just built.

    They come in the order of the services; those without a result are skipped. `engines` are by the value of
    `build.on`: empty for this machine's.
    """
    docker = await asyncio.to_thread(find_cli, os.environ)
    built = [service for service in services if service.name in results]
    explanations = await gather(
        _explain(service, results[service.name], root, engines[service.build.place], docker)
        for service in built
        if service.build is not None
    )
    return {explanation.service: explanation for explanation in explanations}


async def _explain(
    service: Service, result: BuildResult, root: Path, engine: Engine, docker: str
) -> Explanation:
    facts = ImageFacts(
        dockerfile=result.dockerfile,
        target=service.build.target if service.build else None,
        context=result.context,
        size=result.image.size,
        history=await image_history(result.image.id, engine, docker),
        seconds=await asyncio.to_thread(_durations, result, root),
        platform=result.image.platform,
        engine_platform=(await engine.info()).platform,
    )
    sizes = facts.layer_sizes
    steps = tuple(
        (step.line, step.text, sizes[step.line], facts.duration(step))
        for step in facts.instructions
        if step.line in sizes
    )
    return Explanation(
        service.name, facts.size, facts.base, facts.base_size, result.context.size, steps, advise(facts)
    )


def _durations(result: BuildResult, root: Path) -> dict[int, float]:
    """Line of an instruction -> its duration when last executed, from the service's build record."""
    record = load_record(record_path(root, result.service))
    if record is None:
        return {}
    durations = {step.line: record.duration(step) for step in result.dockerfile.instructions}
    return {line: seconds for line, seconds in durations.items() if seconds}
