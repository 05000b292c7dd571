"""Checks of this machine's build tools: the docker command, its builder, and the engine."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import BuildFailed, FtlError
from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli, find_buildkit_cli
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.engine.values import EngineInfo

SECONDS = 1.5
"""Limit for this machine's engine to describe itself."""


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """Requirements of a project for this machine; without a project there are none.

    Images are built with its docker CLI, on its own engine or all elsewhere (`build.on`).
    """

    builds: bool = False
    builds_here: bool = False

    @classmethod
    def of(cls, project: Project | None) -> BuildNeeds:
        """The requirements of a project."""
        services = project.services if project is not None else ()
        builds = [service.build for service in services if service.build is not None]
        return cls(bool(builds), any(not build.place for build in builds))


@dataclass(frozen=True, slots=True)
class LocalTools:
    """The builder and the engine of this machine, or the error why there is none."""

    builder: BuildKitCli | BuildFailed
    engine: EngineInfo | FtlError


async def gather() -> LocalTools:
    """Find the docker command, and ask this machine's engine."""
    builder, engine = await asyncio.gather(asyncio.to_thread(_builder), _engine())
    return LocalTools(builder, engine)


def _builder() -> BuildKitCli | BuildFailed:
    try:
        return find_buildkit_cli(os.environ)
    except BuildFailed as error:
        return error


async def _engine() -> EngineInfo | FtlError:
    try:
        async with asyncio.timeout(SECONDS), Engine(local_url(), name="this machine") as engine:
            return await engine.info()
    except TimeoutError:
        return FtlError(f"the Docker engine on this machine did not answer within {SECONDS:g} s")
    except FtlError as error:
        return error


def judge(tools: LocalTools, needs: BuildNeeds) -> list[Finding]:
    """The findings about building on this machine."""
    return [judge_builder(tools.builder, needs), judge_engine(tools.engine, needs)]


def judge_builder(builder: BuildKitCli | BuildFailed, needs: BuildNeeds) -> Finding:
    """The docker CLI and its BuildKit, needed where services are built."""
    if isinstance(builder, BuildFailed):
        if not needs.builds:
            return Finding("here", "docker", "ok", f"{builder.message}; not needed, no service is built here")
        return Finding("here", "docker", "problem", builder.summary, builder.hint)
    kind = "buildx" if builder.kind == "buildx" else "built-in BuildKit"
    return Finding("here", "docker", "ok", f"{builder.docker}, with {kind}")


def judge_engine(engine: EngineInfo | FtlError, needs: BuildNeeds) -> Finding:
    """This machine's engine, needed where services are built on it."""
    if not isinstance(engine, FtlError):
        return Finding("here", "engine", "ok", f"Docker {engine.version}, {engine.platform}, {engine.store}")
    if not needs.builds_here:
        return Finding("here", "engine", "ok", f"{engine.message}; not needed, no service is built here")
    fix = engine.hint or "start Docker: `systemctl start docker`"
    return Finding("here", "engine", "problem", engine.summary, fix)
