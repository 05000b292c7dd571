"""The project of a command: its ftl.yaml and its server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import click

from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.config import Project

FILE = "ftl.yaml"


class LoadedProject(NamedTuple):
    """A project and its surroundings.

    Attributes:
        project: The resolved ftl.yaml.
        root: The folder of the file: what relative paths in it start from.
        address: The server of the project, or that of --server.
    """

    project: Project
    root: Path
    address: Address


def load_project(options: Options) -> LoadedProject:
    """Read the project's file, with --server in place of its server.

    Raises:
        UsageError: There is no such file, or --server is not an address.
        ConfigError: The file is wrong.
    """
    from pathlib import Path

    from ftl.cli.address import Address, resolve
    from ftl.config import load, read_variables

    path = Path(find_file(options.file))
    given = resolve(options.server) if options.server is not None else None
    variables = read_variables(path.resolve().parent, os.environ)
    project = load(path, variables=variables, server=given.server if given is not None else None)
    return LoadedProject(project, path.resolve().parent, given or Address(project.server))


class Target(NamedTuple):
    """A deployed project and its surroundings.

    Attributes:
        project: Its name.
        root: The folder of ftl.yaml, or the current one.
        address: The server of the project, or that of --server.
    """

    project: str
    root: Path
    address: Address


project_option = click.option(
    "--project", metavar="NAME", help="With --server: this project there, without its ftl.yaml."
)


def load_target(options: Options, name: str | None) -> Target:
    """Find a deployed project by its file, or by --server and --project.

    Of the file only the project's name and its server are read.

    Args:
        options: The global options.
        name: The value of --project.

    Raises:
        UsageError: There is no such file, --project without --server, or --server is not an address.
        ConfigError: The file is wrong.
    """
    from pathlib import Path

    from ftl.cli.address import Address, resolve
    from ftl.config import load_address, read_variables

    given = resolve(options.server) if options.server is not None else None
    if name is not None:
        if given is None:
            raise UsageError("--project needs the server that it is on", hint="add `--server HOST`")
        return Target(name, Path.cwd(), given)
    path = Path(find_file(options.file))
    folder = path.resolve().parent
    variables = read_variables(folder, os.environ)
    project, server = load_address(path, variables=variables, server=given.server if given else None)
    return Target(project, folder, given or Address(server))


def find_file(given: str | None) -> str:
    """Path of the project's file: the given one, or the nearest ftl.yaml here or above.

    Raises:
        UsageError: There is none.
    """
    if given is not None:
        if os.path.isdir(given):  # noqa: PTH112 - pathlib would cost this path 5 ms
            return find_file(os.path.join(given, FILE))  # noqa: PTH118
        if not os.path.exists(given):  # noqa: PTH110
            raise UsageError(f"there is no file `{given}`")
        return given
    folder = os.getcwd()  # noqa: PTH109
    while True:
        path = os.path.join(folder, FILE)  # noqa: PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return os.path.relpath(path)
        parent = os.path.dirname(folder)  # noqa: PTH120
        if parent == folder:
            raise UsageError(
                f"there is no {FILE} here or in any folder above",
                hint="`ftl init` creates one; `-f FILE` uses a file in another place",
            )
        folder = parent
