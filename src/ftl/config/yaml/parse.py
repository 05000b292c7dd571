"""Parser of YAML: text -> tree.

It uses PyYAML's events and not its nodes: the composer that builds nodes recurses for each level and crashes the
process on a deeply nested file (seen with PyYAML 6.0.3 and libyaml: a segmentation fault at some thousand levels),
and only events distinguish a plain scalar from a quoted one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import yaml

from ftl.common.next_step import ftl
from ftl.config.yaml.locations import Location, SourceFile
from ftl.config.yaml.tree import MappingEntry, MappingNode, Node, ScalarNode, SequenceNode, is_null
from ftl.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Container

    from ftl.errors import Problem

MAX_DEPTH = 40
MAX_NODES = 100_000
"""Limit of nodes, aliases expanded: more is a mistake or an attack, not a configuration."""

_TOO_DEEP = f"the file is nested deeper than {MAX_DEPTH} levels"
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")
)
_NOT_YAML = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\U0010ffff]"
_Loader: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(
    source: SourceFile,
    *,
    may_be_empty: bool = False,
    tags: Container[str] = (),
    tagged: dict[int, str] | None = None,
) -> tuple[Node, list[Problem]]:
    """Parse one YAML document; an empty one that may be empty is a mapping without keys.

    Args:
        source: The file.
        may_be_empty: Whether an empty file is none of the errors.
        tags: Tags beside those of YAML that values may have.
        tagged: Gets the tag of each such value, by its offset in the file.

    Returns:
        The tree, and problems that leave it readable (duplicate keys, tags).

    Raises:
        ConfigError: Not YAML, empty, more than one document, nested too deep or too large.
    """
    builder = _Builder(source, tags, {} if tagged is None else tagged)
    try:
        for event in yaml.parse(source.text, Loader=_Loader):
            builder.add_event(event)
    except yaml.MarkedYAMLError as error:
        raise ConfigError([_syntax_problem(error, source)]) from error
    except yaml.reader.ReaderError as error:
        raise ConfigError([_character_problem(source)]) from error
    if builder.root is None or is_null(builder.root):
        if may_be_empty:
            return MappingNode({}, Location(source, 1, 1)), builder.problems
        hint = f"{ftl('init')} writes one to start from"
        raise Location(source, 1, 1).error("the file is empty", hint)
    return builder.root, builder.problems


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end event has not come yet."""

    location: Location
    anchor: str | None
    is_mapping: bool
    children: list[Node] = field(default_factory=list)
    size: int = 1


class _Builder:
    """Builds the tree from events, without recursion."""

    def __init__(self, source: SourceFile, tags: Container[str], tagged: dict[int, str]) -> None:
        self._tags = tags
        self._tagged = tagged
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._source = source
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._documents = 0

    def add_event(self, event: yaml.Event) -> None:
        location = _location(self._source, event.start_mark)
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    hint = "one ftl.yaml holds one project"
                    raise location.error("a second YAML document begins here", hint)
            case yaml.ScalarEvent():
                self._check_tag(event.tag, location)
                end = _location(self._source, event.end_mark).offset
                self._add(ScalarNode(event.value, location, end, plain=not event.style), event.anchor, 1)
            case yaml.AliasEvent():
                self._add_alias(event.anchor or "", location)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._check_tag(event.tag, location)
                if len(self._stack) == MAX_DEPTH:
                    raise location.error(_TOO_DEEP)
                self._stack.append(_Open(location, event.anchor, isinstance(event, yaml.MappingStartEvent)))
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._close(self._stack.pop())

    def _close(self, opened: _Open) -> None:
        node: Node = SequenceNode(tuple(opened.children), opened.location)
        if opened.is_mapping:
            node = self._mapping(opened)
        self._add(node, opened.anchor, opened.size)

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
            raise node.location.error(f"the file has more than {MAX_NODES:,} values, aliases included")

    def _add_alias(self, name: str, location: Location) -> None:
        if any(parent.anchor == name for parent in self._stack):
            raise location.error(f"the alias *{name} is inside the value of its anchor &{name}")
        if name not in self._anchors:
            raise location.error(f"the alias *{name} has no anchor &{name} above it")
        node, size = self._anchors[name]
        self._add(node, None, size)

    def _check_tag(self, tag: str | None, location: Location) -> None:
        if tag is not None and tag in self._tags:
            self._tagged[location.offset] = tag
        elif tag not in (None, "!") and tag not in _CORE_TAGS:
            self._report(location, f"the YAML tag {tag} is not supported", "remove the tag")

    def _mapping(self, opened: _Open) -> MappingNode:
        entries: dict[str, MappingEntry] = {}
        merged: dict[str, MappingEntry] = {}
        for key, value in zip(opened.children[::2], opened.children[1::2], strict=True):
            if not isinstance(key, ScalarNode):
                self._report(key.location, "a key must be a single value")
            elif key.plain and key.text == "<<":
                self._merge(merged, value)
            elif is_null(key):
                self._report(key.location, "a key is missing before the colon")
            elif key.text in entries:
                first = entries[key.text].key.seen_from(key.location)
                message = f"`{key.text}` is given twice; the first one is at {first}"
                self._report(key.location, message, "keep one of the two")
            else:
                entries[key.text] = MappingEntry(key.location, value)
        return MappingNode(merged | entries if merged else entries, opened.location)

    def _merge(self, merged: dict[str, MappingEntry], value: Node) -> None:
        """Resolve `<<`; of several mappings the earlier wins, as YAML's merge type says."""
        for source in value.items if isinstance(value, SequenceNode) else (value,):
            if isinstance(source, MappingNode):
                for key, entry in source.entries.items():
                    merged.setdefault(key, entry)
            else:
                message = "`<<` must name a mapping (or a list of mappings)"
                self._report(source.location, message, "write `<<: *anchor`")

    def _report(self, location: Location, message: str, hint: str | None = None) -> None:
        self.problems.append(location.problem(message, hint))


