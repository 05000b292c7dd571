"""YAML files of other tools, read without a refusal: unreadable parts count as empty."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.locations import SourceFile
from ftl.config.yaml.tree import MappingNode, ScalarNode, SequenceNode
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.config.yaml.tree import Node

_NEXT_DOCUMENT = re.compile(r"^---(?=\s|$).*\n?", re.MULTILINE)


def documents(text: str) -> Iterator[MappingNode]:
    """The mappings among the documents of a file that can be read."""
    from ftl.config.yaml.parse import parse  # loads PyYAML, and few apps have such a file

    for part in _NEXT_DOCUMENT.split(text):
        try:
            node, _ = parse(SourceFile("", part), may_be_empty=True)
        except ConfigError:
            continue
        if isinstance(node, MappingNode):
            yield node


def texts(node: Node | None) -> list[str]:
    """The single values of a list."""
    items = node.items if isinstance(node, SequenceNode) else ()
    return [item.text for item in items if isinstance(item, ScalarNode)]


def flat(node: MappingNode, prefix: str = "") -> dict[str, str]:
    """The single values in a mapping by their keys, joined with dots."""
    found: dict[str, str] = {}
    for key, entry in node.entries.items():
        if isinstance(entry.value, MappingNode):
            found |= flat(entry.value, f"{prefix}{key}.")
        elif isinstance(entry.value, ScalarNode):
            found[f"{prefix}{key}"] = entry.value.text
    return found
