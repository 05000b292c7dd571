"""The project of a command: its ftl.yaml and its server."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from ftl.cli.project_file import find_file
from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.config.loading import ProjectFiles
    from ftl.config.models.notification import Notification
    from ftl.config.models.project import Project

PREVIEW_PREFIX = "preview/"
"""Beginning of the value of -e that names a preview."""


class LoadedProject(NamedTuple):
    """A project and its surroundings.

    Attributes:
        root: The folder of the file: what relative paths in it start from.
        address: The server of the project, or that of --server.
    """

    project: Project
    root: Path
    address: Address


def load_project(
    options: Options, *, changes: bool = False, fetch: bool = True, show_secrets: bool = False
) -> LoadedProject:
    """Read the project's file and environment, with --server in place of its server.

    A command that `changes` the server needs a protected environment by -e; one that does not `fetch` the values of
    secrets gets placeholders; and only one that prints them does not have them redacted.

    Raises:
        UsageError: There is no such file or environment, or --server is not an address.
        ConfigError: The file is wrong.
    """
    from ftl.cli.address import resolve
    from ftl.config.loading import load

    files = find_project_files(options)
    given = resolve(options.server) if options.server is not None else None
    project = load(
        files,
        server=given.server if given is not None else None,
        stand_ins=given.stand_ins if given is not None else (),
        fetch=fetch,
    )
    if not show_secrets and (project.secret_values or project.notify):
        from ftl.common.redact import redact

        redact([*project.secret_values.values(), *(one.url for one in project.notify)])
    if changes:
        _require_spelled_out(project, options)
    return LoadedProject(project, files.folder, _address(project, given))


def load_notifications(options: Options) -> tuple[Notification, ...]:
    """Read no more of the project's file than `notify`, with the secrets in it.

    Raises:
        UsageError: There is no such file or environment.
        ConfigError: `notify` is wrong.
    """
    from ftl.config import loading

    return loading.load_notifications(find_project_files(options))


def find_project_files(options: Options, *, previews: bool = False) -> ProjectFiles:
    """Find the file of a project with its environment, or with all `previews` in place of it.

    Raises:
        UsageError: There is no such file or environment.
    """
    from pathlib import Path

    path = Path(find_file(options.file))
    return (_all_previews(path) if previews else find_environment(options, path)).files(path)


class SelectedEnvironment(NamedTuple):
    """The environment of a command.

    Attributes:
        preview: Whether it is a preview, whose overlay is ftl.preview.yaml.
    """

    name: str = ""
    preview: bool = False

    def files(self, path: Path) -> ProjectFiles:
        """The files for this environment of an ftl.yaml; `${FTL_ENV}` is its name."""
        from ftl.config.loading import ProjectFiles
        from ftl.config.models.project import PREVIEW
        from ftl.config.variables.sources import env_files, read_variables

        environ = {**os.environ, **({"FTL_ENV": self.name} if self.name else {})}
        names = env_files(PREVIEW if self.preview else self.name)
        variables = read_variables(path.resolve().parent, environ, names)
        return ProjectFiles(path, variables, self.name, self.preview)


def find_environment(options: Options, path: Path) -> SelectedEnvironment:
    """The environment that -e or $FTL_ENV names; `preview/NAME` is a preview.

    Raises:
        UsageError: There is no such environment: no overlay of that name beside the file; or the name of a preview
            cannot be part of a host name.
    """
    from ftl.common.suggestions import closest_match
    from ftl.config.loading import overlay_path

    variable = os.environ.get("FTL_ENV", "")
    name = options.env if options.env is not None else variable
    if not name:
        return SelectedEnvironment()
    if name.startswith(PREVIEW_PREFIX):
        return _preview(name.removeprefix(PREVIEW_PREFIX), path)
    if "/" not in name and overlay_path(path, name).is_file():
        return SelectedEnvironment(name)
    files = path.parent.glob(overlay_path(path, "*").name)
    known = sorted(file.name.removeprefix(f"{path.stem}.").removesuffix(path.suffix) for file in files)
    match = closest_match(name, known)
    hint = f"did you mean `{match}`?" if match else f"the environments here are {', '.join(known)}"
    new = f"create {overlay_path(path, name).name} beside {path.name}" if "/" not in name else None
    raise UsageError(
        f"there is no environment `{name}`",
        cause="it is the value of $FTL_ENV" if options.env is None else None,
        hint=hint if known else new,
    )


def _preview(name: str, path: Path) -> SelectedEnvironment:
    from ftl.config.loading import overlay_path

    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        fixed = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
        raise UsageError(
            f"`{name}` cannot be the name of a preview, which is part of its host name: "
            "a-z, 0-9 and - between them, at most 40 characters",
            hint=f"`{fixed}` can" if fixed else None,
        )
    previews = _all_previews(path)
    if overlay_path(path, name).is_file():
        raise UsageError(
            f"`{name}` is an environment: there is {overlay_path(path, name).name}",
            hint="give the preview another name",
        )
    return previews._replace(name=name)


def _all_previews(path: Path) -> SelectedEnvironment:
    """What previews have in common, under a name that none of them can have: that of their overlay.

    Raises:
        UsageError: There is no overlay for previews.
    """
    from ftl.config.loading import overlay_path
    from ftl.config.models.project import PREVIEW

    overlay = overlay_path(path, PREVIEW)
    if not overlay.is_file():
        raise UsageError(
            f"previews need {overlay.name} beside {path.name}: what is different in them, at least the domain",
            hint='write `project: {domain: "${FTL_ENV}.preview.example.com"}` into it, with a domain of yours',
        )
    return SelectedEnvironment(PREVIEW, preview=True)


def _require_spelled_out(project: Project, options: Options) -> None:
    if project.protected and project.environment and options.env is None:
        raise UsageError(
            f"the environment {project.environment} is protected, and was not given on the command line",
            cause="it is the value of $FTL_ENV",
            hint=f"add `-e {project.environment}` to change it",
        )


class DeployedProject(NamedTuple):
    """A deployed project and its surroundings.

    Attributes:
        root: The folder of ftl.yaml, or the current one.
        address: The server of the project, or that of --server.
        environment: Name of its environment; empty: none, or not known (--project).
        preview_of: For a preview, the project's name in ftl.yaml itself; else empty.
    """

    project: str
    root: Path
    address: Address
    environment: str = ""
    has_file: bool = True
    preview_of: str = ""


project_option = click.option(
    "--project", metavar="NAME", help="With --server: this project there, without its ftl.yaml."
)


def load_target(
    options: Options, name: str | None, *, changes: bool = False, previews: bool = False
) -> DeployedProject:
    """Find a deployed project by its file, or by --server and --project (`name`).

    Of the file only the project's name and its server are read. With `previews`, all previews are meant, in place of
    the environment that the options name.

    Raises:
        UsageError: There is no such file or environment, --project without --server, or --server is not an address.
        ConfigError: The file is wrong.
    """
    from pathlib import Path

    from ftl.cli.address import resolve
    from ftl.config.loading import load_address

    given = resolve(options.server) if options.server is not None else None
    if name is not None:
        if given is None:
            raise UsageError("--project needs the server that it is on", hint="add `--server HOST`")
        return DeployedProject(name, Path.cwd(), given, has_file=False)
    files = find_project_files(options, previews=previews)
    project = load_address(
        files,
        server=given.server if given else None,
        stand_ins=given.stand_ins if given else (),
    )
    if changes:
        _require_spelled_out(project, options)
    return DeployedProject(
        project.name, files.folder, _address(project, given), files.environment, preview_of=project.preview_of
    )


def _address(project: Project, given: Address | None) -> Address:
    """The address of --server, else of the file; a server of a cluster keeps its keys of the file."""
    from ftl.cli.address import Address

    if given is not None and given.stand_ins and project.is_cluster:
        return replace(given, server=project.server, servers=project.servers)
    if given is None or project.is_cluster:
        return Address(project.server, project.servers, project.is_cluster and given is not None)
    return given
