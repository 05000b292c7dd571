"""Inputs of a plan that do not come from the server: built images, TLS files, author."""

from __future__ import annotations

import getpass
import os
import platform as this_platform
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl import __version__
from ftl.aio import gather, gather2
from ftl.common.next_step import ftl
from ftl.common.redact import keep_commits
from ftl.deploy.builders import build_services, builder_of
from ftl.deploy.names import dependency_tag
from ftl.deploy.origin import git_origin, git_subject
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.request import Author
from ftl.engine.local import local_url
from ftl.errors import UsageError
from ftl.events import Note
from ftl.image.building.diagnosis.build_record import load_record, record_path
from ftl.image.identity import content_id, git_commit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.project import Project, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit
    from ftl.host.session import Session


async def built_images(
    project: Project,
    names: Sequence[str],
    *,
    root: Path,
    platform: str,
    emit: Emit,
    build: bool = True,
    builders: Mapping[str, Session] | None = None,
    env_folder: Path | None = None,
    commit: str | None = None,
) -> dict[str, BuiltImage]:
    """Build the images of services and dependencies, or find those of the last build.

    Those of dependencies get a tag with their content, see `with_built_dependencies`. Without names, all services
    are built. `builders` has the session of each machine that the project's builds name, by the value of `build.on`;
    `env_folder` and `commit` are as of `build_services`.

    Raises:
        UsageError: There is no built image and `build` is false.
        BuildFailed: An image could not be built.
    """
    services = buildable(project, names)
    if not services:
        return {}
    async with AsyncExitStack() as stack:
        engines = {place: session.engine for place, session in (builders or {}).items()}
        if any(not builder_of(service) for service in services):
            from ftl.engine.api import Engine  # loaded while ssh connects

            engines[""] = await stack.enter_async_context(Engine(local_url(), name="this machine"))
        if build:
            built = await build_services(
                project,
                services,
                engines,
                root=root,
                platform=platform,
                emit=emit,
                env_folder=env_folder,
                commit=commit,
            )
            images = {
                service.name: BuiltImage(
                    built[service.name].image.id, built[service.name].content_id, builder_of(service)
                )
                for service in services
            }
        else:
            builds = await gather(
                last_build(project, service, engines[builder_of(service)], root=root, emit=emit)
                for service in services
            )
            images = {service.name: image for service, image in zip(services, builds, strict=True)}
        for dependency in project.built_dependencies:
            image = images[dependency.name]
            tag = dependency_tag(project.name, dependency.name, image.content)
            await engines[image.on].tag(image.id, tag)
        return images


def buildable(project: Project, names: Sequence[str]) -> list[Service]:
    """The services and dependencies with a `build`; of the services those named, all if none is.

    Raises:
        UsageError: The project has no service of a name.
    """
    selected = project.select_services(tuple(names))
    return [*(service for service in selected if service.build is not None), *project.built_dependencies]


def with_built_dependencies(project: Project, images: Mapping[str, BuiltImage]) -> Project:
    """Name the built images of dependencies by their content.

    A dependency is replaced when its image has another name, so one that is built again with the same content goes on.
    """
    dependencies = tuple(
        replace(
            dependency, image=dependency_tag(project.name, dependency.name, images[dependency.name].content)
        )
        if dependency.build is not None
        else dependency
        for dependency in project.dependencies
    )
    return replace(project, dependencies=dependencies)


async def last_build(
    project: Project, service: Service, engine: Engine, *, root: Path, emit: Emit
) -> BuiltImage:
    """The image of a service's last build; a warning where another folder built it.

    Folders with the same `project.name` share the tag.

    Raises:
        UsageError: There is none.
    """
    image = await engine.image(f"{project.name}-{service.name}:latest")
    if image is None:
        raise UsageError(
            f"there is no built image of {service.name} on {engine.name}",
            hint=f"leave out --no-build, or run {ftl('build')} first",
        )
    content = content_id(image)
    record = load_record(record_path(root, service.name))
    if record is not None and record.content != content:
        text = f"{project.name}-{service.name}:latest was built after the last build here, in another folder"
        emit(
            Note(text, "warning", hint="folders with the same `project.name` share it: leave out --no-build")
        )
    return BuiltImage(image.id, content, builder_of(service))


async def author(root: Path) -> Author:
    """Author of the release: user, machine, commit (never redacted then) and repository."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    (commit, subject), origin = await gather2(
        gather2(git_commit(root, os.environ), git_subject(root, os.environ)), git_origin(root, os.environ)
    )
    keep_commits([commit])
    return Author(f"{user}@{this_platform.node()}", commit, __version__, time.time(), origin, subject)
