"""Files of a project: parsed, and merged with the overlay of an environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_file
from ftl.common.next_step import ftl
from ftl.config.models.project import PREVIEW
from ftl.config.overlay import Merger
from ftl.config.read.problems import Problems
from ftl.config.variables.interpolation import InterpolationError, interpolate
from ftl.config.yaml.locations import Location, SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, ScalarNode, describe_kind
from ftl.dataclass import dataclass
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ftl.config.variables.sources import Variables


PRODUCTION = frozenset({"production", "prod", "live", "default"})
"""Names that people give to what ftl.yaml has without an overlay."""


def overlay_path(path: Path, environment: str) -> Path:
    """The overlay of an environment: `ftl.staging.yaml` next to `ftl.yaml`."""
    return path.with_name(f"{path.stem}.{environment}{path.suffix}")


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """The project's file, and the overlay and variables that are read with it.

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

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file, and the overlay that is merged over it."""
        name = PREVIEW if self.preview else self.environment
        return (self.path, overlay_path(self.path, name)) if name else (self.path,)


def merged_file(files: ProjectFiles, problems: Problems, keys: Collection[str] = ()) -> MappingNode:
    """The file with the overlay of the environment; of both, only these keys if any are named.

    Raises:
        ConfigError: One of them cannot be parsed.
    """
    base = without_others(_parse(files.path, problems), keys)
    if not files.environment:
        return base
    overlay = without_others(_overlay(files, problems), keys)
    merger = Merger(files.variables)
    for location, message, hint in merger.unknown_items(base, overlay):
        problems.add(location, message, hint)
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


def removed_items(files: ProjectFiles) -> dict[str, Location]:
    """Services and dependencies that the overlay removes, with the places where it does.

    Raises:
        ConfigError: The overlay cannot be parsed.
    """
    if not files.environment:
        return {}
    return Merger(files.variables).removed_items(_overlay(files, Problems()))


def _overlay(files: ProjectFiles, problems: Problems) -> MappingNode:
    return _parse(files.paths[-1], problems, may_be_empty=True)


def without_others(root: MappingNode, keys: Collection[str]) -> MappingNode:
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


def base_name(files: ProjectFiles) -> str:
    """The name in ftl.yaml itself, the same for all previews: FTL_ENV is not set in it."""
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
            raise root.location.error(message, "begin with `project:`")
    except ConfigError as error:
        problems.extend(error.problems)
        raise ConfigError(problems.sorted()) from error.__cause__
    problems.extend(more)
    return root


def _read(path: Path) -> SourceFile:
    """Read a file, without its byte order mark; everything else in it is kept."""
    file = SourceFile(display_path(path))
    try:
        data = read_small_file(path)
        return SourceFile(file.name, data.decode("utf-8-sig"))
    except FileNotFoundError:
        hint = f"{ftl('init')} writes one; `-f FILE` names another"
        raise Location(file).error("the file does not exist", hint) from None
    except OSError as error:
        raise Location(file).error(f"the file cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Location(file, line, 1).error("the file is not UTF-8 text") from error
