"""ftl.yaml -> Project: parse, merge overlays, read, check; all problems in one error.

Every node of a parsed file knows its file, and every variable the file that it was read from. What adds a kind of file
(an overlay, a source of secrets) therefore adds nodes or variables here, and no step behind this one changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from ftl.common.files import read_small_file
from ftl.common.next_step import ftl
from ftl.config.cross_checks import check
from ftl.config.models.notification import Notifications
from ftl.config.models.project import PREVIEW, Project
from ftl.config.models.proxy import Registries
from ftl.config.overlay import Merger
from ftl.config.read.interpolator import Interpolator
from ftl.config.read.problems import Problems
from ftl.config.read.reader import Reader
from ftl.config.read.short_forms import SHORT_FORMS
from ftl.config.secrets import ProjectSecrets
from ftl.config.server_choice import narrowed, with_server
from ftl.config.variables.interpolation import InterpolationError, interpolate
from ftl.config.yaml.marks import Mark, Marks, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, ScalarNode, SequenceNode, describe_kind
from ftl.dataclass import dataclass
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from ftl.config.models.field_types import Section
    from ftl.config.models.notification import Notification
    from ftl.config.models.proxy import Registry
    from ftl.config.models.server import ClusterServer, Server
    from ftl.config.variables.env_file import Variable
    from ftl.config.variables.sources import Variables

S = TypeVar("S", bound="Section")


def overlay_path(path: Path, environment: str) -> Path:
    """The overlay of an environment: `ftl.staging.yaml` next to `ftl.yaml`."""
    return path.with_name(f"{path.stem}.{environment}{path.suffix}")


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The file of a project and what is read with it.

    Attributes:
        path: The file; relative paths in it start from its folder.
        variables: Values for `${...}`; their problems are reported with the file's.
        environment: Name of the environment whose overlay is merged over the file (`overlay` has the rules), and with
            which the project's name ends unless the overlay has another; empty: none.
        preview: It is the name of a preview, whose overlay is ftl.preview.yaml.
    """

    path: Path
    variables: Variables
    environment: str = ""
    preview: bool = False

    @property
    def folder(self) -> Path:
        """Start of relative paths."""
        return self.path.resolve().parent


def load(
    files: ProjectFiles,
    *,
    server: Server | None = None,
    sandbox_servers: Sequence[ClusterServer] = (),
    fetch: bool = True,
) -> Project:
    """Read a project.

    The server replaces that of the file; `sandbox_servers`, the servers of a sandbox that has several, take the places
    of the file's `servers` in turn. Without `fetch` each secret that the file uses has a placeholder for its value.

    Returns:
        The project with defaults added and short forms expanded. Every value in it is valid.

    Raises:
        ConfigError: With all problems, in the order of the files.
    """
    problems = Problems()
    problems.extend(files.variables.problems)
    root = _merged(files, problems)
    secrets = ProjectSecrets(root, files.folder, files.variables)
    source = secrets.source(problems, fetch=fetch)
    reader = _reader(files, problems, source)
    reader.secrets = tuple(secrets.declared)
    project = _project(files, reader, root, server, sandbox_servers)
    volumes = _volumes(project)
    return replace(
        _with_built_names(project),
        secret_users=secrets.used_by,
        secret_values={name: variable.value for name, variable in source.items()} if fetch else {},
        volumes=volumes,
        masked=reader.masked,
        marks=Marks(reader.marks),
    )


def load_address(
    files: ProjectFiles, *, server: Server | None = None, sandbox_servers: Sequence[ClusterServer] = ()
) -> Project:
    """Read no more of a project than its name, its server and whether it is protected.

    Commands that go by what is deployed need nothing else, and no variable that is not set must stop a rollback.

    Raises:
        ConfigError: The file cannot be parsed, or one of the two is wrong.
    """
    problems = Problems()
    root = _merged(files, problems, ("project", "server", "servers", "protected"))
    name, image = ScalarNode("app", root.mark, literal=True), ScalarNode("app", root.mark, literal=True)
    app = MappingNode({}, root.mark).replace({"name": name, "image": image})
    root = root.replace({"services": SequenceNode((app,), root.mark)})
    project = _project(files, _reader(files, problems), root, server, sandbox_servers)
    return replace(project, services=())


def load_notifications(files: ProjectFiles) -> tuple[Notification, ...]:
    """Read no more of a project than `notify`, and fetch no more than the secrets in it.

    A rollback goes by what is deployed, and must not wait for any of this before it begins.

    Raises:
        ConfigError: The file cannot be parsed, or `notify` is wrong.
    """
    return _load_only("notify", Notifications, files).notify


def load_registries(files: ProjectFiles) -> tuple[Registry, ...]:
    """Read no more of a project than `registries`, and fetch no more than the secrets in it.

    Raises:
        ConfigError: The file cannot be parsed, or `registries` is wrong.
    """
    return _load_only("registries", Registries, files).registries


def _load_only(key: str, section: type[S], files: ProjectFiles) -> S:
    """The section of a file that has nothing but this key."""
    problems = Problems()
    root = _merged(files, problems, (key, "secrets"))
    secrets = ProjectSecrets(root, files.folder, files.variables)
    only = root.replace({other: None for other in root.entries if other != key})
    read = _reader(files, problems, secrets.source(problems, fetch=True)).section(section, only, ())
    problems.raise_found()
    return read


