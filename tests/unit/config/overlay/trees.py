"""Parsed files and what is left of two of them, as plain texts."""

from __future__ import annotations

from ftl.config.overlay import Merger
from ftl.config.variables.env_file import Variable
from ftl.config.variables.sources import Variables
from ftl.config.yaml.locations import SourceFile
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode

Plain = str | list["Plain"] | dict[str, "Plain"]


def tree(text: str, name: str = "ftl.yaml") -> MappingNode:
    """A text as a parsed file."""
    node, problems = parse(SourceFile(name, text))
    assert problems == []
    assert isinstance(node, MappingNode)
    return node


def plain(node: Node) -> Plain:
    """The texts of a tree, without their places."""
    match node:
        case ScalarNode():
            return node.text
        case SequenceNode():
            return [plain(item) for item in node.items]
        case MappingNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def merged(base: str, overlay: str, **variables: str) -> Plain:
    """The texts of the merged files."""
    return plain(
        Merger(Variables({name: Variable(value) for name, value in variables.items()})).merge(
            tree(base), tree(overlay, "ftl.staging.yaml")
        )
    )


def service(lines: str) -> str:
    """A file with a service that has these keys."""
    return f"services: [{{name: web, {lines}}}]"
