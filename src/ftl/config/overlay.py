"""Overlays: a parsed file merged over another, each value keeping its place.

Mappings merge by key, lists of named things by name; everything else is replaced, and null removes. What a value is,
its section declares, in whichever form it is written: a single value in place of a section, or lines of NAME=VALUE in
place of a map, is written out where the other file has a part of it. The overlay may have a list of named things as a
mapping of the names, which is the way to remove one: `services: {web: {replicas: 3}, worker: null}`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ftl.common.suggestions import closest_match
from ftl.config.models.field_types import EXTRA_HOST, ListOf, Nested, StringMap, keys_of
from ftl.config.models.project import Dependency, Project, Secret, Service
from ftl.config.read.reader import NO_SHORT_FORM, ShortForm
from ftl.config.read.sections import long_form
from ftl.config.read.short_dependencies import known_dependency
from ftl.config.read.short_forms import SHORT_FORMS, host_lines
from ftl.config.variables.interpolation import MASK, InterpolationError, interpolate
from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, is_null, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ftl.config.models.field_types import FieldType, Section
    from ftl.config.variables.sources import Variables
    from ftl.config.yaml.locations import Location

_WHOLE: dict[str, tuple[str, Nested, tuple[str, ...]]] = {
    "services": ("service", Nested(Service), ("image", "build", "path")),
    "dependencies": ("dependency", Nested(Dependency), ("image", "build")),
}
"""Lists of named items: name of one, its section, and keys of which a new one has at least one."""


class _Item(NamedTuple):
    """An item of a list of named things.

    Attributes:
        name: None if it has none, or none that can be read.
        location: Its place; that of the name where a mapping has the names.
        node: Null where an overlay removes it.
    """

    name: str | None
    location: Location
    node: Node


class Merger:
    """Merges overlays over a file.

    What is not in a form of its section stays as it is, for the reader, which reports it.

    Attributes:
        variables: Values for `${...}` in what a name is a part of: `postgres:${VERSION}`.
    """

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self._names = frozenset(variables)

    def merge(self, base: MappingNode, overlay: MappingNode) -> MappingNode:
        """Merge a file over another; keys that only the overlay has follow those of the base."""
        secrets = [
            item.name
            for root in (base, overlay)
            for item in self._items(Nested(Secret), root.get("secrets")) or ()
            if item.name is not None and not is_null(item.node)
        ]
        self._names = frozenset((*self.variables.with_secrets(dict.fromkeys(secrets, MASK)), *secrets))
        return self._section(Project, base, overlay)

    def unknown_items(self, base: MappingNode, overlay: MappingNode) -> Iterator[tuple[Location, str, str]]:
        """Overrides of services and dependencies that the base does not have: place, message, hint."""
        for key, (noun, nested, own_keys) in _WHOLE.items():
            known = [item.name for item in self._items(nested, base.get(key)) or () if item.name is not None]
            overrides = self._items(nested, overlay.get(key)) if known else None
            for name, location, item in overrides or ():
                is_new = (
                    any(item.get(own) is not None for own in own_keys)
                    if isinstance(item, MappingNode)
                    else not is_null(item)
                )
                if name is not None and name not in known and not is_new:
                    match = closest_match(name, known)
                    new = f"a new {noun} needs {' or '.join(own_keys[:2])}"
                    hint = f"did you mean `{match}`?" if match else new
                    yield location, f"{key}: {base.location.file.name} has no {noun} `{name}`", hint

    def removed_items(self, overlay: MappingNode) -> dict[str, Location]:
        """Services and dependencies that an overlay removes, with the places where it does."""
        return {
            item.name: item.location
            for key, (_, nested, _) in _WHOLE.items()
            for item in self._items(nested, overlay.get(key)) or ()
            if item.name is not None and is_null(item.node)
        }

    def _section(self, section: type[Section], base: MappingNode, overlay: MappingNode) -> MappingNode:
        form, keys = _form(section), keys_of(section)

        def merged(name: str, before: Node | None, after: Node) -> Node:
            return self._value(keys[name].type if name in keys else None, before, after)

        new = form.moved(overlay)
        return _by_key(_without_replaced(section, form.moved(base), new), new, merged)

    def _value(self, field_type: FieldType | None, base: Node | None, overlay: Node) -> Node:
        match field_type:
            case ListOf(Nested(section) as nested) if _item_key(section) is not None:
                return self._list(nested, base, overlay)
            case Nested(section) as nested if base is not None:
                old, new = long_form(nested, base), long_form(nested, overlay)
                if isinstance(old, MappingNode) and isinstance(new, MappingNode):
                    return self._section(section, old, new)
            case StringMap() if base is not None:
                before, after = self._as_map(base), self._as_map(overlay)
                if before is not None and after is not None:
                    return _by_key(before, after, lambda _name, _before, text: text)
                return overlay if after is None else base
            case ListOf(item) if item is EXTRA_HOST and base is not None:
                return _merged_hosts(base, overlay)
        return _without_nulls(overlay)

    def _list(self, nested: Nested, base: Node | None, overlay: Node) -> Node:
        """A list of named things with the overrides of an overlay; an empty one replaces it."""
        overrides = self._items(nested, overlay)
        listed = None if base is None else _form(nested.section).listed(base)
        if (
            overrides is None
            or isinstance(listed, ScalarNode)
            or overlay == SequenceNode((), overlay.location)
        ):
            return overlay
        if isinstance(listed, MappingNode):
            return listed
        items = self._items(nested, listed) or []
        named = {override.name: is_null(override.node) for override in overrides if override.name is not None}
        merged = [
            self._overridden(nested, item, overrides) for item in items if not named.get(item.name or "")
        ]
        names = {item.name for item in items if item.name is not None}
        new = [
            override.node
            for override in overrides
            if override.name not in names and not named.get(override.name or "")
        ]
        return SequenceNode((*merged, *map(_without_nulls, new)), (listed or overlay).location)

    def _overridden(self, nested: Nested, item: _Item, overrides: list[_Item]) -> Node:
        """An item of a list with the overrides of its name, which it keeps."""
        node, key = item.node, _item_key(nested.section) or ""
        for override in overrides:
            if override.name is None or override.name != item.name:
                continue
            if nested.section is Dependency:
                node = self._overridden_dependency(node, override.node)
                continue
            old, new = long_form(nested, node), long_form(nested, override.node)
            if isinstance(old, MappingNode) and isinstance(new, MappingNode):
                node = self._section(nested.section, old, new.replace({key: None}))
            else:
                node = override.node
        return node

    def _overridden_dependency(self, item: Node, override: Node) -> Node:
        """A dependency with an override; what neither has comes from the preset, for the image that it then has."""
        short = [known_dependency(node, self.variables) for node in (item, override)]
        old, new = (
            node if known is None else known.given
            for known, node in zip(short, (item, override), strict=True)
        )
        if not isinstance(old, MappingNode) or not isinstance(new, MappingNode):
            return override
        new = new.replace({"name": None})
        merged = self._section(Dependency, old, new)
        preset = next((known for known in reversed(short) if known is not None and known.preset), None)
        if preset is None:
            return merged
        tag = preset.tag_of(merged.get("image"), self.variables)
        defaults = self._section(Dependency, preset.defaults(self._names, tag), old)
        return self._section(Dependency, defaults, new)

    def _items(self, nested: Nested, node: Node | None) -> list[_Item] | None:
        """Items of a list of named things; of a mapping in its place, too. None: it is neither."""
        match node:
            case SequenceNode(items):
                return [_Item(self._name(nested, item), item.location, item) for item in items]
            case MappingNode(entries):
                return [
                    _Item(name, entry.key, self._entry(nested, name, entry))
                    for name, entry in entries.items()
                ]
            case _:
                return None

    def _entry(self, nested: Nested, name: str, entry: MappingEntry) -> Node:
        """Item for an entry of a mapping in place of the list."""
        from_entry, key = _form(nested.section).from_entry, _item_key(nested.section) or ""
        if is_null(entry.value):
            return entry.value
        if from_entry is not None:
            return from_entry(name, entry)
        item, named = entry.value, {key: literal(name, entry.key)}
        if isinstance(item, MappingNode):
            return item if key in item.entries else item.replace(named)
        short = known_dependency(item, self.variables) if nested.section is Dependency else None
        return item if short is None or short.name == name else short.given.replace(named)

    def _name(self, nested: Nested, item: Node) -> str | None:
        key = _item_key(nested.section)
        if isinstance(item, ScalarNode) and nested.section is Dependency:
            short = known_dependency(item, self.variables)
            return None if short is None else short.name
        item = long_form(nested, item)
        name = item.get(key) if isinstance(item, MappingNode) and key is not None else None
        return name.text if isinstance(name, ScalarNode) else None

    def _as_map(self, node: Node) -> MappingNode | None:
        """A map of texts, also of one that is written as a list of NAME=TEXT; None if a name is not known."""
        if not isinstance(node, SequenceNode):
            return node if isinstance(node, MappingNode) else None
        entries: dict[str, MappingEntry] = {}
        for item in node.items:
            if not isinstance(item, ScalarNode):
                return None
            name, equals, text = item.text.partition("=")
            line = replace(item, text=text, plain=False)
            if "$" in name or not equals:
                try:
                    name, equals, text = interpolate(item.text, self.variables.get).text.partition("=")
                except InterpolationError:
                    return None
                line = replace(item, text=text, plain=False, literal=True)
            if not equals or name in entries:
                return None
            entries[name] = MappingEntry(item.location, line)
        return MappingNode(entries, node.location)


def _form(section: type[Section]) -> ShortForm:
    return SHORT_FORMS.get(section, NO_SHORT_FORM)


def _item_key(section: type[Section]) -> str | None:
    """Key that names an item in a list of such sections; None where items have no names."""
    key = _form(section).item_key
    return key if key in keys_of(section) else None


def _without_replaced(section: type[Section], base: MappingNode, overlay: MappingNode) -> MappingNode:
    """The base without what the overlay has another kind of, and without what described it."""
    for alternatives in section.ALTERNATIVES:
        new = alternatives.given(overlay)
        old = [name for name in alternatives.given(base) if name not in new]
        if new and old:
            base = base.replace(dict.fromkeys((*old, *alternatives.details)))
    return base


def _by_key(
    base: MappingNode, overlay: MappingNode, merged: Callable[[str, Node | None, Node], Node]
) -> MappingNode:
    """A mapping with the overrides of another; null removes."""
    entries = dict(base.entries)
    for name, entry in overlay.entries.items():
        if is_null(entry.value):
            entries.pop(name, None)
        else:
            key = entries[name].key if name in entries else entry.key
            entries[name] = MappingEntry(key, merged(name, base.get(name), entry.value))
    return MappingNode(entries, base.location)


def _merged_hosts(base: Node, overlay: Node) -> Node:
    """Lines of `extra_hosts`: those of the base for other hosts, then those of the overlay."""
    overrides = _hosts(overlay)
    items = _hosts(base)
    if not overrides or items is None:
        return _without_nulls(overlay)
    names = {name for name, _ in overrides}
    kept = [line for name, lines in items for line in lines if name not in names]
    return SequenceNode((*kept, *(line for _, lines in overrides for line in lines)), base.location)


def _hosts(node: Node) -> list[tuple[str, tuple[Node, ...]]] | None:
    """The lines of each host, none where it is removed."""
    match node:
        case SequenceNode(items):
            texts = [(item.text if isinstance(item, ScalarNode) else "", item) for item in items]
            return [(re.split("[:=]", text, maxsplit=1)[0], (item,)) for text, item in texts]
        case MappingNode(entries):
            return [
                (name, () if is_null(entry.value) else host_lines(name, entry.value))
                for name, entry in entries.items()
            ]
        case _:
            return None


def _without_nulls(node: Node) -> Node:
    match node:
        case MappingNode():
            entries = {
                key: MappingEntry(entry.key, _without_nulls(entry.value))
                for key, entry in node.entries.items()
                if not is_null(entry.value)
            }
            return MappingNode(entries, node.location)
        case SequenceNode():
            return SequenceNode(tuple(_without_nulls(item) for item in node.items), node.location)
        case ScalarNode():
            return node
