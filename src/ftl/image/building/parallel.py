"""Building the images of a project's services on this machine's engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ftl.aio import gather, task_group
from ftl.config import variables
from ftl.engine import labels
from ftl.errors import at
from ftl.events import Note
from ftl.image.building.builder import find_builder
from ftl.image.building.failures import StepNotReported
from ftl.image.building.service_build import NO_BUILDKIT, Batch, build_image
from ftl.image.identity import git_commit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.config import Project, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.image.building.built import BuildResult

AT_ONCE = 8
"""Builds that run side by side; an engine shares what they have in common."""

SHARED_STEP_SECONDS = 2.0
"""How long a failed build that knows no more waits for another one that knows the step."""


async def build_images(
    project: Project,
    services: Sequence[Service],
    *,
    root: Path,
    engine: Engine,
    platform: str | None,
    emit: Emit,
    no_cache: bool = False,
    docker_config: Path | None = None,
) -> dict[str, BuildResult]:
    """Build the images of those `services` that have a `build`, side by side.

    Args:
        project: Gives the images their names.
        services: Those without `build` are passed over.
        root: The folder of ftl.yaml; relative paths start here.
        engine: This machine's; the docker CLI is turned to the same one.
        platform: The server's ("linux/arm64"); a service's own `build.platform` goes before it. None leaves
            it to the engine.
        emit: Told about each build's steps.
        no_cache: Carry out every step.
        docker_config: Docker's configuration folder, where another than the user's own counts.

    Raises:
        BuildFailed: One could not be built; the others are stopped. Its details are the step's output.
        EngineUnavailable: No engine answers here.
    """
    wanted = [service for service in services if service.build is not None]
    if not wanted:
        return {}
    environ = dict(os.environ)
    platforms = [platform, *(service.build.platform for service in wanted if service.build)]
    async with task_group() as group:
        finding = group.create_task(asyncio.to_thread(find_builder, environ))
        committed = group.create_task(git_commit(root, environ))
        native = group.create_task(_native(engine, platforms))
    builder, commit = finding.result(), committed.result()
    if not builder.has_buildkit:
        text = "no BuildKit here: building with the classic builder, one step at a time"
        emit(Note(text, "warning", hint=NO_BUILDKIT))
    marks = {labels.PROJECT: project.name, **({labels.COMMIT: commit} if commit else {})}
    batch = Batch(
        project=project.name,
        root=root,
        engine=engine,
        builder=builder,
        environ={**environ, **({"DOCKER_CONFIG": str(docker_config)} if docker_config is not None else {})},
        variables=variables(root, environ),
        labels=marks,
        platform=platform,
        native=native.result(),
        emit=emit,
        no_cache=no_cache,
    )
    built = await gather((_build(batch, service) for service in wanted), limit=AT_ONCE)
    return {service.name: one for service, one in zip(wanted, built, strict=True)}


async def _native(engine: Engine, platforms: Sequence[str | None]) -> str | None:
    """The engine's own platform, asked only where another one may be wanted."""
    return (await engine.info()).platform if any(platforms) else None


async def _build(batch: Batch, service: Service) -> BuildResult:
    with at(server="this machine", service=service.name, step="build"):
        try:
            return await build_image(batch, service)
        except StepNotReported:
            # The build that does know the step is about to fail as well: its error comes first, and ends this wait.
            await asyncio.sleep(SHARED_STEP_SECONDS)
            raise
