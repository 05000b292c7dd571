"""Building the images of a project's services on this machine's engine."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from ftl.errors import BuildFailed, FtlError, at
from ftl.events import BuildContext, BuildFinished, BuildStarted, Emit, Note
from ftl.image.builder import Builder, find_builder
from ftl.image.classic import ClassicProgress
from ftl.image.command import BuildCall, arguments, environment
from ftl.image.commit import git_commit
from ftl.image.context import Context, walk
from ftl.image.dockerfile import Dockerfile, parse
from ftl.image.failure import failure
from ftl.image.identity import content_id
from ftl.image.miss import Miss, Now, first_miss
from ftl.image.platforms import same
from ftl.image.process import lines_of
from ftl.image.progress import PlainProgress, Progress
from ftl.image.record import Record, keep_files, load_record, next_record, record_path, save_record
from ftl.image.secrets import find_secrets
from ftl.image.size import folders_text, size_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models import Build, Project, Service
    from ftl.engine.api import Engine
    from ftl.engine.values import Image

AT_ONCE = 8
"""Builds that run side by side; an engine shares what they have in common."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image that is there after a build.

    Attributes:
        reference: What to deploy: `image` of ftl.yaml where it is given, else PROJECT-SERVICE:latest.
        content: Its content id.
        built: False when every step came from the cache and the image is what it was.
        first_miss: The first instruction, in the Dockerfile's order, that was not in the cache.
        miss_seconds: What it and the steps after it took.
        miss_reason: What changed there.
        context: The build context, as walked.
    """

    service: str
    reference: str
    image: Image
    content: str
    built: bool
    seconds: float
    context: Context
    first_miss: str | None = None
    miss_seconds: float = 0.0
    miss_reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all builds of one call share."""

    project: str
    root: Path
    engine: Engine
    builder: Builder
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    labels: Mapping[str, str]
    platform: str | None
    native: str | None
    emit: Emit
    no_cache: bool


async def build(
    project: Project,
    services: Sequence[Service],
    *,
    root: Path,
    engine: Engine,
    platform: str | None,
    emit: Emit,
    no_cache: bool = False,
) -> dict[str, Built]:
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

    Raises:
        BuildFailed: One could not be built; the others are stopped. Its details are the step's output.
        EngineUnavailable: No engine answers here.
    """
    wanted = [service for service in services if service.build is not None]
    if not wanted:
        return {}
    environ = dict(os.environ)
    platforms = [platform, *(service.build.platform for service in wanted if service.build)]
    builder, commit, native = await asyncio.gather(
        asyncio.to_thread(find_builder, environ), git_commit(root, environ), _native(engine, platforms)
    )
    if not builder.has_buildkit:
        emit(
            Note(
                "no BuildKit here: building with the classic builder, one step at a time",
                "warning",
                hint=_NO_BUILDKIT,
            )
        )
    labels = {"ftl.project": project.name, **({"ftl.commit": commit} if commit else {})}
    written = {name: value or "" for name, value in dotenv_values(root / ".env", interpolate=False).items()}
    variables = {**written, **environ}
    bench = _Bench(
        project.name, root, engine, builder, environ, variables, labels, platform, native, emit, no_cache
    )
    return await _side_by_side(bench, wanted)


_NO_BUILDKIT = "install Docker's buildx plugin for faster builds and build secrets"


async def _native(engine: Engine, platforms: Sequence[str | None]) -> str | None:
    """The engine's own platform, asked only where another one may be wanted."""
    return (await engine.info()).platform if any(platforms) else None


async def _side_by_side(bench: _Bench, services: Sequence[Service]) -> dict[str, Built]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(service: Service) -> Built:
        async with slots:
            with at(service=service.name, step="build"):
                return await _build(bench, service)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(service)) for service in services]
    except* FtlError as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    return {service.name: task.result() for service, task in zip(services, tasks, strict=True)}


async def _build(bench: _Bench, service: Service) -> Built:
    started = time.monotonic()
    config = service.build
    assert config is not None
    call = _call(bench, service, config)
    dockerfile = _read(call, config)
    bench.emit(BuildStarted(service.name, call.tags[0], call.platform or bench.native))
    measuring = asyncio.create_task(_measure(bench, service, call))
    try:
        progress, status = await _run(bench, service, call, dockerfile)
        context = await measuring
    finally:
        measuring.cancel()
    if status != 0:
        raise failure(progress, dockerfile, context, status=status, target=call.target)
    return await _finish(bench, service, call, dockerfile, progress, context, started)


def _call(bench: _Bench, service: Service, config: Build) -> BuildCall:
    context = (bench.root / config.context).resolve()
    name = f"{bench.project}-{service.name}:latest"
    wanted = config.platform or bench.platform
    foreign = wanted is not None and (bench.native is None or not same(wanted, bench.native))
    if config.secrets and not bench.builder.has_buildkit:
        raise BuildFailed(
            "build secrets need BuildKit, and only the classic builder is here", hint=_NO_BUILDKIT
        )
    return BuildCall(
        context=context,
        dockerfile=context / config.dockerfile,
        tags=(service.image, name) if service.image else (name,),
        labels={**bench.labels, "ftl.service": service.name},
        args=config.args,
        secrets=find_secrets(config.secrets, root=bench.root, environ=bench.variables),
        target=config.target,
        platform=wanted if foreign else None,
        no_cache=bench.no_cache,
    )


