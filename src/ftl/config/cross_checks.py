"""Cross-field validation: duplicate names and routes, missing files, conflicting settings.

The checks see only what was read: a value that is invalid by itself has been reported, and its default is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.files import regular_file_size
from ftl.common.next_step import ftl
from ftl.config.checks import containers, names, outside, placement, routing, services
from ftl.config.checks.context import Checks
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Build, Project
    from ftl.config.read.reader import Reader
    from ftl.config.yaml.locations import KeyPath
    from ftl.errors import Problem


RELATIVE = "its path is relative to ftl.yaml"


def check(project: Project, reader: Reader) -> None:
    """Report everything that is wrong with a project as a whole, as far as it was read."""
    checks = Checks(project, reader)
    names.names(checks)
    names.start_order(checks)
    routing.routes(checks)
    routing.forwards(checks)
    routing.server(checks)
    placement.servers(checks)
    placement.services(checks)
    placement.dependencies(checks)
    routing.proxy(checks)
    routing.redirects(checks)
    outside.registries(checks)
    names.jobs(checks)
    names.backups(checks)
    outside.notifications(checks)
    for index, service in enumerate(project.services):
        path: KeyPath = ("services", index)
        services.service(checks, service, path)
        services.build(checks, service, (*path, "build"))
        containers.mounts(checks, service, path)
        containers.container(checks, service, path)
    for index, dependency in enumerate(project.dependencies):
        services.build(checks, dependency, ("dependencies", index, "build"))
        containers.mounts(checks, dependency, ("dependencies", index))
        containers.container(checks, dependency, ("dependencies", index))


def check_servers(project: Project, reader: Reader) -> None:
    """Report mistakes in the list of servers, where only parts of the file are read."""
    checks = Checks(project, reader)
    routing.server(checks)
    placement.servers(checks)


def check_secret_files(project: Project, root: Path) -> None:
    """Check that the files of secrets exist: of those that something uses, and of builds.

    Nothing is read or decrypted, and no command runs. Another environment may use files that are not here.

    Raises:
        ConfigError: One is missing, or is not a regular file.
    """
    problems: list[Problem] = []
    for index, source in enumerate(project.secrets):
        file = source.file or source.age
        message = _unreadable(root, file) if file and source.name in project.secret_users else ""
        if file and message:
            kind = "file" if source.file else "age"
            hint = RELATIVE if source.file else f"{ftl(f'secrets set {source.name}')} creates it"
            text = f"the secret {source.name}: {message}"
            problems.append(project.locations.problem(text, "secrets", index, kind, hint=hint))
    items: list[tuple[str, int, Build | None]] = [
        *(("services", index, service.build) for index, service in enumerate(project.services)),
        *(("dependencies", index, each.build) for index, each in enumerate(project.dependencies)),
    ]
    for section, index, build in items:
        for number, secret in enumerate(build.secrets if build else ()):
            message = _unreadable(root, secret.file) if secret.file else ""
            if message:
                path: KeyPath = (section, index, "build", "secrets", number, "file")
                problems.append(project.locations.problem(f"secrets: {message}", *path, hint=RELATIVE))
    if problems:
        raise ConfigError(problems)


def _unreadable(root: Path, file: str) -> str:
    try:
        regular_file_size(root / file)
    except FileNotFoundError:
        return f"there is no file {file}"
    except OSError as error:
        return f"{file} cannot be read: {error.strerror}"
    return ""
