"""Runners that remove images and their tags."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.figures import size
from ftl.deploy.apply.freed import freed_by
from ftl.deploy.plan.records.pulled import is_tagged
from ftl.deploy.plan.steps.images import DropPulled, DropTags, PruneBuildCache, PulledImage, RemoveImages
from ftl.engine import labels
from ftl.engine.marks import listed_repository, marks_on
from ftl.errors import EngineError, EngineUnavailable
from ftl.events import Note
from ftl.execution.runners import Runners
from ftl.image.building.dropped import look_first, remove_dropped
from ftl.image.building.remote import SERVER
from ftl.image.transfer.remote.capabilities import remove_unused_layers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence

    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine
    from ftl.engine.marks import PullMark
    from ftl.engine.values import Image

RUNNERS: Runners[DeployContext] = Runners()

CACHE_SECONDS = 600.0
"""Limit for the removal of a build cache, which may be many files."""


@RUNNERS.runs(DropTags)
async def drop_tags(context: DeployContext, step: DropTags) -> None:
    """Untag old releases' images on both machines; a failure costs only disk space."""
    project = context.project.name
    with suppress(EngineUnavailable):
        await look_first(await context.clients.local_engine(), project)
    if not step.here:
        if _builds(context):
            await look_first(context.engine, project)
        images = await gather(_known_image(context, tag) for tag in step.tags)
        await _drop_there(context, step, dict(zip(step.tags, images, strict=True)))
        context.in_background(remove_unused_layers(context.machine))
    with suppress(EngineUnavailable):  # no engine here, and no images
        await _drop_here(context, step, await context.clients.local_engine())


async def _drop_there(context: DeployContext, step: DropTags, tags: Mapping[str, Image | None]) -> None:
    """Untag images on the server, and remove the dropped ones from its build cache where they were built there."""

    async def drop() -> None:
        await _drop(context, context.engine, tags)
        await _drop_pushed(context, context.engine, tags.values())

    project, freed, estimated = context.project.name, 0, False
    if step.measured:
        freed, estimated = await freed_by(drop, context.engine, project, tags.values())
    else:
        await drop()
    what = "images of old releases are removed"
    if _builds(context):
        freed += await remove_dropped(context.engine, project, keep=context.project.keep_releases)
        what = "images and build leftovers of old releases are removed"
    if step.measured:
        context.freed.there += freed
        _note(context, what, freed, context.server, estimated=estimated)


def _builds(context: DeployContext) -> bool:
    """Whether the server is one that `build.on` names: its build cache has layers of the images, too."""
    builds = (each.build for each in (*context.project.services, *context.project.built_dependencies))
    places = {build.place for build in builds if build is not None}
    return context.server in places or (SERVER in places and context.session is context.fleet.first)


async def _drop_here(context: DeployContext, step: DropTags, local: Engine) -> None:
    """Untag images on this machine, and remove the dropped ones from its build cache."""
    project, freed, estimated = context.project.name, 0, False
    own = await _own_tags(local, project) if step.here or not context.project.server.is_local else {}
    tags = {tag: own[tag] for tag in step.tags if tag in own}

    async def drop() -> None:
        await _drop(context, local, tags, digests=False)
        await _drop_pushed(context, local, own.values())

    if tags and step.measured:
        freed, estimated = await freed_by(drop, local, project, tags.values())
    else:
        await drop()
    freed += await remove_dropped(local, project, keep=context.project.keep_releases)
    if step.measured:
        context.freed.here += freed
        what = "images and build leftovers of old releases are removed"
        _note(context, what, freed, "this machine", estimated=estimated)


def _note(context: DeployContext, what: str, freed: int, where: str, *, estimated: bool) -> None:
    if not freed:
        return
    context.freed.estimated |= estimated
    context.emit(Note(f"{what}: {'at most ' if estimated else ''}{size(freed)} freed on {where}"))


async def _known_image(context: DeployContext, tag: str) -> Image | None:
    with suppress(EngineError):
        return await context.engine.image(tag)
    return None


async def _drop(
    context: DeployContext, engine: Engine, tags: Mapping[str, Image | None], *, digests: bool = True
) -> None:
    """Untag images. The last tag of each goes after its others: with it the engine removes the image.

    `digests` of an image without tags are dropped, too: one that was pulled by digest would stay.
    """
    last = {image.id if image else tag: tag for tag, image in tags.items()}
    others = tags.keys() - set(last.values())
    await gather(_drop_tag(context, tag, engine.untag(tag)) for tag in tags if tag in others)
    await gather(_drop_tag(context, tag, engine.untag(tag)) for tag in last.values())
    images = {image.id: image for image in tags.values() if image is not None and digests}
    left = [name for image in images.values() if set(image.tags) <= tags.keys() for name in image.digests]
    await gather(_drop_tag(context, name, engine.untag(name)) for name in left)


