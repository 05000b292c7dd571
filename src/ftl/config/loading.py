"""ftl.yaml -> Project: parse, merge overlays, read, check; all problems in one error.

Every node of a parsed file knows its file, and every variable the file that it was read from. What adds a kind of file
(an overlay, a source of secrets) therefore adds nodes or variables here, and no step behind this one changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.secret_texts import SecretTexts
from ftl.config.cross_checks import check, check_servers
from ftl.config.models.project import Project
from ftl.config.project_files import ProjectFiles, base_name, merged_file, removed_items
from ftl.config.read.interpolator import Interpolator
from ftl.config.read.parts import ADDRESS, ALL_SECRETS, WHOLE, Fetch, Parts
from ftl.config.read.problems import Problems
from ftl.config.read.reader import Reader
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.config.secrets import ProjectSecrets
from ftl.config.server_choice import narrowed, server_locations, with_server
from ftl.config.variables.interpolation import MASK, unresolved_parts
from ftl.config.yaml.locations import Locations
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from ftl.config.models.server import ClusterServer, Server
    from ftl.config.variables.sources import Variables
    from ftl.config.yaml.locations import KeyPath
    from ftl.config.yaml.tree import MappingNode


def load(
    files: ProjectFiles,
    *,
    server: Server | None = None,
    sandbox_servers: Sequence[ClusterServer] = (),
    fetch: Fetch | None = ALL_SECRETS,
    known: Mapping[str, str] | None = None,
) -> Project:
    """Read a project.

    The server replaces that of the file; `sandbox_servers`, the servers of a sandbox that has several, take the places
    of the file's `servers` in turn. A secret that is not in `fetch` has a placeholder for its value; one of which the
    value is `known` is not fetched again.

    Returns:
        The project with defaults added and short forms expanded. Every value in it is valid.

    Raises:
        ConfigError: With all problems, in the order of the files.
    """
    root, secrets, problems = _root(files)
    source = secrets.source(problems, fetch=fetch, known=known)
    reader = _reader(files, problems, secrets.variables(source))
    reader.secrets = tuple(secrets.declared)
    reader.removed = removed_items(files)
    project = _project(files, reader, root, server, sandbox_servers)
    volumes = named_volumes(project)
    return replace(
        with_built_names(project),
        secret_users=secrets.used_by,
        secret_values={name: variable.value for name, variable in source.items() if variable.value != MASK},
        secret_texts=secret_texts(project, reader.unresolved),
        secret_words=secret_words(reader.unresolved, reader.commands),
        volumes=volumes,
        masked=reader.masked,
    )


def load_address(
    files: ProjectFiles, *, server: Server | None = None, sandbox_servers: Sequence[ClusterServer] = ()
) -> Project:
    """Read no more of a project than its name, its server and whether it is protected.

    Commands that go by what is deployed need nothing else, and no variable that is not set must stop a rollback. The
    domain is read only where it is the server's address.

    Raises:
        ConfigError: The file cannot be parsed, or one of these is wrong.
    """
    problems = Problems()
    root = merged_file(files, problems, ADDRESS.sections)
    by_domain = server is None and not _names_server(files, root)
    parts = ADDRESS | {"project.domain"} if by_domain else ADDRESS
    return _read_parts(files, root, problems, parts, server, sandbox_servers)


def _names_server(files: ProjectFiles, root: MappingNode) -> bool:
    """Whether a file has a server, if only in a variable that is not set; without one it is the domain."""
    parts, problems = Parts(frozenset({"server.host", "servers.host"})), Problems()
    project = _reader(files, problems, files.variables, parts).section(Project, root, ())
    return bool(project.servers or project.server.host or problems.sorted())


def load_parts(files: ProjectFiles, parts: Parts, *, server: Server | None = None) -> Project:
    """Read parts of a project; all else in it has its default, or is empty.

    Every value that is read is valid. A server that another one replaces is not read. Nor are secrets: they are
    variables that are not set.

    Raises:
        ConfigError: The file cannot be parsed, or one of the parts is wrong.
    """
    problems = Problems()
    root = merged_file(files, problems, parts.sections)
    return _read_parts(files, root, problems, parts, server)


def _read_parts(
    files: ProjectFiles,
    root: MappingNode,
    problems: Problems,
    parts: Parts,
    server: Server | None,
    sandbox_servers: Sequence[ClusterServer] = (),
) -> Project:
    parts = parts if server is None else parts.without("server")
    reader = _reader(files, problems, files.variables, parts)
    return _project(files, reader, root, server, sandbox_servers, check_servers)


def load_section(files: ProjectFiles, key: str) -> Project:
    """Read no more of a project than one key, and fetch no more than the secrets in it.

    A rollback goes by what is deployed, and must not wait for `notify` before it begins.

    Raises:
        ConfigError: The file cannot be parsed, or the section is wrong.
    """
    problems, parts = Problems(), Parts(frozenset({key}))
    root = merged_file(files, problems, (key, "secrets"))
    secrets = ProjectSecrets(root, files.folder, files.variables, only=Fetch(parts))
    variables = secrets.variables(secrets.source(problems, fetch=ALL_SECRETS))
    read = _reader(files, problems, variables, parts).section(Project, root, ())
    problems.raise_found()
    return read


def load_secrets(files: ProjectFiles) -> ProjectSecrets:
    """Read no more of a project than its secrets.

    A secret can be set before anything else in the file is complete: a `${NAME}` that has no value yet, for example.

    Raises:
        ConfigError: The file cannot be parsed, or its secrets are wrong.
    """
    problems = Problems()
    secrets = ProjectSecrets(merged_file(files, problems), files.folder, files.variables, problems)
    problems.raise_found()
    return secrets


def _root(files: ProjectFiles) -> tuple[MappingNode, ProjectSecrets, Problems]:
    """The merged file with its secrets, and the problems so far.

    Which lines of .env have no value is known with the secrets.
    """
    problems, found = Problems(), Problems()
    try:
        root = merged_file(files, found)
    except ConfigError as error:
        problems.extend((*files.variables.problems, *error.problems))
        raise ConfigError(problems.sorted()) from error.__cause__
    secrets = ProjectSecrets(root, files.folder, files.variables)
    problems.extend((*secrets.variables({}).problems, *found.sorted()))
    return root, secrets, problems


def _reader(files: ProjectFiles, problems: Problems, variables: Variables, parts: Parts = WHOLE) -> Reader:
    return Reader(Interpolator(variables, problems), files.folder, SHORT_FORMS, parts)


def _project(
    files: ProjectFiles,
    reader: Reader,
    root: MappingNode,
    server: Server | None,
    sandbox_servers: Sequence[ClusterServer],
    check: Callable[[Project, Reader], None] = check,
) -> Project:
    """The checked project, with its server and the name of its environment.

    Raises:
        ConfigError: There are problems.
    """
    read = reader.section(Project, root, ())
    project = with_server(read, server)
    check(project, reader)
    reader.interpolator.problems.raise_found()
    project = narrowed(project, server, sandbox_servers)
    locations = (
        reader.locations
        if server is None
        else server_locations(reader.locations, with_server(read, None), project)
    )
    return replace(
        project,
        locations=Locations(locations),
        environment=files.environment,
        preview_of=base_name(files) if files.preview else "",
    )


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