def load_secrets(files: ProjectFiles) -> ProjectSecrets:
    """Read no more of a project than its secrets.

    A secret can be set before anything else in the file is complete: a `${NAME}` that has no value yet, for example.

    Raises:
        ConfigError: The file cannot be parsed, or its secrets are wrong.
    """
    problems = Problems()
    secrets = ProjectSecrets(_merged(files, problems), files.folder, files.variables, problems)
    problems.raise_found()
    return secrets


def _reader(files: ProjectFiles, problems: Problems, secrets: Mapping[str, Variable] | None = None) -> Reader:
    variables = files.variables.above(secrets) if secrets is not None else files.variables
    return Reader(Interpolator(variables, problems), files.folder, SHORT_FORMS)


def _project(
    files: ProjectFiles,
    reader: Reader,
    root: MappingNode,
    server: Server | None,
    sandbox_servers: Sequence[ClusterServer],
) -> Project:
    """The checked project, with its server and the name of its environment.

    Raises:
        ConfigError: There are problems.
    """
    project = with_server(reader.section(Project, root, ()), server)
    check(project, reader)
    reader.interpolator.problems.raise_found()
    return replace(
        narrowed(project, server, sandbox_servers),
        environment=files.environment,
        preview_of=_base_name(files) if files.preview else "",
    )


def _merged(files: ProjectFiles, problems: Problems, keys: Collection[str] = ()) -> MappingNode:
    """The file with the overlay of the environment; of both, these keys alone are read if any are named.

    Raises:
        ConfigError: One of them cannot be parsed.
    """
    base = _only(_parse(files.path, problems), keys)
    if not files.environment:
        return base
    name = PREVIEW if files.preview else files.environment
    overlay = _only(_parse(overlay_path(files.path, name), problems, may_be_empty=True), keys)
    merger = Merger(files.variables)
    for mark, message, hint in merger.unknown_items(base, overlay):
        problems.add(mark, message, hint)
    merged = merger.merge(base, overlay)
    if files.preview:
        merged = _on_base_server(merged, base)
    section, own = merged.get("project"), overlay.get("project")
    given = section.get("name") if isinstance(section, MappingNode) else None
    has_own_name = isinstance(own, MappingNode) and own.get("name") is not None
    if not isinstance(section, MappingNode) or not isinstance(given, ScalarNode) or has_own_name:
        return merged
    named = replace(given, text=f"{given.text}-{files.environment}")
    return merged.replace({"project": section.replace({"name": named})})


def _only(root: MappingNode, keys: Collection[str]) -> MappingNode:
    """A file without its other keys, if any are named."""
    return root.replace({key: None for key in root.entries if keys and key not in keys})


def _on_base_server(merged: MappingNode, base: MappingNode) -> MappingNode:
    """A preview's file; without a server in it, the preview is deployed where the domain of ftl.yaml leads.

    Its own domain is another one in each preview, for which ssh would know no host key.
    """
    section = base.get("project")
    domain = section.get("domain") if isinstance(section, MappingNode) else None
    if domain is None or merged.get("server") is not None or merged.get("servers") is not None:
        return merged
    return merged.replace({"server": domain})


def _base_name(files: ProjectFiles) -> str:
    """The project's name in ftl.yaml itself, the same for all its previews: FTL_ENV is not set in it."""
    section = _parse(files.path, Problems()).get("project")
    name = section.get("name") if isinstance(section, MappingNode) else section
    if not isinstance(name, ScalarNode):
        return ""
    variables = files.variables
    try:
        return interpolate(name.text, lambda key: None if key == "FTL_ENV" else variables.get(key)).text
    except InterpolationError:
        return name.text


def _parse(path: Path, problems: Problems, *, may_be_empty: bool = False) -> MappingNode:
    """Parse a file whose top must be a mapping, or may have nothing.

    Raises:
        ConfigError: It cannot be parsed; with the problems that were found before.
    """
    try:
        root, more = parse(_read(path), may_be_empty=may_be_empty)
        if not isinstance(root, MappingNode):
            message = f"the file must be a mapping, not {describe_kind(root)}"
            raise ConfigError([root.mark.problem(message, "begin with `project:`")])
    except ConfigError as error:
        problems.extend(error.problems)
        raise ConfigError(problems.sorted()) from error.__cause__
    problems.extend(more)
    return root


def _read(path: Path) -> SourceFile:
    """Read a file, without its byte order mark; everything else in it is kept.

    Raises:
        ConfigError: It is missing, cannot be read, is not a regular file, too large, or not UTF-8.
    """
    file = SourceFile(display_path(path))
    try:
        data = read_small_file(path)
        return SourceFile(file.name, data.decode("utf-8-sig"))
    except FileNotFoundError:
        hint = f"{ftl('init')} writes one; `-f FILE` names another"
        raise ConfigError([Mark(file).problem("the file does not exist", hint)]) from None
    except OSError as error:
        raise ConfigError([Mark(file).problem(f"the file cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Mark(file, line, 1).problem("the file is not UTF-8 text")]) from error


def _with_built_names(project: Project) -> Project:
    """The project with the name that a build gives the image of a dependency."""
    dependencies = tuple(
        replace(dependency, image=f"{project.name}-{dependency.name}:latest")
        if dependency.build is not None
        else dependency
        for dependency in project.dependencies
    )
    return replace(project, dependencies=dependencies)


def _volumes(project: Project) -> tuple[str, ...]:
    """All named volumes that are listed or used, sorted."""
    mounts = [mount for service in project.services for mount in service.mounts]
    mounts += [mount for dependency in project.dependencies for mount in dependency.mounts]
    return tuple(sorted({*project.volumes, *(mount.source for mount in mounts if mount.is_named)}))
