"""Overlays: a parsed file merged over another, each value keeping its place.

Mappings merge by key, lists of named things by name; everything else is replaced, and null removes. A list of named
things is a list of mappings that all have a `name`. The overlay may also write it as a mapping of the names, which is
the way to remove one: `services: {web: {replicas: 3}, worker: null}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, is_null

if TYPE_CHECKING:
    from collections.abc import Iterable

Named = list[tuple[str, MappingNode]]


def merge(base: MappingNode, overlay: MappingNode) -> MappingNode:
    """Merge a mapping over another; keys that only the overlay has follow those of the base."""
    entries = dict(base.entries)
    for key, entry in overlay.entries.items():
        if is_null(entry.value):
            entries.pop(key, None)
        elif key in entries:
            entries[key] = MappingEntry(entries[key].key, _merged(entries[key].value, entry.value))
        else:
            entries[key] = MappingEntry(entry.key, _without_nulls(entry.value))
    return MappingNode(entries, base.mark)


def _merged(base: Node, overlay: Node) -> Node:
    match base, overlay:
        case MappingNode(), MappingNode():
            return merge(base, overlay)
        case SequenceNode(), SequenceNode():
            items, changes = _named(base.items), _named(overlay.items)
            if items and changes:
                return SequenceNode(tuple(_merged_items(items, changes)), base.mark)
        case SequenceNode(), MappingNode():
            items = _named(base.items)
            changes = _named_by_key(overlay)
            if items and changes is not None:
                removed = {name for name, entry in overlay.entries.items() if is_null(entry.value)}
                kept = [(name, item) for name, item in items if name not in removed]
                return SequenceNode(tuple(_merged_items(kept, changes)), base.mark)
    return _without_nulls(overlay)


def _merged_items(items: Named, changes: Named) -> Iterable[Node]:
    """The items, each with the changes of its name, then those that are new."""
    known = {name for name, _ in items}
    for name, item in items:
        merged = item
        for changed, change in changes:
            merged = merge(merged, change) if changed == name else merged
        yield merged
    yield from (_without_nulls(change) for name, change in changes if name not in known)


def _named(items: Iterable[Node]) -> Named | None:
    """The items with their names; None if one has none."""
    named: Named = []
    for item in items:
        name = item.get("name") if isinstance(item, MappingNode) else None
        if not (isinstance(item, MappingNode) and isinstance(name, ScalarNode)):
            return None
        named.append((name.text, item))
    return named


def _named_by_key(mapping: MappingNode) -> Named | None:
    """The values that are not null, with their keys as names; None if one is not a mapping."""
    named: Named = []
    for name, entry in mapping.entries.items():
        if isinstance(entry.value, MappingNode):
            has_name = "name" in entry.value.entries
            name_node = {} if has_name else {"name": ScalarNode(name, entry.key, literal=True)}
            named.append((name, entry.value.replace(name_node)))
        elif not is_null(entry.value):
            return None
    return named


def _without_nulls(node: Node) -> Node:
    match node:
        case MappingNode():
            entries = {
                key: MappingEntry(entry.key, _without_nulls(entry.value))
                for key, entry in node.entries.items()
                if not is_null(entry.value)
            }
            return MappingNode(entries, node.mark)
        case SequenceNode():
            return SequenceNode(tuple(_without_nulls(item) for item in node.items), node.mark)
        case ScalarNode():
            return node
