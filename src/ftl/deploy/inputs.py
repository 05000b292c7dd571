"""Inputs of a plan that come from this machine: built images, TLS files, author."""

from __future__ import annotations

import getpass
import os
import platform as this_platform
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl import __version__
from ftl.aio import gather, gather2
from ftl.deploy.names import dependency_tag
from ftl.deploy.origin import git_origin, git_subject
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.request import Author
from ftl.engine.local import local_url
from ftl.errors import UsageError
from ftl.events import Note
from ftl.image.building.build_record import load_record, record_path
from ftl.image.building.parallel import build_images
from ftl.image.identity import content_id, git_commit
from ftl.image.registry.build_logins import build_logins
from ftl.image.registry.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ftl.config import Project, Service
    from ftl.engine.api import Engine
    from ftl.events import Emit


async def built_images(
    project: Project,
    names: Sequence[str],
    *,
    root: Path,
    platform: str,
    emit: Emit,
    build: bool = True,
) -> dict[str, BuiltImage]:
    """Build the images of services and dependencies here, or find those of the last build.

    Those of dependencies get a tag with their content, see `with_built_dependencies`.

    Args:
        project: The project.
        names: Its services to build; empty for all.
        root: Folder of ftl.yaml.
        platform: The server's: "linux/amd64".
        emit: Receives progress events.
        build: Build; otherwise find those of the last build.

    Raises:
        UsageError: There is no built image and `build` is false.
        BuildFailed: An image could not be built.
    """
    selected = project.select_services(tuple(names))
    services = [service for service in selected if service.build is not None]
    services += project.built_dependencies
    if not services:
        return {}
    from ftl.engine.api import Engine  # loaded while ssh connects

    async with Engine(local_url(), name="this machine") as engine:
        if not build:
            found = await gather(
                last_build(project, service, engine, root=root, emit=emit) for service in services
            )
            last = {service.name: image for service, image in zip(services, found, strict=True)}
            await _tag_dependencies(engine, project, last)
            return last
        keyring = Keyring(project.registries, root=root, environ=os.environ)
        async with build_logins(
            services, project.registries, keyring, root=root, environ=os.environ
        ) as docker_config:
            built = await build_images(
                project,
                services,
                root=root,
                engine=engine,
                platform=platform,
                emit=emit,
                docker_config=docker_config,
            )
        images = {name: BuiltImage(result.image.id, result.content_id) for name, result in built.items()}
        await _tag_dependencies(engine, project, images)
        return images


async def _tag_dependencies(engine: Engine, project: Project, images: Mapping[str, BuiltImage]) -> None:
    for dependency in project.built_dependencies:
        image = images[dependency.name]
        await engine.tag(image.id, dependency_tag(project.name, dependency.name, image.content))


def with_built_dependencies(project: Project, images: Mapping[str, BuiltImage]) -> Project:
    """Name the built images of dependencies by their content.

    A dependency is replaced when its image has another name, so one that is built again with the same content goes on.

    Args:
        project: The project.
        images: What `built_images` returned.
    """
    dependencies = tuple(
        replace(one, image=dependency_tag(project.name, one.name, images[one.name].content))
        if one.build is not None
        else one
        for one in project.dependencies
    )
    return replace(project, dependencies=dependencies)


async def last_build(
    project: Project, service: Service, engine: Engine, *, root: Path, emit: Emit
) -> BuiltImage:
    """The image of a service's last build here; a warning where another folder built it.

    Folders with the same `project.name` share the tag.

    Raises:
        UsageError: There is none.
    """
    image = await engine.image(f"{project.name}-{service.name}:latest")
    if image is None:
        raise UsageError(
            f"there is no built image of {service.name} on this machine",
            hint="leave out --no-build, or run `ftl build` first",
        )
    content = content_id(image)
    record = load_record(record_path(root, service.name))
    if record is not None and record.content != content:
        text = f"{project.name}-{service.name}:latest was built after the last build here, in another folder"
        emit(
            Note(text, "warning", hint="folders with the same `project.name` share it: leave out --no-build")
        )
    return BuiltImage(image.id, content)


async def author(root: Path) -> Author:
    """Author of the release: user, machine, commit and repository."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "someone"
    (commit, subject), origin = await gather2(
        gather2(git_commit(root, os.environ), git_subject(root, os.environ)), git_origin(root, os.environ)
    )
    return Author(f"{user}@{this_platform.node()}", commit, __version__, time.time(), origin, subject)
