"""Overlays: a parsed file merged over another, each value keeping its place.

Mappings merge by key, lists of named things by name; everything else is replaced, and null removes. A list of named
things is a list of mappings that all have a `name`. The overlay may also write it as a mapping of the names, which is
the way to remove one: `services: {web: {replicas: 3}, worker: null}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import closest_match
from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, is_null

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftl.config.yaml.marks import Mark

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


_WHOLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "services": ("service", ("image", "build", "path")),
    "dependencies": ("dependency", ("image", "build")),
}
"""For lists of named things: what one is called, and keys of which a new one has at least one."""


def unknown_items(base: MappingNode, overlay: MappingNode) -> Iterator[tuple[Mark, str, str]]:
    """Find changes of an overlay to services and dependencies that the base does not have.

    Returns:
        (place, message, hint) of each.
    """
    for key, (noun, own_keys) in _WHOLE.items():
        items, changes = base.get(key), overlay.get(key)
        named = _named(items.items) if isinstance(items, SequenceNode) else None
        if not named:
            continue
        known = [name for name, _ in named]
        for name, mark, item in _changes(changes):
            is_new = item is not None and any(item.get(own) is not None for own in own_keys)
            if name not in known and not is_new:
                match = closest_match(name, known)
                hint = (
                    f"did you mean `{match}`?" if match else f"a new {noun} needs {' or '.join(own_keys[:2])}"
                )
                yield mark, f"{key}: {base.mark.file.name} has no {noun} `{name}`", hint


def _changes(node: Node | None) -> Iterator[tuple[str, Mark, MappingNode | None]]:
    """Name, place and mapping of each change of a list; None in place of the mapping where it removes."""
    if isinstance(node, SequenceNode):
        yield from ((name, item.mark, item) for name, item in _named(node.items) or ())
    elif isinstance(node, MappingNode):
        for name, entry in node.entries.items():
            value = entry.value
            yield name, entry.key, value if isinstance(value, MappingNode) else None


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
            merged = merge(merged, change.replace({"name": None})) if changed == name else merged
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