async def _drop_pushed(context: DeployContext, engine: Engine, images: Iterable[Image | None]) -> None:
    """Drop the names that images were pushed by, once their last tag of a release or build is gone."""
    project = context.project.name
    pushed = {image.id: image for image in images if image is not None and _marks_of(project, image)}
    left = await gather(engine.image(image) for image in pushed)
    await gather(
        _drop_marked(context, engine, PulledImage(image.id, _marks_of(project, image)), image)
        for image in left
        if image is not None and not is_tagged(project, image)
    )


def _marks_of(project: str, image: Image) -> tuple[str, ...]:
    return tuple(mark.text for mark in marks_on(image) if mark.project == project)


async def _drop_tag(context: DeployContext, tag: str, untagged: Awaitable[None]) -> None:
    try:
        await untagged
    except EngineError as error:
        context.emit(Note(f"the image {tag} could not be removed: {error.cause or error.message}", "warning"))


async def _own_tags(engine: Engine, project: str) -> dict[str, Image]:
    """Tags of a project's images by the engine's own list: the same tag may be another image on the server."""
    images = await engine.images(labels={labels.PROJECT: project})
    return {tag: image for image in images for tag in image.tags}


@RUNNERS.runs(RemoveImages)
async def remove_images(context: DeployContext, step: RemoveImages) -> None:
    """Remove images without a tag; one that is in use after all stays."""
    engine = await context.clients.local_engine() if step.here else context.engine

    async def remove(image: str) -> None:
        with suppress(EngineError):
            await engine.untag(image)

    await gather(remove(image) for image in step.images)
    if not step.here:
        context.in_background(remove_unused_layers(context.machine))


@RUNNERS.runs(DropPulled)
async def drop_pulled(context: DeployContext, step: DropPulled) -> None:
    """Remove images that FTL brought, but one that is used after all."""
    used = {image.id for image in context.images.values()}
    leaving = [one for one in step.images if one.id not in used]
    images = await gather(_known_image(context, one.id) for one in leaving)

    async def drop() -> None:
        await gather(
            _drop_marked(context, context.engine, one, image)
            for one, image in zip(leaving, images, strict=True)
            if image is not None
        )

    if step.measured:
        freed, estimated = await freed_by(drop, context.engine, context.project.name, images)
        context.freed.there += freed
        _note(
            context, "pulled images of old releases are removed", freed, context.server, estimated=estimated
        )
    else:
        await drop()
    context.in_background(remove_unused_layers(context.machine))


async def _drop_marked(context: DeployContext, engine: Engine, one: PulledImage, image: Image) -> None:
    """Untag an image by the names that FTL pulled it by, and by its marks last: they tell the next time whose it is.

    Names that another project pulled it by stay, and so does an image that has another tag. With its last name the
    engine removes it, and refuses that while a container uses it.
    """
    marks = marks_on(image)
    ours = [mark for mark in marks if mark.text in one.marks]
    theirs = [mark for mark in marks if mark.text not in one.marks]
    references = {mark.reference for mark in ours} - {mark.reference for mark in theirs}
    repositories = {mark.repository for mark in ours} - {mark.repository for mark in theirs}
    tags = [tag for tag in image.tags if tag in references]
    others = {*image.tags} - {*tags, *(mark.text for mark in marks)}
    digests = [each for each in image.digests if listed_repository(each) in repositories and not others]
    names = () if one.stays else (*tags, *digests)
    handed = _handed_over(image, ours, theirs)
    try:
        if handed and not one.stays:
            for mark in handed:
                await engine.tag(image.id, mark.text)
            leave = {mark.reference for mark in handed}
            names = tuple(name for name in names if name not in leave)
        for name in (*names, *(mark.text for mark in ours)):
            await engine.untag(name)
    except EngineError as error:
        name = next(iter(tags), one.id)
        context.emit(
            Note(f"the image {name} could not be removed: {error.cause or error.message}", "warning")
        )


def _handed_over(image: Image, ours: Iterable[PullMark], theirs: Sequence[PullMark]) -> list[PullMark]:
    """Marks by which other projects take over tags: with a repository's last tag the engine drops its digests.

    So they do where a project has an image by its digest, or by a tag that has moved.
    """
    tags = {mark.reference for mark in theirs} & {*image.tags}
    without = [mark for mark in theirs if mark.reference not in tags]
    return [
        replace(mark, project=project)
        for mark in ours
        if mark.reference in {*image.tags} - tags
        for project in dict.fromkeys(each.project for each in without if each.repository == mark.repository)
    ]


@RUNNERS.runs(PruneBuildCache)
async def prune_build_cache(context: DeployContext, _: PruneBuildCache) -> None:
    """Have this machine's engine remove it."""
    engine = await context.clients.local_engine()
    await engine.prune_build_cache(seconds=CACHE_SECONDS)
