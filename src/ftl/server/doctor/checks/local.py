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


@dataclass(frozen=True, slots=True)
class BuildNeeds:
    """What a project asks of the machine that deploys it; without a project nothing is known to be asked.

    Attributes:
        builds: Images are built here.
    """

    builds: bool = False

    @classmethod
    def of(cls, project: Project | None) -> BuildNeeds:
        """Read them off a project."""
        services = project.services if project is not None else ()
        return cls(any(service.build is not None for service in services))


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
    """The docker CLI and its BuildKit, needed where services are built."""
    if isinstance(builder, BuildFailed):
        if not needs.builds:
            return Finding("here", "docker", "ok", f"{builder.message}; nothing is built here")
        what = f"{builder.message}: {builder.cause}" if builder.cause else builder.message
        return Finding("here", "docker", "problem", what, builder.hint)
    kind = "buildx" if builder.kind == "buildx" else "built-in BuildKit"
    return Finding("here", "docker", "ok", f"{builder.docker}, with {kind}")


def judge_engine(engine: EngineInfo | FtlError, needs: BuildNeeds) -> Finding:
    """This machine's engine, which builds."""
    if not isinstance(engine, FtlError):
        return Finding("here", "engine", "ok", f"Docker {engine.version}, {engine.platform}, {engine.store}")
    if not needs.builds:
        return Finding("here", "engine", "ok", f"{engine.message}; nothing is built here")
    what = f"{engine.message}: {engine.cause}" if engine.cause else engine.message
    return Finding("here", "engine", "problem", what, engine.hint or "start Docker: `systemctl start docker`")
