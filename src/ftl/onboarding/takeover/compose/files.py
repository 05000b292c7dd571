"""Compose files merged into one tree: several files, include, extends."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.config.yaml.locations import SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.env_secrets import values_in
from ftl.onboarding.takeover.compose.merging import RESET_TAGS, Merging
from ftl.onboarding.takeover.nodes import entries, items, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ftl.config.yaml.locations import Location
    from ftl.onboarding.takeover.nodes import ComposeTexts

_MAX_FILES = 50


class ComposeFiles:
    """Reads Compose files, each once.

    Attributes:
        extended: Services that extend another one, with the place that says so.
        included: Places of `include`, which the merged tree has not.
        env_files: Places that name files with variables for included files.
    """

    def __init__(
        self, folder: Path, base: Path, texts: ComposeTexts, own: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder
        self._base = base
        self._texts = texts
        self._own = own or {}
        self._parsed: dict[Path, MappingNode] = {}
        self._including: list[Path] = []
        self._merging = Merging()
        self.extended: dict[str, Location] = {}
        self.included: list[Location] = []
        self.env_files: list[Location] = []

    def load(self, files: Sequence[Path]) -> MappingNode:
        """Read and merge files; later ones win.

        Raises:
            ConfigError: One of them cannot be parsed, or is no Compose file.
        """
        merged: MappingNode | None = None
        for file in files:
            root = self._rebased(self._read(file), self._folder)
            self.included += [entry.key for key, entry in root.entries.items() if key == "include"]
            merged = root if merged is None else self._merging.merge(merged, root)
        assert merged is not None
        merged = self._with_includes(merged)
        services = {
            name: self._merging.without_reset(self._extended(name, merged, files[0], ()))
            for name in entries(merged.get("services"))
        }
        node = merged.get("services")
        location = node.location if node is not None else merged.location
        return merged.replace(
            {"services": MappingNode(_entries(merged, services), location), "include": None}
        )

    def _read(self, file: Path) -> MappingNode:
        path = file.resolve()
        if path not in self._parsed:
            if len(self._parsed) == _MAX_FILES:
                raise UsageError(
                    f"more than {_MAX_FILES} files are included", hint="take over one of them at a time"
                )
            source = SourceFile(display_path(file))
            try:
                source = SourceFile(source.name, read_small_text(file))
            except OSError as error:
                raise UsageError(f"{source.name} cannot be read", cause=error.strerror) from error
            tags = self._merging.tags.setdefault(source.name, {})
            root, problems = parse(source, tags=RESET_TAGS, tagged=tags)
            if problems:
                raise ConfigError(problems)
            if not isinstance(root, MappingNode):
                raise root.location.error("this is not a Compose file", "it must begin with `services:`")
            bound = _bound(root, lambda text: self._texts.bind(text, self._own)) if self._own else root
            assert isinstance(bound, MappingNode)
            self._parsed[path] = bound
        return self._parsed[path]

    def _resolve(self, text: str) -> str:
        return self._texts.resolve(text)

    def _values_of(self, item: Node, folder: Path) -> dict[str, str]:
        """Variables of an included file: those of its `env_file`, else of .env in its folder."""
        named = item.get("env_file") if isinstance(item, MappingNode) else None
        files = [self._folder / self._resolve(text(file)) for file in items(named)]
        found: dict[str, str] = dict(self._own)
        for file in files or [folder / ".env"]:
            found |= values_in(file.parent, file.name)
        return found

    def _rebased(self, root: MappingNode, folder: Path) -> MappingNode:
        """Make paths that are relative to `folder` relative to ftl.yaml."""
        prefix = os.path.relpath(folder.resolve(), self._base.resolve())
        if prefix == ".":
            return root
        for section, move in (("services", rebase), ("secrets", _rebase_file), ("configs", _rebase_file)):
            nodes = root.get(section)
            if isinstance(nodes, MappingNode):
                moved = {name: move(node, prefix) for name, node in entries(nodes).items()}
                root = root.replace({section: nodes.replace(dict(moved))})
        return root

    def _with_includes(self, root: MappingNode) -> MappingNode:
        for item in items(root.get("include")):
            paths = items(item.get("path")) if isinstance(item, MappingNode) else (item,)
            named = [self._folder / self._resolve(text(path)) for path in paths]
            if not named:
                continue
            for path, file in zip(paths, named, strict=True):
                _refuse_missing(file, "include", path.location)
            if named[0].resolve() in self._including:
                raise item.location.error(f"include: {text(paths[0])} includes itself", "remove one")
            self._including.append(named[0].resolve())
            if isinstance(item, MappingNode) and (variables := item.get("env_file")) is not None:
                self.env_files.append(variables.location)
            folder = text(item.get("project_directory")) if isinstance(item, MappingNode) else ""
            inner_folder = self._folder / folder if folder else named[0].parent
            own = self._values_of(item, inner_folder)
            inner = ComposeFiles(inner_folder, self._base, self._texts, own)
            inner._including = self._including
            root = self._merging.merge(inner.load(named), root.replace({"include": None}))
            self.extended |= inner.extended
            self.included += inner.included
            self.env_files += inner.env_files
        return root

    def _extended(self, name: str, root: MappingNode, file: Path, seen: tuple[tuple[Path, str], ...]) -> Node:
        """A service merged with the one that it extends."""
        services = root.get("services")
        node = entries(services).get(name)
        if not isinstance(node, MappingNode):
            return node or MappingNode({}, root.location)
        extends = node.get("extends")
        if extends is None:
            return node
        here = (file.resolve(), name)
        if here in seen:
            chain = " -> ".join(step for _, step in (*seen, here))
            raise extends.location.error(f"extends is circular: {chain}", "remove one `extends`")
        target = text(extends) if isinstance(extends, ScalarNode) else text(entries(extends).get("service"))
        other = self._resolve(text(entries(extends).get("file")))
        source, source_file = root, file
        if other:
            source_file = file.parent / other
            _refuse_missing(source_file, "extends", extends.location)
            source = self._rebased(self._read(source_file), source_file.parent)
        if target not in entries(source.get("services")):
            where = f" in {other}" if other else ""
            raise extends.location.error(f"extends: there is no service {target}{where}")
        base = self._extended(target, source, source_file, (*seen, here))
        self.extended[name] = extends.location
        own = node.replace({"extends": None})
        return self._merging.merge(base, own) if isinstance(base, MappingNode) else own


def _bound(node: Node, bind: Callable[[str], str]) -> Node:
    """A tree with values in its texts."""
    match node:
        case ScalarNode():
            return replace(node, text=bind(node.text)) if "$" in node.text else node
        case SequenceNode():
            return replace(node, items=tuple(_bound(item, bind) for item in node.items))
    entries = {key: replace(entry, value=_bound(entry.value, bind)) for key, entry in node.entries.items()}
    return replace(node, entries=entries)


def _refuse_missing(file: Path, key: str, location: Location) -> None:
    """Refuse a file that another one names, at the place that names it."""
    if not file.is_file():
        hint = "write it, or take the line out: its path is relative to the file that names it"
        raise location.error(f"{key}: there is no file {display_path(file)}", hint)


def _entries(root: MappingNode, services: dict[str, Node]) -> dict[str, MappingEntry]:
    node = root.get("services")
    keys = node.entries if isinstance(node, MappingNode) else {}
    return {name: MappingEntry(keys[name].key, service) for name, service in services.items()}


def rebase(node: Node, prefix: str) -> Node:
    """Put a folder before the relative paths of a service: build, env_file, bind mounts."""
    if not isinstance(node, MappingNode):
        return node
    changes: dict[str, Node | None] = {}
    build = node.get("build")
    if isinstance(build, ScalarNode):
        changes["build"] = _joined(build, prefix)
    elif isinstance(build, MappingNode):
        context = build.get("context")
        changes["build"] = build.replace(
            {
                "context": _joined(context, prefix)
                if isinstance(context, ScalarNode)
                else ScalarNode(prefix, build.location)
            }
        )
    files = node.get("env_file")
    if isinstance(files, ScalarNode):
        changes["env_file"] = _joined(files, prefix)
    elif isinstance(files, SequenceNode):
        changes["env_file"] = SequenceNode(
            tuple(_joined_item(item, "path", prefix) for item in files.items), files.location
        )
    volumes = node.get("volumes")
    if isinstance(volumes, SequenceNode):
        moved = tuple(
            _joined_item(item, "source", prefix) if _is_relative_bind(item) else item
            for item in volumes.items
        )
        changes["volumes"] = SequenceNode(moved, volumes.location)
    return node.replace(changes)


def _rebase_file(node: Node, prefix: str) -> Node:
    """Put a folder before the relative path of a secret or config."""
    return _joined_item(node, "file", prefix) if isinstance(node, MappingNode) else node


def _is_relative_bind(item: Node) -> bool:
    value = text(item.get("source")) if isinstance(item, MappingNode) else text(item)
    return value.startswith(("./", "../", ".:")) or value == "."


def _joined_item(item: Node, key: str, prefix: str) -> Node:
    if isinstance(item, ScalarNode):
        return _joined(item, prefix)
    value = item.get(key) if isinstance(item, MappingNode) else None
    if isinstance(item, MappingNode) and isinstance(value, ScalarNode):
        return item.replace({key: _joined(value, prefix)})
    return item


def _joined(node: ScalarNode, prefix: str) -> ScalarNode:
    """A relative path below a folder; of a short volume only the part before the first colon."""
    head, colon, rest = node.text.partition(":")
    if head.startswith(("/", "~", "$")) or "://" in node.text or head == "git@github.com":
        return node
    path = os.path.normpath(os.path.join(prefix, head))  # noqa: PTH118
    path = path if path.startswith("..") or path == "." else f"./{path}"
    return ScalarNode(path + colon + rest, node.location, plain=node.plain)
