"""Build the images of a project's services in parallel on one engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ftl.aio import gather, task_group
from ftl.config.variables.sources import variables_of
from ftl.engine import labels
from ftl.errors import at
from ftl.image.building.batch import Batch, equal_builds
from ftl.image.building.diagnosis.failures import StepNotReported
from ftl.image.building.docker_cli.buildkit_cli import find_buildkit_cli
from ftl.image.building.docker_cli.cache import CacheSupport, cache_note, find_cache_support
from ftl.image.building.docker_cli.command import cli_environment
from ftl.image.building.dropped import note_build
from ftl.image.building.service_build import build_image
from ftl.image.identity import git_commit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Project, Service
    from ftl.engine.api import Engine
    from ftl.engine.values import Store
    from ftl.events import Emit
    from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli
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
    remote: bool = False,
    env_folder: Path | None = None,
    commit: str | None = None,
) -> dict[str, BuildResult]:
    """Build the images of `services` that have a `build`, in parallel, and equal ones once.

    The docker CLI is pointed to the `engine`. A service's `build.platform` overrides `platform`, the server's
    ("linux/arm64"); without both the engine chooses. `root` is the folder of ftl.yaml, at which relative paths start;
    `env_folder` has the .env with the values of build secrets, and `docker_config` is Docker's configuration folder, if
    not the user's own. With `remote` the engine is on another machine: the docker CLI here sends it the build context,
    by BuildKit's own protocol: only files that changed, as long as its cache has the others. Images are labelled with
    `commit`, by default that of the checkout which `root` is in.

    Raises:
        BuildFailed: An image could not be built; the other builds are stopped. Its details are the step's output.
        EngineUnavailable: The engine does not answer.
    """
    buildable = [service for service in services if service.build is not None]
    if not buildable:
        return {}
    environ = dict(os.environ)
    async with task_group() as group:
        cli = group.create_task(asyncio.to_thread(find_buildkit_cli, environ))
        label = group.create_task(_commit_label(commit, root, environ))
        info = group.create_task(engine.info())
    env = cli_environment(engine.url, environ, remote=remote)
    secrets = project.secret_values
    variables = variables_of(
        env_folder or root, environ, name=project.environment, overlay=project.overlay, secrets=secrets
    )
    caches = await _cache_support(buildable, cli.result(), env, info.result().store, None if remote else emit)
    batch = Batch(
        project=project.name,
        root=root,
        engine=engine,
        cli=cli.result(),
        environ={**environ, **({"DOCKER_CONFIG": str(docker_config)} if docker_config is not None else {})},
        variables={**variables, **secrets},
        labels={labels.PROJECT: project.name, **label.result()},
        server_platform=platform,
        engine_platform=info.result().platform,
        emit=emit,
        no_cache=no_cache,
        remote=remote,
        caches=caches,
        secret_files=tuple(root / secret.file for secret in project.secrets if secret.file is not None),
    )
    groups = equal_builds(buildable, root, platform or batch.engine_platform)
    began = info.result().now
    results = await gather((_build(batch, group) for group in groups), limit=MAX_PARALLEL)
    if any(result.changed for group in results for result in group):
        await note_build(engine, project.name, began)
    by_service = {result.service: result for group in results for result in group}
    return {service.name: by_service[service.name] for service in buildable}


async def _cache_support(
    services: Sequence[Service], cli: BuildKitCli, env: Mapping[str, str], store: Store, emit: Emit | None
) -> CacheSupport:
    """The builder's support of `build.cache`; asked only where a service has one.

    `emit` receives a warning about a cache that cannot be used, and is None where the builder keeps its own.
    """
    caches = [cache for service in services if service.build is not None for cache in service.build.cache]
    if not caches:
        return CacheSupport(reads=False, writes=False, github=False)
    support = await asyncio.to_thread(find_cache_support, cli, env, store)
    note = cache_note(caches, support, env)
    if note is not None and emit is not None:
        emit(note)
    return support


async def _commit_label(commit: str | None, root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    commit = commit or await git_commit(root, environ)
    return {labels.COMMIT: commit} if commit else {}


async def _build(batch: Batch, services: Sequence[Service]) -> list[BuildResult]:
    with at(server=batch.engine.name, service=services[0].name, step="build"):
        try:
            return await build_image(batch, services)
        except StepNotReported:
            # The build that has the report is about to fail as well: its error comes first, and cancels this wait.
            await asyncio.sleep(SHARED_STEP_SECONDS)
            raise
