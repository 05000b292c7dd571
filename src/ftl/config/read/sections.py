"""Sections: the long form of a single value, placeholders for values that are missing."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.config.models.field_types import LIMIT, CommandLine, ListOf, Nested, Scalar, keys_of
from ftl.config.yaml.tree import MappingNode, Node, SequenceNode, mapping_of

if TYPE_CHECKING:
    from ftl.config.models.field_types import FieldType, Section

S = TypeVar("S", bound="Section")


def long_form(nested: Nested, node: Node) -> Node:
    """The mapping in place of a value that stands for one key; any other node as it is."""
    key = nested.shorthand
    if key is None or isinstance(node, MappingNode):
        return node
    if isinstance(node, SequenceNode) and not isinstance(keys_of(nested.section)[key].type, CommandLine):
        return node
    return mapping_of({key: node}, node.location)


def complete(section: type[S], values: dict[str, Any]) -> S:
    """The section with its values, defaults, and placeholders for missing required values."""
    for item in fields(section):
        if item.name not in values and item.default is MISSING and item.default_factory is MISSING:
            values[item.name] = _placeholder(keys_of(section)[item.name].type)
    return section(**values)


def _placeholder(field_type: FieldType) -> Any:
    """Stands for a required value that is missing or cannot be read."""
    match field_type:
        case Nested(section):
            return complete(section, {})
        case ListOf():
            return ()
        case Scalar() if field_type is LIMIT:
            return 0
        case _:
            return ""


def is_confidential(item: FieldType) -> bool:
    """Whether single values in it, or in place of it, are secrets."""
    if isinstance(item, ListOf):
        item = item.item
    if isinstance(item, Nested) and item.shorthand is not None:
        item = keys_of(item.section)[item.shorthand].type
    return isinstance(item, Scalar) and item.confidential
