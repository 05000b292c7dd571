"""Marks of projects on images that FTL brought; those that somebody else brought have none.

A marked image goes with the releases of the projects that it is marked for (`removal`).
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.deploy.plan.steps.images import ClaimImage
from ftl.engine.marks import marks_on, pull_mark
from ftl.errors import EngineError
from ftl.execution.runners import Runners

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine
    from ftl.engine.marks import PullMark
    from ftl.engine.values import Image

RUNNERS: Runners[DeployContext] = Runners()

_OWN_TAG = re.compile(r"r[0-9]+|c[0-9a-f]+")
"""Tags of images that FTL builds: the release of a service, the content of a dependency."""


@RUNNERS.runs(ClaimImage)
async def claim_image(context: DeployContext, step: ClaimImage) -> None:
    """Mark an image that FTL brought for another project."""
    image = await context.engine.image(step.reference)
    if image is not None:
        await _claim(context, step.reference, image)


async def _claim(context: DeployContext, reference: str, image: Image) -> None:
    """Mark an image for this project, too, if FTL brought it: with the names that it was brought by."""
    project, marks = context.project.name, marks_on(image)
    own = pull_mark(project, reference, image.id)
    if own is None or not marks or any(mark.project == project for mark in marks):
        return
    known = [mark for mark in marks if mark.repository == own.repository or reference == image.id]
    await _tag(context.engine, image, [replace(mark, project=project) for mark in known] or [own])


async def mark_brought(context: DeployContext, reference: str, image: Image, *, known: bool) -> None:
    """Mark an image after it was brought for this project, if FTL did that.

    `known`: the server had it by this name, when the step began.
    """
    if known:
        await _claim(context, reference, image)
    elif not is_built_by_ftl(context, reference) and not _had_another_name(context, image):
        await mark(context, context.engine, reference, image)


async def mark(context: DeployContext, engine: Engine, reference: str, image: Image) -> None:
    """Mark an image of an engine for this project."""
    await _tag(engine, image, (pull_mark(context.project.name, reference, image.id),))


async def _tag(engine: Engine, image: Image, marks: Iterable[PullMark | None]) -> None:
    with suppress(EngineError):  # it costs only disk space, later
        await gather(engine.tag(image.id, mark.text) for mark in marks if mark is not None)


def _had_another_name(context: DeployContext, image: Image) -> bool:
    """Whether the server had an image by another name, which FTL did not give it."""
    views = context.observed.servers
    here = [view for view in views if view.name == context.session.name] or views
    return any(image.id == other.id for view in here for other in view.images) and not marks_on(image)


def is_built_by_ftl(context: DeployContext, reference: str) -> bool:
    """Whether an image is one that FTL built for the project."""
    built = [each for each in context.project.services if each.build is not None]
    names = {f"{context.project.name}-{each.name}" for each in (*context.project.built_dependencies, *built)}
    name, _, tag = reference.rpartition(":")
    return name in names and _OWN_TAG.fullmatch(tag) is not None
