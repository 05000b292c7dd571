"""Sources of `files`: text files of the repository, and folders of them."""

from __future__ import annotations

import os
import posixpath
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.files import MAX_BYTES, read_small_text
from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.problems import quoted
from ftl.config.values.scalars import InvalidValue, local_path
from ftl.config.yaml.tree import MappingNode, ScalarNode, SequenceNode, literal, mapping_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.read.reader import Reader
    from ftl.config.yaml.locations import KeyPath
    from ftl.config.yaml.tree import MappingEntry, Node

MAX_FILES = 100
"""Files of a folder: their texts are part of the project, and of the record of each release."""

_BUILD_IT = "build it into an image: `COPY` in a Dockerfile"


class FolderRefused(Exception):
    """A folder that cannot be in `files`; the text has the reason, `hint` the alternative."""

    def __init__(self, message: str, hint: str = _BUILD_IT) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def file_entry(path: str, entry: MappingEntry) -> Node:
    """An entry of `files` as a map of paths: `PATH: SOURCE`, or the other keys below the path."""
    given = {"path": literal(path, entry.key)}
    if isinstance(entry.value, MappingNode):
        return entry.value.replace(given)
    return mapping_of({**given, "source": entry.value}, entry.key)


def with_content(reader: Reader, mapping: MappingNode, _path: KeyPath) -> MappingNode:
    """Read the content of `source`, so that it is part of the project and of its releases.

    A program stays one: where ftl.yaml says nothing of permissions, others may run what its owner may.
    """
    source = mapping.get("source")
    if source is None or mapping.get("content") is not None:
        return mapping
    try:
        name = reader.interpolator.read(source, "source")
        path = reader.folder / local_path(name.text)
        content = read_small_text(path)
        is_program = bool(path.stat().st_mode & stat.S_IXUSR)
    except AlreadyReported:
        return mapping
    except InvalidValue as error:
        reader.report(source.location, f"source {error.message}")
        return mapping
    except FileNotFoundError:
        reader.report(
            name.location, f"files: there is no file {name.text}", "its path is relative to ftl.yaml"
        )
        return mapping
    except OSError as error:
        hint = "build files other than text into the image"
        reader.report(name.location, f"files: {quoted(name.text)} cannot be read: {error.strerror}", hint)
        return mapping
    values: dict[str, Node | None] = {"content": literal(content, source.location)}
    if is_program and mapping.get("mode") is None:
        values["mode"] = literal("0755", source.location)
    return mapping.replace(values)


def with_folders(reader: Reader, files: Node) -> Node:
    """A list of `files` with those in a folder in its place, but for files with an own item."""
    if not isinstance(files, SequenceNode):
        return files
    folders = {index: found for index, item in enumerate(files.items) if (found := _folder(reader, item))}
    named = {_target(item) for index, item in enumerate(files.items) if index not in folders}
    items: list[Node] = []
    for index, item in enumerate(files.items):
        if index in folders and isinstance(item, MappingNode):
            below = _files_of(reader, item, *folders[index])
            items += [each for each in below if _target(each) not in named]
        else:
            items.append(item)
    return SequenceNode(tuple(items), files.location)


def _target(item: Node) -> str:
    path = item.get("path") if isinstance(item, MappingNode) else None
    return posixpath.normpath(path.text) if isinstance(path, ScalarNode) else ""


def _folder(reader: Reader, item: Node) -> tuple[ScalarNode, str, Path] | None:
    """Source of an item, its text and its path; None where it is no folder."""
    source = item.get("source") if isinstance(item, MappingNode) else None
    if (
        not isinstance(item, MappingNode)
        or not isinstance(source, ScalarNode)
        or item.get("content") is not None
    ):
        return None
    try:
        text = reader.interpolator.read(source, "source").text
        path = reader.folder / local_path(text)
        return (source, text, path) if path.is_dir() else None
    except (AlreadyReported, InvalidValue, OSError, ValueError):
        return None


def _files_of(
    reader: Reader, item: MappingNode, source: ScalarNode, text: str, path: Path
) -> Iterator[MappingNode]:
    """An item for each file of a folder, with the permissions of the item, if it has any."""
    try:
        names = files_in(path, reader.folder)
    except FolderRefused as error:
        reader.report(source.location, f"files: {quoted(text)} {error.message}", error.hint)
        return
    target = item.get("path")
    for name in names:
        values: dict[str, Node | None] = {"source": literal(f"{text.rstrip('/')}/{name}", source.location)}
        if isinstance(target, ScalarNode):
            values["path"] = replace(target, text=f"{target.text.rstrip('/')}/{name}")
        yield item.replace(values)


def files_in(folder: Path, project: Path) -> list[str]:
    """Paths of the files in a folder, sorted.

    No link in it may lead out of `project`; for a folder elsewhere, that is the folder itself.

    Raises:
        FolderRefused: It has none, too many, too large ones, or links that lead elsewhere; or it cannot be read.
    """
    is_inside = Path(os.path.normpath(folder)).is_relative_to(os.path.normpath(project))
    root = (project if is_inside else folder).resolve()
    names: list[str] = []
    size = 0
    for name, status in _walk(folder, root):
        names.append(name)
        size += status.st_size
        if len(names) > MAX_FILES:
            raise FolderRefused(f"has more than {MAX_FILES} files")
        if size > MAX_BYTES:
            raise FolderRefused(f"has more than {MAX_BYTES:,} bytes")
    if not names:
        raise FolderRefused("has no files", "put text files into it, or leave it out")
    return sorted(names)


def _walk(folder: Path, root: Path) -> Iterator[tuple[str, os.stat_result]]:
    unread: list[OSError] = []
    for where, folders, files in os.walk(folder, onerror=unread.append):
        for name in (*folders, *files):
            path = Path(where, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() and name in folders:
                raise FolderRefused(f"has a link to a folder, {relative}", "name that folder by itself")
            try:
                if not path.resolve().is_relative_to(root):
                    raise FolderRefused(
                        f"has a link out of the repository, {relative}", "copy what it leads to"
                    )
                if name in files:
                    yield relative, path.stat()
            except OSError as error:
                raise FolderRefused(f"cannot be read: {relative}: {error.strerror}") from error
        if unread:
            raise FolderRefused(f"cannot be read: {unread[0].strerror}")
