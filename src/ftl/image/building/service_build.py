"""The build of one service: the call of the docker CLI, what it prints, and what is learnt from it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ftl import figures
from ftl.aio import gather
from ftl.child import lines_of
from ftl.engine import labels
from ftl.errors import BuildFailed
from ftl.events import BuildContext, BuildFinished, BuildStarted, Note
from ftl.image.building.build_record import (
    BuildRecord,
    fingerprint_files,
    load_record,
    next_record,
    record_path,
    save_record,
)
from ftl.image.building.build_secrets import resolve_secrets
from ftl.image.building.built import BuildResult
from ftl.image.building.cache_miss import CacheMiss, CurrentBuild, first_cache_miss
from ftl.image.building.classic import ClassicProgress
from ftl.image.building.command import BuildRequest, build_arguments, build_environment
from ftl.image.building.context import Context, folders_text, walk_context
from ftl.image.building.dockerfile import Dockerfile, parse
from ftl.image.building.failures import build_failure
from ftl.image.building.private_files import private_note
from ftl.image.building.progress import PlainProgress, Progress
from ftl.image.identity import content_id
from ftl.image.platforms import same_platform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config import Build, Service
    from ftl.engine.api import Engine
    from ftl.engine.values import Image
    from ftl.events import Emit
    from ftl.image.building.builder import Builder

NO_BUILDKIT = "install Docker's buildx plugin for faster builds and build secrets"


@dataclass(frozen=True, slots=True)
class Batch:
    """What the builds that are made side by side share.

    Attributes:
        environ: What the docker CLI works by.
        variables: The same and the lines of .env: where build secrets are looked for.
        labels: The labels that all images get.
        platform: The server's, where it is known.
        native: The engine's own, where it was asked.
    """

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


async def build_image(batch: Batch, service: Service) -> BuildResult:
    """Build one service's image.

    Raises:
        BuildFailed: It could not be built; the details are the failing step's output.
    """
    started = time.monotonic()
    config = service.build
    assert config is not None
    call = _call(batch, service, config)
    dockerfile = _read(call, config)
    batch.emit(BuildStarted(service.name, call.tags[0], call.platform or batch.native))
    measuring = asyncio.create_task(_measure(batch, service, call, dockerfile))
    with tempfile.TemporaryDirectory(prefix="ftl-build-") as folder:
        id_file = Path(folder) / "id"
        try:
            progress, status = await _run(batch, service, call, dockerfile, id_file)
            context = await measuring
        finally:
            measuring.cancel()
        if status != 0:
            raise build_failure(progress, dockerfile, context, status=status, target=call.target)
        image = await _image(batch.engine, id_file, call)
    return await _finish(batch, service, call, dockerfile, progress, context, image, started)


def _call(batch: Batch, service: Service, config: Build) -> BuildRequest:
    context = (batch.root / config.context).resolve()
    name = f"{batch.project}-{service.name}:latest"
    wanted = config.platform or batch.platform
    foreign = wanted is not None and (batch.native is None or not same_platform(wanted, batch.native))
    if config.secrets and not batch.builder.has_buildkit:
        raise BuildFailed(
            "build secrets need BuildKit, and only the classic builder is here", hint=NO_BUILDKIT
        )
    return BuildRequest(
        context=context,
        dockerfile=context / config.dockerfile,
        tags=(service.image, name) if service.image else (name,),
        labels={**batch.labels, labels.SERVICE: service.name},
        args=config.args,
        secrets=resolve_secrets(config.secrets, root=batch.root, environ=batch.variables),
        target=config.target,
        platform=wanted if foreign else None,
        no_cache=batch.no_cache,
    )


def _read(call: BuildRequest, config: Build) -> Dockerfile:
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


async def _measure(batch: Batch, service: Service, call: BuildRequest, dockerfile: Dockerfile) -> Context:
    """Walk the context while the builder works, and say what is found as soon as it is known."""
    context = await asyncio.to_thread(walk_context, call.context, call.dockerfile)
    batch.emit(BuildContext(service.name, context.size))
    if context.is_large:
        batch.emit(_large_context(service.name, context))
    if note := private_note(service.name, context, dockerfile):
        batch.emit(note)
    return context


def _large_context(service: str, context: Context) -> Note:
    least = "" if context.whole else "at least "
    text = f"{service}: the build context is {least}{figures.size(context.size)}"
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
    batch: Batch, service: Service, call: BuildRequest, dockerfile: Dockerfile, id_file: Path
) -> tuple[Progress, int]:
    progress: Progress = (
        PlainProgress(service.name, dockerfile)
        if batch.builder.has_buildkit
        else ClassicProgress(service.name, dockerfile)
    )
    argv = build_arguments(batch.builder, call, id_file=id_file)
    env = build_environment(
        batch.builder, call, host=batch.engine.url, environ=batch.environ, variables=batch.variables
    )
    async with lines_of(argv, env=env, cwd=call.context) as (lines, process):
        async for line in lines:
            for event in progress.feed(line):
                batch.emit(event)
        status = await process.wait()
    for event in progress.close(failed=status != 0):
        batch.emit(event)
    return progress, status


async def _image(engine: Engine, id_file: Path, call: BuildRequest) -> Image:
    """The image that was just built, by its ID: another build of the same project may move its name.

    A buildx builder in a container of its own writes the ID that the image has there; then the name must do.
    """
    written = await asyncio.to_thread(_written, id_file)
    image = await engine.image(written) if written else None
    image = image or await engine.image(call.tags[0])
    if image is None:
        raise BuildFailed(
            f"the image {call.tags[0]} was built, but the engine does not have it",
            hint="the docker CLI's builder belongs to another engine (`docker buildx ls`)",
        )
    return image


def _written(id_file: Path) -> str:
    return id_file.read_text().strip() if id_file.exists() else ""


async def _finish(
    batch: Batch,
    service: Service,
    call: BuildRequest,
    dockerfile: Dockerfile,
    progress: Progress,
    context: Context,
    image: Image,
    started: float,
) -> BuildResult:
    content = content_id(image)
    path = record_path(batch.root, service.name)
    last = await asyncio.to_thread(load_record, path)
    now = CurrentBuild(
        dockerfile,
        args=call.args,
        bases=await _bases(batch.engine, dockerfile, progress, last),
        settings={"target": call.target or "", "platform": call.platform or ""},
        files=await asyncio.to_thread(fingerprint_files, context, last),
        no_cache=call.no_cache,
    )
    miss = first_cache_miss(progress.steps, now, last)
    await asyncio.to_thread(_remember, path, last, now, progress, content)
    built = BuildResult(
        service=service.name,
        reference=call.tags[0],
        image=image,
        content=content,
        built=miss is not None or (last is not None and last.content != content),
        seconds=round(time.monotonic() - started, 3),
        context=context,
        dockerfile=dockerfile,
        first_miss=_shown(miss),
        miss_seconds=miss.seconds if miss else 0.0,
        miss_reason=miss.reason if miss else None,
    )
    batch.emit(_finished(built))
    return built


async def _bases(
    engine: Engine, dockerfile: Dockerfile, progress: Progress, last: BuildRecord | None
) -> dict[str, str]:
    """The content ids of the base images. When nothing was carried out they are what they were."""
    if last is not None and not any(step.missed for step in progress.steps):
        return dict(last.bases)
    names = dockerfile.bases()
    images = await gather(engine.image(name) for name in names)
    return {name: content_id(image) for name, image in zip(names, images, strict=True) if image is not None}


def _remember(
    path: Path, last: BuildRecord | None, now: CurrentBuild, progress: Progress, content: str
) -> None:
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


def _shown(miss: CacheMiss | None) -> str | None:
    return f"line {miss.instruction.line}: {miss.instruction.text}" if miss else None


def _finished(built: BuildResult) -> BuildFinished:
    return BuildFinished(
        built.service,
        built.reference,
        built.seconds,
        built.built,
        built.first_miss,
        built.miss_seconds,
        built.miss_reason,
    )
