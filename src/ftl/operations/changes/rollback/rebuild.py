"""Rebuild: images of an earlier release, built from the files of its commit."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ftl.child import complete
from ftl.common.next_step import ftl
from ftl.common.private_folder import private_folder
from ftl.dataclass import dataclass
from ftl.deploy.inputs import built_images
from ftl.errors import BuildFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ftl.config.models.project import Dependency, Project, Service
    from ftl.deploy.plan.desired.sources import BuiltImage
    from ftl.events import Emit

S = TypeVar("S", "Service", "Dependency")

_GIT_SECONDS = 120.0
"""Limit for one git command: a checkout of a large repository takes its time."""


async def rebuilt_images(
    project: Project, services: Sequence[str], commit: str, *, root: Path, platform: str, emit: Emit
) -> dict[str, BuiltImage]:
    """Build images of services from a commit, on this machine, with the secrets of its .env.

    The project is the one that was deployed from it, `root` the folder of ftl.yaml in a checkout of the repository.
    `build.on` and `build.cache` of the record do not count: they name machines and folders that get files and secrets
    of this machine, and others who may use the server's engine can write it.

    Raises:
        BuildFailed: The checkout does not have the commit, a path of the build leads out of it, or an image could not
            be built.
    """
    if not re.fullmatch("[0-9a-f]{7,64}", commit):  # from a record: not to be read as an option by git
        raise BuildFailed(f"`{commit[:40]}` is not the ID of a commit")
    async with checkout(root, commit) as files:
        for service in project.select_services(tuple(services)):
            _refuse_outside(service, files)
        own, folder = built_here(project), files.folder
        return await built_images(
            own, services, root=folder, platform=platform, emit=emit, env_folder=root, commit=commit
        )


def built_here(project: Project) -> Project:
    """The project with all of its builds on this machine, and without build caches."""

    def here(section: S) -> S:
        build = section.build
        return section if build is None else replace(section, build=replace(build, on=None, cache=()))

    return replace(
        project,
        services=tuple(map(here, project.services)),
        dependencies=tuple(map(here, project.dependencies)),
    )


def _refuse_outside(service: Service, files: Checkout) -> None:
    """Refuse a build whose paths lead out of the commit's files, by themselves or by a link.

    They come from a record on the server, which others who may use its engine can write: the files of this machine are
    not for them to send.

    Raises:
        BuildFailed: One does.
    """
    build, folder = service.build, files.folder
    if build is None:
        return
    context = folder / build.context
    paths = {"context": context, "dockerfile": context / build.dockerfile}
    paths |= {
        f"secret {secret.id}": folder / secret.file for secret in build.secrets if secret.file is not None
    }
    for name, path in paths.items():
        if not path.resolve().is_relative_to(files.top.resolve()):
            given = (
                path if path.is_absolute() and not path.is_relative_to(folder) else path.relative_to(folder)
            )
            raise BuildFailed(
                f"{service.name} cannot be rebuilt: its {name} `{given}` is outside the commit's files",
                hint=f"`git checkout` the commit and {ftl('deploy')} build it with the files of this machine",
            )


@dataclass(frozen=True, slots=True)
class Checkout:
    """The files of a commit.

    Attributes:
        folder: The one in it that `root` is in the repository.
    """

    top: Path
    folder: Path


@asynccontextmanager
async def checkout(root: Path, commit: str) -> AsyncIterator[Checkout]:
    """The files of a commit in a temporary folder, with a separate index.

    The repository does not know of it, as it would of a worktree: what a killed process leaves is the folder, which the
    next one removes. It is the working tree of git's command: attributes (line ends, filters) are the commit's.
    """
    prefix = await _git(root, commit, "rev-parse", "--show-prefix")
    repository = Path(await _git(root, commit, "rev-parse", "--show-toplevel"))
    with private_folder("ftl-rebuild-") as temporary:
        top = temporary / "files"
        index = temporary / "index"
        await _git(repository, commit, "read-tree", commit, index=index)
        top.mkdir()
        await _git(repository, commit, f"--work-tree={top}", "checkout-index", "--all", index=index)
        yield Checkout(top, top / prefix)


async def _git(root: Path, commit: str, *arguments: str, index: Path | None = None) -> str:
    env = {**os.environ, **({"GIT_INDEX_FILE": str(index)} if index is not None else {})}
    try:
        done = await complete(["git", "-C", str(root), *arguments], seconds=_GIT_SECONDS, env=env, cwd=root)
    except (OSError, TimeoutError) as error:
        raise BuildFailed(f"commit {commit[:12]} cannot be checked out", cause=str(error)) from error
    done.require(
        f"commit {commit[:12]} cannot be checked out",
        hint="run it in a checkout of the repository that has the commit: `git fetch` may bring it",
        error=BuildFailed,
    )
    return done.text.strip()
