"""Images of the release that a rollback restores: on this machine, rebuilt, or gone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather
from ftl.common.next_step import ftl
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.plan.records.recorded import recorded_images
from ftl.engine import labels
from ftl.engine.local import local_url
from ftl.errors import FtlError, UsageError
from ftl.image.identity import content_id
from ftl.operations.changes.rollback.choice import possible
from ftl.operations.changes.rollback.rebuild import rebuilt_images

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.releases.record import ReleaseRecord


async def local_copies(
    observed: Observed, project: Project, restored: ReleaseRecord
) -> dict[str, BuiltImage]:
    """Images that the server lost and this machine still has, with the same content."""
    missing = recorded_images(observed, project, restored).missing
    if not missing or project.server.is_local:
        return {}
    from ftl.engine.api import Engine

    wanted = {name: restored.services[name].content for name in missing if name in restored.services}
    with suppress(FtlError):  # no engine here
        async with Engine(local_url(), name="this machine") as engine:
            return await with_content(engine, project.name, wanted)
    return {}


async def with_content(engine: Engine, project: str, wanted: Mapping[str, str]) -> dict[str, BuiltImage]:
    """Images that were built for a project, by their content and under any tag.

    Those of other projects have their labels, by which these would remove them from the server.
    """
    labelled = await engine.images(labels={labels.PROJECT: project})
    listed = dict.fromkeys(image.id for image in labelled)
    images = await gather(engine.image(one) for one in listed)
    found = {content_id(image): image.id for image in images if image is not None}
    return {name: BuiltImage(found[content], content) for name, content in wanted.items() if content in found}


async def rebuilt(
    observed: Observed,
    project: Project,
    restored: ReleaseRecord,
    services: list[str],
    *,
    root: Path,
    platform: str,
    emit: Emit,
) -> dict[str, BuiltImage]:
    """Build images that are gone from the release's commit.

    None are built where the release has no commit, or FTL did not build one of the images.

    Raises:
        UsageError: The release was deployed with uncommitted changes.
        BuildFailed: As `rebuilt_images`.
    """
    ours = [
        service.name for service in project.services if service.name in services and service.build is not None
    ]
    if not restored.commit or len(ours) < len(services):
        return {}
    if restored.dirty:
        commit = restored.commit.removesuffix("-dirty")[:12]
        raise UsageError(
            f"{restored.release} cannot be built again: it was deployed with uncommitted changes, which no commit has",
            hint=f"{possible(observed, without=restored.release)}; `git checkout {commit}` and {ftl('deploy')} deploy "
            "its commit without them",
        )
    return await rebuilt_images(project, ours, restored.commit, root=root, platform=platform, emit=emit)


def refuse_missing(observed: Observed, restored: ReleaseRecord, missing: list[str]) -> None:
    """Refuse a rollback to a release whose images are gone.

    Raises:
        UsageError: One is.
    """
    if not missing:
        return
    commit = "" if restored.dirty else (restored.commit or "")[:12]
    build = (
        f"; {ftl(f'rollback {restored.release} --rebuild')} builds it from commit {commit}" if commit else ""
    )
    raise UsageError(
        f"{restored.release} cannot be restored: neither {observed.server} nor this machine still has the "
        f"image of {', '.join(missing)}",
        hint=possible(observed, without=restored.release) + build,
    )


def content_notes(restored: ReleaseRecord, local: Mapping[str, BuiltImage]) -> Iterator[str]:
    """Note images that were built again, and differ from those of the release."""
    for name, image in local.items():
        entry = restored.services.get(name)
        if entry is not None and image.content != entry.content:
            yield (
                f"{name} was built again, and its content is not what {restored.release} ran: its base image, packages "
                "or times of files are others now"
            )
