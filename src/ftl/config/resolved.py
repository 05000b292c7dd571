"""Values made of a whole project: names of images and volumes, texts with secrets in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.secret_texts import SecretTexts
from ftl.config.variables.interpolation import unresolved_parts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl.config.models.project import Project
    from ftl.config.yaml.locations import KeyPath


def secret_texts(project: Project, unresolved: Mapping[KeyPath, str]) -> dict[str, SecretTexts]:
    """Service -> its texts with secrets in them: those that its containers get as env and files."""
    found: dict[str, SecretTexts] = {}
    for index, service in enumerate(project.services):
        path = ("services", index)
        env = {name: unresolved.get((*path, "env", name), "") for name in service.env}
        files = {
            file.path: unresolved.get((*path, "files", n, "content"), "")
            for n, file in enumerate(service.files)
        }
        texts = SecretTexts(
            {name: unresolved_parts(text) for name, text in env.items() if text},
            {name: unresolved_parts(text) for name, text in files.items() if text},
        )
        if texts.names:
            found[service.name] = texts
    return found


def secret_words(
    unresolved: Mapping[KeyPath, str], commands: Collection[KeyPath]
) -> dict[KeyPath, tuple[str, ...]]:
    """Words of commands, and commands that are one text, with the names of the secrets in them."""
    return {
        path: tuple(dict.fromkeys(unresolved_parts(text)[1::2]))
        for path, text in unresolved.items()
        if path in commands or path[:-1] in commands
    }


def with_built_names(project: Project) -> Project:
    """The project with the name that a build gives the image of a dependency."""
    dependencies = tuple(
        replace(dependency, image=f"{project.name}-{dependency.name}:latest")
        if dependency.build is not None
        else dependency
        for dependency in project.dependencies
    )
    return replace(project, dependencies=dependencies)


def named_volumes(project: Project) -> tuple[str, ...]:
    """All named volumes that are listed or used, sorted."""
    mounts = [mount for service in project.services for mount in service.mounts]
    mounts += [mount for dependency in project.dependencies for mount in dependency.mounts]
    return tuple(sorted({*project.volumes, *(mount.source for mount in mounts if mount.is_named)}))
