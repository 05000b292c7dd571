"""YAML text -> tree.

Works on the parser's events, not on its nodes: the composer that builds nodes calls itself for each level
and takes the whole process down on a deeply nested file (seen with PyYAML 6.0.3 and libyaml: a segmentation
fault at some thousand levels), and only events tell a plain scalar from a quoted one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from ftl.config.yaml.tree import (
    Fault,
    MappingEntry,
    MappingNode,
    Mark,
    Node,
    ScalarNode,
    SequenceNode,
    is_null,
)

MAX_DEPTH = 40
MAX_NODES = 100_000
"""Nodes of the tree with all aliases written out: more is a mistake or an attack, not a configuration."""

_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\U0010ffff]")
_Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class InvalidYaml(Exception):
    """The text is no tree at all, so that nothing further can be said about it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def parse(text: str) -> tuple[Node, list[Fault]]:
    """Parse one YAML document.

    Returns:
        The tree, and what is wrong in it without making it unreadable (duplicate keys, tags).

    Raises:
        Unreadable: not YAML, empty, more than one document, nested too deep or too large.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise InvalidYaml(_syntax_fault(error, text)) from error
    except yaml.reader.ReaderError as error:
        raise InvalidYaml(_character_fault(text)) from error
    if builder.root is None or is_null(builder.root):
        raise InvalidYaml(Fault(Mark(1, 1, 0), "the file is empty", "`ftl init` writes one to start from"))
    return builder.root, builder.faults


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been seen yet."""

    mark: Mark
    anchor: str | None
    is_mapping: bool
    children: list[Node] = field(default_factory=list)
    size: int = 1


class _Builder:
    """Puts events together; one call an event, nothing recursive."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.faults: list[Fault] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        mark = _mark(event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise InvalidYaml(
                        Fault(mark, "a second YAML document begins here", "one ftl.yaml holds one project")
                    )
            case yaml.ScalarEvent():
                self._check_tag(event.tag, mark)
                end = _mark(event.end_mark).offset
                self._add(ScalarNode(event.value, mark, end, plain=not event.style), event.anchor, 1)
            case yaml.AliasEvent():
                self._add_alias(event.anchor or "", mark)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._check_tag(event.tag, mark)
                if len(self._stack) == MAX_DEPTH:
                    raise InvalidYaml(Fault(mark, f"the file is nested deeper than {MAX_DEPTH} levels"))
                self._stack.append(_Open(mark, event.anchor, isinstance(event, yaml.MappingStartEvent)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                done = self._stack.pop()
                closed = (
                    self._mapping(done) if done.is_mapping else SequenceNode(tuple(done.children), done.mark)
                )
                self._add(closed, done.anchor, done.size)

    def _add(self, node: Node, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.children.append(node)
        parent.size += size
        if parent.size > MAX_NODES:
            raise InvalidYaml(
                Fault(node.mark, f"the file has more than {MAX_NODES:,} values, aliases included")
            )

    def _add_alias(self, name: str, mark: Mark) -> None:
        if any(parent.anchor == name for parent in self._stack):
            raise InvalidYaml(Fault(mark, f"the alias *{name} stands inside of its own anchor &{name}"))
        if name not in self._anchors:
            raise InvalidYaml(Fault(mark, f"the alias *{name} has no anchor &{name} above it"))
        node, size = self._anchors[name]
        self._add(node, None, size)

    def _check_tag(self, tag: str | None, mark: Mark) -> None:
        if tag not in (None, "!") and tag not in _CORE_TAGS:
            self.faults.append(Fault(mark, f"the YAML tag {tag} is not supported", "remove the tag"))

    def _mapping(self, done: _Open) -> MappingNode:
        own: dict[str, MappingEntry] = {}
        merged: dict[str, MappingEntry] = {}
        for key, value in zip(done.children[::2], done.children[1::2], strict=True):
            if not isinstance(key, ScalarNode):
                self.faults.append(Fault(key.mark, "a key must be a single value"))
            elif key.plain and key.text == "<<":
                self._merge(merged, value)
            elif is_null(key):
                self.faults.append(Fault(key.mark, "a key is missing before the colon"))
            elif key.text in own:
                first = own[key.text].key.line
                message = f"`{key.text}` is given twice; the first is at line {first}"
                self.faults.append(Fault(key.mark, message, "keep one of the two"))
            else:
                own[key.text] = MappingEntry(key.mark, value)
        return MappingNode(merged | own if merged else own, done.mark)

    def _merge(self, merged: dict[str, MappingEntry], value: Node) -> None:
        """Take in what `<<` names; of several mappings the earlier wins, as YAML's merge type says."""
        for source in value.items if isinstance(value, SequenceNode) else (value,):
            if isinstance(source, MappingNode):
                for key, entry in source.entries.items():
                    merged.setdefault(key, entry)
            else:
                message = "`<<` must name a mapping (or a list of mappings)"
                self.faults.append(Fault(source.mark, message, "write `<<: *anchor`"))


class _YamlMark(Protocol):
    """The marks of PyYAML and of libyaml have these in common; all three count from 0."""

    index: int
    line: int
    column: int


def _mark(mark: _YamlMark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1, mark.index) if mark else Mark(1, 1, 0)


def _syntax_fault(error: yaml.MarkedYAMLError, text: str) -> Fault:
    """The parser's complaint as a sentence, at the place where the user has to look."""
    mark = _mark(error.problem_mark or error.context_mark)
    if not text[mark.offset :].strip():  # something is open at the end of the file: say where it was opened
        mark = _mark(error.context_mark)
        mark = mark if text[mark.offset :].strip() else _end(text)
    lines = text.split("\n")
    line = lines[mark.line - 1] if mark.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        mark = Mark(mark.line, line.index("\t") + 1, mark.offset)
        return Fault(mark, "a tab cannot indent YAML", "use spaces instead of the tab")
    problem = (error.problem or "it cannot be parsed").removeprefix("but ")
    message = f"not valid YAML: {problem}"
    if error.context and error.context_mark:
        message += f" ({error.context} that begins at line {error.context_mark.line + 1})"
    return Fault(mark, message, _syntax_hint(problem, line))


def _end(text: str) -> Mark:
    """The place behind the last character that can be seen."""
    seen = text.rstrip()
    return Mark(seen.count("\n") + 1, len(seen) - seen.rfind("\n"), len(seen))


def _syntax_hint(problem: str, line: str) -> str | None:
    if "mapping values are not allowed" in problem:
        return "quote a value that has `: ` in it, and look at the indentation"
    if "cannot start any token" in problem:
        return "quote a value that begins with one of @ ` % or has a tab before it"
    if "undefined alias" in problem or "*" in line.partition(": ")[2][:1]:
        return "quote a value that begins with *"
    return None


def _character_fault(text: str) -> Fault:
    """Where the first character stands that YAML does not allow."""
    found = _NOT_YAML.search(text)
    if found is None:
        return Fault(Mark(1, 1, 0), "not valid YAML: it holds a character that is not allowed")
    offset = found.start()
    mark = Mark(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset), offset)
    return Fault(mark, f"not valid YAML: the character U+{ord(found[0]):04X} is not allowed in a file")