def _read(call: BuildCall, config: Build) -> Dockerfile:
    shown = os.path.relpath(call.dockerfile)
    if not call.context.is_dir():
        raise BuildFailed(
            f"the build context {config.context} is no folder", cause=f"{call.context} does not exist"
        )
    try:
        return parse(call.dockerfile.read_text(errors="replace"), shown, config.args)
    except OSError as error:
        raise BuildFailed(
            f"{shown} cannot be read",
            cause=error.strerror,
            hint="`build.dockerfile` is relative to `build.context`",
        ) from None


async def _measure(bench: _Bench, service: Service, call: BuildCall) -> Context:
    """Walk the context while the builder works, and say what is found as soon as it is known."""
    context = await asyncio.to_thread(walk, call.context, call.dockerfile)
    bench.emit(BuildContext(service.name, context.size))
    if context.is_large:
        bench.emit(_large_context(service.name, context))
    return context


def _large_context(service: str, context: Context) -> Note:
    least = "" if context.whole else "at least "
    text = f"{service}: the build context is {least}{size_text(context.size)}"
    if largest := folders_text(context.folders):
        text += f" ({largest})"
    names = " ".join(path for path, _ in context.dispensable[:5])
    if context.ignore is None:
        hint = "there is no .dockerignore beside the context's files; "
    else:
        hint = f"{context.ignore.name} does not exclude it; "
    return Note(
        text,
        "warning",
        hint=hint + (f"name there: {names}" if names else "name there what the image does not need"),
    )


async def _run(
    bench: _Bench, service: Service, call: BuildCall, dockerfile: Dockerfile
) -> tuple[Progress, int]:
    progress: Progress = (
        PlainProgress(service.name, dockerfile)
        if bench.builder.has_buildkit
        else ClassicProgress(service.name, dockerfile)
    )
    argv = arguments(bench.builder, call)
    env = environment(
        bench.builder, call, host=bench.engine.url, environ=bench.environ, variables=bench.variables
    )
    async with lines_of(argv, env=env, cwd=call.context) as (lines, process):
        async for line in lines:
            for event in progress.feed(line):
                bench.emit(event)
        status = await process.wait()
    for event in progress.close(failed=status != 0):
        bench.emit(event)
    return progress, status


async def _finish(
    bench: _Bench,
    service: Service,
    call: BuildCall,
    dockerfile: Dockerfile,
    progress: Progress,
    context: Context,
    started: float,
) -> Built:
    image = await bench.engine.image(call.tags[0])
    if image is None:
        raise BuildFailed(
            f"the image {call.tags[0]} was built, but the engine does not have it",
            hint="the docker CLI's builder belongs to another engine (`docker buildx ls`)",
        )
    content = content_id(image)
    path = record_path(bench.root, service.name)
    last = await asyncio.to_thread(load_record, path)
    now = Now(
        dockerfile,
        args=call.args,
        bases=await _bases(bench.engine, dockerfile, progress, last),
        settings={"target": call.target or "", "platform": call.platform or ""},
        files=await asyncio.to_thread(keep_files, context, last),
        no_cache=call.no_cache,
    )
    miss = first_miss(progress.steps, now, last)
    await asyncio.to_thread(_remember, path, last, now, progress, content)
    built = Built(
        service=service.name,
        reference=call.tags[0],
        image=image,
        content=content,
        built=miss is not None or (last is not None and last.content != content),
        seconds=round(time.monotonic() - started, 3),
        context=context,
        first_miss=_shown(miss),
        miss_seconds=miss.seconds if miss else 0.0,
        miss_reason=miss.reason if miss else None,
    )
    bench.emit(_finished(built))
    return built


async def _bases(
    engine: Engine, dockerfile: Dockerfile, progress: Progress, last: Record | None
) -> dict[str, str]:
    """The ids of the base images. When nothing was carried out they are what they were."""
    if last is not None and not any(step.missed for step in progress.steps):
        return dict(last.bases)
    names = dockerfile.bases()
    images = await asyncio.gather(*(engine.image(name) for name in names))
    return {name: image.id for name, image in zip(names, images, strict=True) if image is not None}


def _remember(path: Path, last: Record | None, now: Now, progress: Progress, content: str) -> None:
    record = next_record(
        last,
        dockerfile=now.dockerfile,
        args=now.args,
        bases=now.bases,
        settings=now.settings,
        files=now.files,
        seconds=[
            (step.instruction, step.seconds) for step in progress.steps if step.missed and step.instruction
        ],
        content=content,
    )
    if record != last:
        save_record(path, record)


def _shown(miss: Miss | None) -> str | None:
    return f"line {miss.instruction.line}: {miss.instruction.text}" if miss else None


def _finished(built: Built) -> BuildFinished:
    return BuildFinished(
        built.service,
        built.reference,
        built.seconds,
        built.built,
        built.first_miss,
        built.miss_seconds,
        built.miss_reason,
    )