class _YamlMark(Protocol):
    """The common attributes of PyYAML's and libyaml's marks; all three count from 0."""

    index: int
    line: int
    column: int


def _location(source: SourceFile, mark: _YamlMark | None) -> Location:
    return Location(source, mark.line + 1, mark.column + 1, mark.index) if mark else Location(source, 1, 1)


def _syntax_problem(error: yaml.MarkedYAMLError, source: SourceFile) -> Problem:
    """The parser's message as a sentence, at the place where the user has to look."""
    text = source.text
    location = _location(source, error.problem_mark or error.context_mark)
    if not text[
        location.offset :
    ].strip():  # something is not closed at the end of the file: name its beginning
        location = _location(source, error.context_mark)
        location = location if text[location.offset :].strip() else _end(source)
    lines = text.split("\n")
    line = lines[location.line - 1] if location.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        location = Location(source, location.line, line.index("\t") + 1, location.offset)
        return location.problem("a tab cannot indent YAML", "use spaces instead of the tab")
    problem = (error.problem or "it cannot be parsed").removeprefix("but ")
    if (
        "maximum nesting depth" in problem
    ):  # libyaml's scanner, 1,000 levels ahead of the events (PyYAML 6.0.4)
        return location.problem(_TOO_DEEP)
    message = f"not valid YAML: {problem}"
    if error.context and error.context_mark:
        message += f" ({error.context} that begins at line {error.context_mark.line + 1})"
    return location.problem(message, _syntax_hint(problem, line))


def _end(source: SourceFile) -> Location:
    """The place behind the last visible character."""
    visible = source.text.rstrip()
    return Location(source, visible.count("\n") + 1, len(visible) - visible.rfind("\n"), len(visible))


def _syntax_hint(problem: str, line: str) -> str | None:
    if "mapping values are not allowed" in problem:
        return "quote a value that contains `: `, and check the indentation"
    if "cannot start any token" in problem:
        return "quote a value that begins with one of @ ` % or has a tab before it"
    if "undefined alias" in problem or "*" in line.partition(": ")[2][:1]:
        return "quote a value that begins with *"
    return None


def _character_problem(source: SourceFile) -> Problem:
    """A problem at the first character that YAML does not allow."""
    match = re.search(_NOT_YAML, source.text)
    if match is None:
        return Location(source, 1, 1).problem("not valid YAML: it contains a character that is not allowed")
    offset = match.start()
    line_start = source.text.rfind("\n", 0, offset)
    location = Location(source, source.text.count("\n", 0, offset) + 1, offset - line_start, offset)
    return location.problem(f"not valid YAML: the character U+{ord(match[0]):04X} is not allowed in a file")
