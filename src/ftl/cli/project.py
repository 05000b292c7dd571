"""The project of a command: its ftl.yaml and its server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from ftl.cli.environments import all_previews, find_environment
from ftl.cli.next_step import server_found
from ftl.cli.project_file import find_file
from ftl.config.read.parts import ALL_SECRETS, Fetch, secrets_of
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from ftl.cli.address import Address
    from ftl.cli.options import Options
    from ftl.config.models.project import Project
    from ftl.config.project_files import ProjectFiles
    from ftl.config.read.parts import Parts
    from ftl.deploy.command_line import GivenCommand
    from ftl.deploy.operation import OperationRequest


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
    options: Options,
    *,
    changes: bool = False,
    fetch: Fetch | None = ALL_SECRETS,
    known: Mapping[str, str] | None = None,
    show_secrets: bool = False,
) -> LoadedProject:
    """Read the project's file and environment, with --server in place of its server.

    A command that `changes` the server needs a protected environment by -e. Secrets that it is not to `fetch` are
    placeholders, and values that are `known` are not fetched again. Only a command that prints secrets does not have
    them redacted.

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
        sandbox_servers=given.sandbox_servers if given is not None else (),
        fetch=fetch,
        known=known,
    )
    if not show_secrets and (project.secret_values or project.notify):
        from ftl.common.redact import redact

        redact([*project.secret_values.values(), *(one.url for one in project.notify)])
    if changes:
        _require_spelled_out(project, options)
    return LoadedProject(project, files.folder, _address(project, given))


def completed_by(
    options: Options, project: Project, services: Collection[str]
) -> Callable[[Collection[str]], Project]:
    """Make the function that fetches the secrets of further dependencies. It blocks."""

    def complete(dependencies: Collection[str]) -> Project:
        fetch = secrets_of([*services, *dependencies])
        return load_project(options, fetch=fetch, known=project.secret_values).project

    return complete


def load_section(options: Options, key: str) -> Project:
    """Read no more of the project's file than one key at its top, with the secrets in it.

    Raises:
        UsageError: There is no such file or environment.
        ConfigError: The section is wrong.
    """
    from ftl.config import loading

    return loading.load_section(find_project_files(options), key)


def fetch_secrets(options: Options, names: Collection[str]) -> dict[str, str]:
    """Fetch those of these secrets that the project's file declares.

    Their values are redacted from then on.

    Raises:
        UsageError: There is no such file or environment.
        ConfigError: The file's secrets are wrong.
        FtlError: One of them has no value.
    """
    from ftl.common.redact import redact
    from ftl.config.loading import load_secrets

    secrets = load_secrets(find_project_files(options))
    values = secrets.fetch_all([secret for secret in secrets.declared.values() if secret.name in names])
    redact(values.values())
    return values


def find_project_files(options: Options, *, previews: bool = False) -> ProjectFiles:
    """Find the file of a project with its environment, or with all `previews` in place of it.

    Raises:
        UsageError: There is no such file or environment.
    """
    from pathlib import Path

    path = Path(find_file(options.file))
    return (all_previews(path) if previews else find_environment(options, path)).files(path)


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

    @property
    def is_cluster(self) -> bool:
        """Whether the command is about all servers of a cluster."""
        return bool(self.address.servers) and not self.address.narrowed

    @property
    def bare_project(self) -> Project:
        """The project with its name and servers alone, for commands that need no more."""
        from ftl.config.models.project import Project

        return Project.bare(self.project, self.address.server, self.address.servers)

    def request(self, command: GivenCommand) -> OperationRequest:
        """An operation on it by a command."""
        from ftl.deploy.operation import OperationRequest

        server, servers, backend = self.address.server, self.address.servers, self.address.backend
        return OperationRequest(self.project, server, self.root, backend, command, servers=servers)


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
        sandbox_servers=given.sandbox_servers if given else (),
    )
    if changes:
        _require_spelled_out(project, options)
    return DeployedProject(
        project.name, files.folder, _address(project, given), files.environment, preview_of=project.preview_of
    )


def load_target_parts(options: Options, target: DeployedProject, parts: Parts) -> Project:
    """Read parts of the file of a target that has one; the servers are the target's.

    Raises:
        ConfigError: One of the parts is wrong.
    """
    from ftl.config.loading import load_parts

    project = load_parts(find_project_files(options), parts, server=target.address.server)
    return replace(project, servers=target.address.servers)


def _address(project: Project, given: Address | None) -> Address:
    """The address of a project, which next steps use, too."""
    address = _chosen_address(project, given)
    server_found(address.given, one_of_several=address.narrowed)
    return address


def _chosen_address(project: Project, given: Address | None) -> Address:
    """The address of --server, else of the file; a server of a cluster keeps its keys of the file."""
    from ftl.cli.address import Address

    if given is not None and given.sandbox_servers and project.is_cluster:
        return replace(given, server=project.server, servers=project.servers)
    if given is None or project.is_cluster:
        return Address(project.server, project.servers, project.is_cluster and given is not None)
    return given
