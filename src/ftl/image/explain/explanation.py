"""`ftl build --explain`: measure an image, and turn the figures into advice."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.child import complete
from ftl.image.building.build_record import BuildRecord, load_record, record_path
from ftl.image.building.builder import Builder, find_builder
from ftl.image.building.command import cli_environment
from ftl.image.explain.facts import HistoryEntry, ImageFacts, read_history
from ftl.image.explain.rules import advise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config import Service
    from ftl.engine.api import Engine
    from ftl.image.building.built import BuildResult
    from ftl.image.explain.advice import Advice

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """An image's figures and what follows from them.

    Attributes:
        size: Bytes of the image; `base_size` of them came with its base.
        context: Bytes of the build context.
        steps: (line, instruction, bytes of its layer, seconds when last carried out).
    """

    service: str
    size: int
    base: str
    base_size: int
    context: int
    steps: tuple[tuple[int, str, int, float], ...]
    advice: tuple[Advice, ...]


async def explain(
    services: Sequence[Service], built: Mapping[str, BuildResult], *, root: Path, engine: Engine
) -> dict[str, Explanation]:
    """Explain the images that were just built.

    Args:
        services: Those of `built`, in the order wanted.
        built: What `build` returned.
        root: The folder of ftl.yaml.
        engine: The one that holds the images.
    """
    builder = await asyncio.to_thread(find_builder, os.environ)
    wanted = [service for service in services if service.name in built]
    explained = await gather(
        _explain(service, built[service.name], root, engine, builder) for service in wanted
    )
    return {explanation.service: explanation for explanation in explained}


async def _explain(
    service: Service, built: BuildResult, root: Path, engine: Engine, builder: Builder
) -> Explanation:
    record = await asyncio.to_thread(load_record, record_path(root, service.name))
    facts = ImageFacts(
        service=service.name,
        dockerfile=built.dockerfile,
        target=service.build.target if service.build else None,
        context=built.context,
        size=built.image.size,
        history=await _history(built.image.id, engine, builder),
        seconds=_seconds(built, record),
    )
    sizes = facts.sizes
    steps = tuple(
        (step.line, step.text, sizes.get(step.line, 0), facts.took(step))
        for step in facts.result
        if step.line in sizes
    )
    return Explanation(
        service.name, facts.size, facts.base, facts.base_size, built.context.size, steps, advise(facts)
    )


def _seconds(built: BuildResult, record: BuildRecord | None) -> dict[int, float]:
    if record is None:
        return {}
    return {step.line: taken for step in built.dockerfile.instructions if (taken := record.taken(step))}


async def _history(image: str, engine: Engine, builder: Builder) -> tuple[HistoryEntry, ...]:
    """The layers of an image; empty where the docker CLI cannot say."""
    argv = [builder.docker, "history", "--no-trunc", "--human=false", "--format", "{{json .}}", image]
    env = cli_environment(engine.url, os.environ)
    try:
        done = await complete(argv, seconds=_SECONDS, env=env)
    except (OSError, TimeoutError):
        return ()
    return read_history(done.stdout.decode(errors="replace").splitlines()) if done.exit_code == 0 else ()
