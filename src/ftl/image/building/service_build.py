"""Build the image of one service, and compare the build with the last one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.child import lines_of
from ftl.common.private_folder import private_folder
from ftl.dataclass import dataclass
from ftl.errors import BuildFailed
from ftl.events import BuildContext, BuildFinished, BuildStarted
from ftl.image.building.batch import Batch, read_dockerfile, request_of, tags_of
from ftl.image.building.diagnosis.build_record import (
    BuildRecord,
    CurrentBuild,
    fingerprint_files,
    load_record,
    next_record,
    record_path,
    save_record,
)
from ftl.image.building.diagnosis.cache_miss import first_cache_miss
from ftl.image.building.diagnosis.emulation import emulation_note
from ftl.image.building.diagnosis.failures import build_failure
from ftl.image.building.diagnosis.private_files import private_files_note, repository_files_note
from ftl.image.building.diagnosis.secret_mounts import unused_secrets_note
from ftl.image.building.docker_cli.build_secrets import pass_secrets
from ftl.image.building.docker_cli.cache import sent_cache_note
from ftl.image.building.docker_cli.command import BuildRequest, build_arguments, build_environment
from ftl.image.building.docker_cli.progress import PlainProgress
from ftl.image.building.inputs.context import Context, large_context_note, walk_context
from ftl.image.building.replaced import remove_replaced, tagged_images
from ftl.image.identity import content_id
from ftl.image.platforms import same_platform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ftl.config.models.project import Service
    from ftl.engine.values import Image
    from ftl.events import Note
    from ftl.image.building.inputs.dockerfile import Dockerfile


_PREFIX = "ftl-build-"


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image of a service after its build.

    Attributes:
        reference: The name to deploy: `image` of ftl.yaml if given, else PROJECT-SERVICE:latest.
        changed: False if every step came from the cache and the image is the same as before.
        first_miss: The first instruction, in the Dockerfile's order, that was not in the cache.
        miss_seconds: Duration of all executed steps.
    """

    service: str
    reference: str
    image: Image
    content_id: str
    changed: bool
    seconds: float
    context: Context
    dockerfile: Dockerfile
    first_miss: str | None = None
    miss_seconds: float = 0.0
    miss_reason: str | None = None


async def build_image(batch: Batch, services: Sequence[Service]) -> list[BuildResult]:
    """Build one image for services with equal builds, and tag it for each of them.

    Events of the builder name the first service; each service has its own start and end.

    Raises:
        BuildFailed: It could not be built; the details are the failing step's output.
    """
    first = services[0]
    assert first.build is not None
    request = request_of(batch, services, first.build)
    dockerfile = read_dockerfile(request, first.build)
    for service in services:
        batch.emit(BuildStarted(service.name, tags_of(batch, service)[0], request.platform, batch.machine))
    names = tuple(service.name for service in services)
    result = await _ServiceBuild(batch, names, request, dockerfile).run()
    results = [
        replace(result, service=service.name, reference=tags_of(batch, service)[0]) for service in services
    ]
    for each in results:
        batch.emit(_finished(each))
    return results


