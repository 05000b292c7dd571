"""Build the images of a project's services in parallel on this machine's engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ftl.aio import gather, task_group
from ftl.config import env_files, read_variables
from ftl.engine import labels
from ftl.errors import at
from ftl.image.building.builder import find_builder
from ftl.image.building.failures import StepNotReported
from ftl.image.building.service_build import Batch, build_image, equal_builds
from ftl.image.identity import git_commit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config import Project, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.image.building.service_build import BuildResult

MAX_PARALLEL = 8
"""Builds that run at the same time; an engine executes steps that they share once."""

SHARED_STEP_SECONDS = 2.0
"""Delay of the error of a build to which its failing step was not reported."""


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
    """Build the images of `services` that have a `build`, in parallel, and equal ones once.

    Args:
        project: Names the images.
        services: Those without `build` are skipped.
        root: The folder of ftl.yaml; relative paths start here.
        engine: This machine's engine, which the docker CLI is pointed to as well.
        platform: The server's platform ("linux/arm64"); a service's `build.platform` overrides it. None leaves
            the choice to the engine.
        emit: Receives progress events.
        no_cache: Execute every step.
        docker_config: Docker's configuration folder, if not the user's own.

    Raises:
        BuildFailed: An image could not be built; the other builds are stopped. Its details are the step's output.
        EngineUnavailable: No engine answers on this machine.
    """
    buildable = [service for service in services if service.build is not None]
    if not buildable:
        return {}
    environ = dict(os.environ)
    async with task_group() as group:
        builder = group.create_task(asyncio.to_thread(find_builder, environ))
        commit = group.create_task(_commit_label(root, environ))
        info = group.create_task(engine.info())
    batch = Batch(
        project=project.name,
        root=root,
        engine=engine,
        builder=builder.result(),
        environ={**environ, **({"DOCKER_CONFIG": str(docker_config)} if docker_config is not None else {})},
        variables={**read_variables(root, environ, env_files(project.environment)), **project.secret_values},
        labels={labels.PROJECT: project.name, **commit.result()},
        server_platform=platform,
        engine_platform=info.result().platform,
        emit=emit,
        no_cache=no_cache,
    )
    groups = equal_builds(buildable, root, platform or batch.engine_platform)
    results = await gather((_build(batch, group) for group in groups), limit=MAX_PARALLEL)
    by_service = {result.service: result for group in results for result in group}
    return {service.name: by_service[service.name] for service in buildable}


async def _commit_label(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    commit = await git_commit(root, environ)
    return {labels.COMMIT: commit} if commit else {}


async def _build(batch: Batch, services: Sequence[Service]) -> list[BuildResult]:
    with at(server="this machine", service=services[0].name, step="build"):
        try:
            return await build_image(batch, services)
        except StepNotReported:
            # The build that has the report is about to fail as well: its error comes first, and cancels this wait.
            await asyncio.sleep(SHARED_STEP_SECONDS)
            raise
