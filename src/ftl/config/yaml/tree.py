"""The tree of a YAML file: scalars as they are written, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping as MappingType


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file: 1-based line and column, and the offset in the text."""

    line: int
    column: int
    offset: int


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A scalar's text, exactly as written: `1.10`, `0644` and `on` are no numbers and no booleans here.

    Attributes:
        end: Offset in the file behind its last character.
        plain: Written without quotes and not as a block, so that `null`, `~` and nothing mean nothing.
        literal: Made by FTL from a value that is final: variables in it are not looked for.
    """

    text: str
    mark: Mark
    end: int = 0
    plain: bool = False
    literal: bool = False

    @property
    def is_null(self) -> bool:
        """Whether it stands for no value."""
        return self.plain and self.text in ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    items: tuple[Node, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """A value in a mapping, and where its key stands."""

    key: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping; merge keys are already merged, keys are unique."""

    entries: MappingType[str, MappingEntry]
    mark: Mark

    def get(self, key: str) -> Node | None:
        """The value of a key; None where it is missing or null."""
        entry = self.entries.get(key)
        return None if entry is None or is_null(entry.value) else entry.value

    def replace(self, changes: MappingType[str, Node | None]) -> MappingNode:
        """A copy with other values for some keys; None takes a key out."""
        entries = dict(self.entries)
        for key, value in changes.items():
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = MappingEntry(entries[key].key if key in entries else value.mark, value)
        return MappingNode(entries, self.mark)


Node = ScalarNode | SequenceNode | MappingNode


def is_null(node: Node) -> bool:
    """Whether a node stands for no value."""
    return isinstance(node, ScalarNode) and node.is_null


def kind_of(node: Node) -> str:
    """What a node is, in words."""
    match node:
        case ScalarNode():
            return "a single value"
        case SequenceNode():
            return "a list"
        case MappingNode():
            return "a mapping"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a place in the file; `loading` turns it into a Problem."""

    mark: Mark
    message: str
    hint: str | None = None