@dataclass(frozen=True, slots=True)
class _ServiceBuild:
    """One build: its inputs, and its run; `services` are those that get the image."""

    batch: Batch
    services: tuple[str, ...]
    request: BuildRequest
    dockerfile: Dockerfile

    @property
    def service(self) -> str:
        """The service that events name."""
        return self.services[0]

    @property
    def _secrets(self) -> tuple[str, ...]:
        """The IDs of its secrets."""
        return tuple(secret.id for secret in self.request.secrets)

    async def run(self) -> BuildResult:
        started = time.monotonic()
        engine, tags = self.batch.engine, self.request.tags
        before = await tagged_images(engine, tags) if self.batch.remote else []
        measuring = asyncio.create_task(self._measure_context())
        with private_folder(_PREFIX) as folder:
            id_file = folder / "id"
            try:
                progress, status = await self._run_cli(folder, id_file)
                context = await measuring
            finally:
                measuring.cancel()
            if status != 0:
                raise build_failure(
                    progress,
                    self.dockerfile,
                    context,
                    status=status,
                    target=self.request.target,
                    machine=engine.name,
                    secrets=self._secrets,
                )
            image = await self._built_image(id_file)
        await remove_replaced(engine, before, image, tags)
        return await self._finish(progress, context, image, started)

    async def _measure_context(self) -> Context:
        """Walk the context while the builder works, and report its size and problems at once."""
        request, old_rules = self.request, self.batch.cli.kind == "buildkit"
        context = await asyncio.to_thread(
            walk_context, request.context, request.dockerfile, old_rules=old_rules
        )
        self.batch.emit(BuildContext(self.service, context.size))
        notes = (
            large_context_note(self.service, context),
            private_files_note(self.service, context, self.dockerfile, self.batch.secret_files),
            repository_files_note(self.service, context, self.dockerfile, self.request.target),
            unused_secrets_note(self.service, self.dockerfile, self._secrets),
            sent_cache_note(self.service, request.cache, context),
            await asyncio.to_thread(self._emulation_note),
        )
        for note in notes:
            if note is not None:
                self.batch.emit(note)
        return context

    def _emulation_note(self) -> Note | None:
        """The note about another processor, the first time that the service is built here."""
        if any(record_path(self.batch.root, service).exists() for service in self.services):
            return None
        return emulation_note(
            self.service,
            self.dockerfile,
            self.request.target,
            platform=self.request.platform,
            engine_platform=self.batch.engine_platform,
            machine=self.batch.machine,
        )

    async def _run_cli(self, folder: Path, id_file: Path) -> tuple[PlainProgress, int]:
        batch = self.batch
        secrets, variables = pass_secrets(self.request.secrets, batch.variables, folder)
        request = replace(self.request, secrets=secrets)
        progress = PlainProgress(self.service, self.dockerfile)
        argv = build_arguments(batch.cli, request, id_file=id_file)
        env = build_environment(
            batch.cli,
            request,
            host=batch.engine.url,
            environ=batch.environ,
            secrets=variables,
            remote=batch.remote,
        )
        async with lines_of(argv, env=env, cwd=request.context) as (lines, process):
            async for line in lines:
                for event in progress.feed(line):
                    batch.emit(event)
            status = await process.wait()
        return progress, status

    async def _built_image(self, id_file: Path) -> Image:
        """The image that was just built, by its ID: another build of the same project may move its name.

        A buildx builder in a container of its own writes the ID that the image has there; then the name is used.
        """
        engine, name = self.batch.engine, self.request.tags[0]
        image_id = await asyncio.to_thread(_read_id, id_file)
        image = await engine.image(image_id) if image_id else None
        image = image or await engine.image(name)
        if image is None:
            raise BuildFailed(
                f"the image {name} was built, but the engine does not have it",
                hint="the docker CLI's builder belongs to another engine (`docker buildx ls`)",
            )
        return image

    async def _finish(
        self, progress: PlainProgress, context: Context, image: Image, started: float
    ) -> BuildResult:
        """Find the first cache miss by comparing with the last build, and record this one."""
        content = content_id(image)
        paths = [record_path(self.batch.root, service) for service in self.services]
        last = await asyncio.to_thread(load_record, paths[0])
        current = await self._current_build(progress, context, last)
        miss = first_cache_miss(progress.steps, current, last)
        await asyncio.to_thread(_record, paths, last, current, progress, content)
        return BuildResult(
            service=self.service,
            reference=self.request.tags[0],
            image=image,
            content_id=content,
            changed=miss is not None or (last is not None and last.content != content),
            seconds=round(time.monotonic() - started, 3),
            context=context,
            dockerfile=self.dockerfile,
            first_miss=f"line {miss.instruction.line}: {miss.instruction.text}" if miss else None,
            miss_seconds=miss.seconds if miss else 0.0,
            miss_reason=miss.reason if miss else None,
        )

    async def _current_build(
        self, progress: PlainProgress, context: Context, last: BuildRecord | None
    ) -> CurrentBuild:
        request = self.request
        is_native = same_platform(request.platform, self.batch.engine_platform)
        return CurrentBuild(
            self.dockerfile,
            args=request.args,
            bases=await self._base_content_ids(progress, last),
            settings={
                "builder": self.batch.machine or "",
                "target": request.target or "",
                "platform": "" if is_native else request.platform,
            },
            files=await asyncio.to_thread(fingerprint_files, context, last),
            no_cache=request.no_cache,
        )

    async def _base_content_ids(self, progress: PlainProgress, last: BuildRecord | None) -> dict[str, str]:
        """Content ids of the base images; the last build's if all steps came from the cache."""
        if last is not None and not any(step.is_cache_miss for step in progress.steps):
            return dict(last.bases)
        names = self.dockerfile.bases()
        images = await gather(self.batch.engine.image(name) for name in names)
        return {
            name: content_id(image) for name, image in zip(names, images, strict=True) if image is not None
        }


def _read_id(id_file: Path) -> str:
    return id_file.read_text().strip() if id_file.exists() else ""


def _record(
    paths: Sequence[Path],
    last: BuildRecord | None,
    current: CurrentBuild,
    progress: PlainProgress,
    content: str,
) -> None:
    seconds = [
        (step.instruction, step.seconds) for step in progress.steps if step.is_cache_miss and step.instruction
    ]
    record = next_record(last, current, seconds, content)
    for path in paths:
        if record != last or not path.exists():
            save_record(path, record)


def _finished(result: BuildResult) -> BuildFinished:
    return BuildFinished(
        result.service,
        result.reference,
        result.seconds,
        result.changed,
        result.first_miss,
        result.miss_seconds,
        result.miss_reason,
    )
