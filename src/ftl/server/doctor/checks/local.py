"""HERE, what builds: the docker command, its builder, and this machine's engine."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import BuildFailed, FtlError
from ftl.image.building.builder import Builder, find_builder
from ftl.server.doctor.finding import Finding

if TYPE_CHECKING:
    from ftl.config import Project
    from ftl.engine.values import EngineInfo

SECONDS = 1.5
"""For this machine's engine to say what it is."""

BUILDX = "`apt-get install docker-buildx`, or docker-buildx-plugin from Docker's own repository"


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """What a project asks of the machine that deploys it; without a project nothing is known to be asked.

    Attributes:
        builds: Images are built here.
        secrets: With build secrets, which the classic builder cannot do.
    """

    builds: bool = False
    secrets: bool = False

    @classmethod
    def of(cls, project: Project | None) -> BuildNeeds:
        """Read them off a project."""
        builds = [one.build for one in project.services if one.build is not None] if project else []
        return cls(bool(builds), any(build.secrets for build in builds))


@dataclass(frozen=True, slots=True)
class LocalTools:
    """The builder and the engine of this machine, or why there is none."""

    builder: Builder | BuildFailed
    engine: EngineInfo | FtlError


async def gather() -> LocalTools:
    """Look for the docker command and ask this machine's engine."""
    builder = asyncio.to_thread(_builder)
    found, engine = await asyncio.gather(builder, _engine())
    return LocalTools(found, engine)


def _builder() -> Builder | BuildFailed:
    try:
        return find_builder(os.environ)
    except BuildFailed as error:
        return error


async def _engine() -> EngineInfo | FtlError:
    try:
        async with asyncio.timeout(SECONDS), Engine(local_url(), name="this machine") as engine:
            return await engine.info()
    except TimeoutError:
        return FtlError(f"the Docker engine of this machine did not answer within {SECONDS:g} s")
    except FtlError as error:
        return error


def judge(here: LocalTools, needs: BuildNeeds) -> list[Finding]:
    """What there is to say about building on this machine."""
    return [judge_builder(here.builder, needs), judge_engine(here.engine, needs)]


def judge_builder(builder: Builder | BuildFailed, needs: BuildNeeds) -> Finding:
    """The docker command: BuildKit is needed for secrets, and better for all else."""
    if isinstance(builder, BuildFailed):
        if not needs.builds:
            return Finding("here", "docker", "ok", f"{builder.message}; nothing is built here")
        return Finding("here", "docker", "problem", builder.message, builder.hint)
    if builder.has_buildkit:
        kind = "buildx" if builder.kind == "buildx" else "BuildKit inside"
        return Finding("here", "docker", "ok", f"{builder.docker}, with {kind}")
    if needs.secrets:
        what = f"{builder.docker} has no BuildKit, which `build.secrets` need"
        return Finding("here", "docker", "problem", what, BUILDX)
    what = f"{builder.docker} has no BuildKit: builds are slower, and `RUN --mount` fails"
    return Finding("here", "docker", "warning" if needs.builds else "ok", what, BUILDX)


def judge_engine(engine: EngineInfo | FtlError, needs: BuildNeeds) -> Finding:
    """This machine's engine, which builds."""
    if not isinstance(engine, FtlError):
        return Finding("here", "engine", "ok", f"Docker {engine.version}, {engine.platform}, {engine.store}")
    if not needs.builds:
        return Finding("here", "engine", "ok", f"{engine.message}; nothing is built here")
    what = f"{engine.message}: {engine.cause}" if engine.cause else engine.message
    return Finding("here", "engine", "problem", what, engine.hint or "start Docker: `systemctl start docker`")
