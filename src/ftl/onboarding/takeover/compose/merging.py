"""Rules by which Compose merges files: maps by key, lists appended, `!reset`, `!override`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, is_null
from ftl.onboarding.takeover.nodes import text

if TYPE_CHECKING:
    from ftl.config.yaml.locations import Location

_REPLACED = frozenset({"command", "entrypoint", "test"})
_BY_NAME = frozenset(
    {"environment", "labels", "args", "annotations", "sysctls", "depends_on", "networks", "extra_hosts"}
)

_RESET, _OVERRIDE = "!reset", "!override"
RESET_TAGS = frozenset({_RESET, _OVERRIDE})
"""Tags that Compose adds to YAML: a key is taken away, or replaces the earlier file's."""


@dataclass(slots=True)
class Merging:
    """Merges mappings of files.

    Attributes:
        tags: File -> offset of a value -> its tag, one of `RESET_TAGS`.
    """

    tags: dict[str, dict[int, str]] = field(default_factory=dict)

    def merge(self, base: MappingNode, over: MappingNode) -> MappingNode:
        """Merge two mappings as Compose does: maps by key, lists appended, single values replaced."""
        merged = dict(base.entries)
        for key, entry in over.entries.items():
            before, tag = merged.get(key), self._tag(entry.value.location)
            value = entry.value
            if tag == _RESET:
                merged.pop(key, None)
                continue
            if before is not None and not is_null(value) and tag is None:
                value = self._merged(key, before.value, value)
            merged[key] = MappingEntry(entry.key, value)
        return MappingNode(merged, over.location)

    def without_reset(self, node: Node) -> Node:
        """The node without keys that are tagged `!reset`."""
        if not isinstance(node, MappingNode):
            return node
        kept = {
            key: MappingEntry(entry.key, self.without_reset(entry.value))
            for key, entry in node.entries.items()
            if self._tag(entry.value.location) != _RESET
        }
        return MappingNode(kept, node.location)

    def _tag(self, location: Location) -> str | None:
        return self.tags.get(location.file.name, {}).get(location.offset)

    def _merged(self, key: str, base: Node, over: Node) -> Node:
        if key in _REPLACED:
            return over
        if key in _BY_NAME and isinstance(base, SequenceNode) != isinstance(over, SequenceNode):
            base, over = _as_map(base), _as_map(over)
        if isinstance(base, MappingNode) and isinstance(over, MappingNode):
            return self.merge(base, over)
        if isinstance(base, SequenceNode) and isinstance(over, SequenceNode):
            taken = {_identity(key, item) for item in over.items}
            return SequenceNode(
                (*(item for item in base.items if _identity(key, item) not in taken), *over.items),
                over.location,
            )
        return over


def _as_map(node: Node) -> Node:
    if not isinstance(node, SequenceNode):
        return node
    found: dict[str, MappingEntry] = {}
    for item in node.items:
        name, _, value = text(item).partition("=")
        found[name] = MappingEntry(item.location, ScalarNode(value, item.location))
    return MappingNode(found, node.location)


def _identity(key: str, item: Node) -> object:
    """The part of a list's item by which a later file replaces it."""
    if isinstance(item, MappingNode):
        return text(item.get("target")) or text(item.get("source")) or id(item)
    value = text(item)
    if key in ("volumes", "devices"):
        parts = value.split(":")
        return parts[1] if len(parts) > 1 else parts[0]
    return value.partition("=")[0] if key in _BY_NAME else value
