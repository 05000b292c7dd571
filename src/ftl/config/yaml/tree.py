"""The tree of a YAML file: scalars exactly as they are written, each node with its place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set

    from ftl.config.yaml.locations import Location


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A scalar, exactly as written: `1.10`, `0644` and `on` are texts here.

    Attributes:
        end: Offset in the file behind its last character.
        plain: Written without quotes and not as a block, so that `null`, `~` and nothing are null.
        literal: Made by FTL from a final value: variables in it are not interpolated.
    """

    text: str
    location: Location
    end: int = 0
    plain: bool = False
    literal: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it is null."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    items: tuple[Node, ...]
    location: Location


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A value of a mapping, and the place of its key."""

    key: Location
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping with unique keys; `<<` is already resolved."""

    entries: Mapping[str, MappingEntry]
    location: Location

    def get(self, key: str) -> Node | None:
        """The value of a key; None if it is missing or null."""
        entry = self.entries.get(key)
        return None if entry is None or is_null(entry.value) else entry.value

    def replace(self, changes: Mapping[str, Node | None]) -> MappingNode:
        """Copy the mapping with other values for some keys; None removes a key."""
        entries = dict(self.entries)
        for key, value in changes.items():
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = MappingEntry(entries[key].key if key in entries else value.location, value)
        return MappingNode(entries, self.location)


Node = ScalarNode | SequenceNode | MappingNode


def literal(text: str, location: Location) -> ScalarNode:
    """A single value that FTL makes: variables in it are not interpolated."""
    return ScalarNode(text, location, literal=True)


def mapping_of(values: Mapping[str, Node | None], location: Location) -> MappingNode:
    """A mapping that FTL makes, without the keys whose value is None."""
    return MappingNode({}, location).replace(values)


def is_null(node: Node) -> bool:
    """Whether a node is null."""
    return isinstance(node, ScalarNode) and node.is_null


def scalars(node: Node) -> Iterator[ScalarNode]:
    """All single values in a node, without the keys."""
    match node:
        case ScalarNode():
            yield node
        case SequenceNode(items):
            for item in items:
                yield from scalars(item)
        case MappingNode(entries):
            for entry in entries.values():
                yield from scalars(entry.value)


def unquoted(node: Node, lines: Set[int]) -> Node:
    """Copy a node; problems at places on these lines do not quote the line."""
    location = _unquoted(node.location, lines)
    match node:
        case ScalarNode():
            return replace(node, location=location)
        case SequenceNode(items):
            return SequenceNode(tuple(unquoted(item, lines) for item in items), location)
        case MappingNode(entries):
            copies = {
                key: MappingEntry(_unquoted(entry.key, lines), unquoted(entry.value, lines))
                for key, entry in entries.items()
            }
            return MappingNode(copies, location)


def _unquoted(location: Location, lines: Set[int]) -> Location:
    return location.unquoted if location.line in lines else location


def describe_kind(node: Node) -> str:
    """Name the kind of a node in a message."""
    match node:
        case ScalarNode():
            return "a single value"
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"
