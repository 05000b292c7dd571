"""Tree -> Project: fills in variables, checks each value by its kind, and remembers where everything stood.

Reading never stops at a mistake: what cannot be read is reported and takes its default (or an empty value), so
that everything else in the file is looked at in the same run.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.config import hints, kinds
from ftl.config.kinds import Key, Kind, Many, Nested, One, Pairs, Words, keys_of
from ftl.config.scalars import Unfit, shell_words
from ftl.config.tree import Fault, Mapping, Mark, Node, Scalar, Sequence, is_null, kind_of
from ftl.config.variables import MASK, Filled, VariableError, fill

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingType
    from pathlib import Path

    from ftl.config.models import Section

Way = tuple[str | int, ...]
"""The way to a value from the top of the file: ("services", 0, "port")."""

S = TypeVar("S", bound="Section")


class _Skipped(Exception):
    """A value could not be read; it has been reported."""


class Reader:
    """One reading of one file.

    Attributes:
        faults: What is wrong, in the order in which it was found.
        marks: Where each value stands that the file gives.
        masked: The texts of private values with what came from variables made unreadable, by their way.
        base: Names and texts that stand below those which the file gives at a way (env_file below env).
        folder: Where relative paths start.
    """

    def __init__(
        self,
        text: str,
        variables: MappingType[str, str],
        folder: Path,
        expand: MappingType[type[Any], Callable[[Reader, Mapping, Way], Mapping]],
        from_text: MappingType[type[Any], Callable[[Reader, Scalar], Mapping | None]],
    ) -> None:
        self.faults: list[Fault] = []
        self.marks: dict[Way, Mark] = {}
        self.masked: dict[Way, str] = {}
        self.base: dict[Way, dict[str, str]] = {}
        self.variables = variables
        self.folder = folder
        self._text = text
        self._expand = expand
        self._from_text = from_text

    def report(self, mark: Mark, message: str, hint: str | None = None) -> None:
        """Add something that is wrong; an alias that is used twice is reported once."""
        fault = Fault(mark, message, hint)
        if fault not in self.faults:
            self.faults.append(fault)

    def filled(self, node: Scalar) -> Filled:
        """A scalar's text with its variables filled in.

        Raises:
            Skipped: a variable has no value (reported).
        """
        if node.literal:
            return Filled(node.text, MASK)
        try:
            return fill(node.text, self.variables)
        except VariableError as error:
            self.report(self._locate(node, error.offset, error.expression), error.message, error.hint)
            raise _Skipped from None

    def text(self, node: Node, label: str) -> str | None:
        """The text of a node that must be a single value; None (and reported) where it is not."""
        try:
            return self._scalar(node, label).text
        except _Skipped:
            return None

    def section(self, section: type[S], node: Node | None, way: Way) -> S:
        """Read a section; without a node, make one of defaults."""
        values: dict[str, Any] = {}
        mapping = self._mapping(section, node, way) if node is not None else None
        if mapping is None:
            self.marks.pop(way, None)
        else:
            self.marks[way] = mapping.mark
            mapping = self._expanded(section, mapping, way)
            self._reject_unknown(section, mapping, way)
            values = self._values(section, mapping, way)
        for item in fields(section):
            if item.name not in values and item.default is MISSING and item.default_factory is MISSING:
                values[item.name] = self._nothing(item.metadata["key"].kind, (*way, item.name))
        return section(**values)

    def _mapping(self, section: type[Any], node: Node, way: Way) -> Mapping | None:
        if isinstance(node, Mapping):
            return node
        if isinstance(node, Scalar) and section in self._from_text:
            return self._from_text[section](self, node)
        known = ", ".join(keys_of(section))
        label = _label(way) or "the file"
        self.report(
            node.mark, f"{label} must be a mapping, not {kind_of(node)}", f"write keys below it: {known}"
        )
        return None

    def _expanded(self, section: type[Any], mapping: Mapping, way: Way) -> Mapping:
        expand = self._expand.get(section)
        return expand(self, mapping, way) if expand else mapping

    def _reject_unknown(self, section: type[Any], mapping: Mapping, way: Way) -> None:
        known = keys_of(section)
        place = ".".join(step for step in way if isinstance(step, str))
        kind = next((name for name in ("services", "dependencies") if place.startswith(f"{name}.")), None)
        inner = place.removeprefix(f"{kind}.") if kind else place
        for word, entry in mapping.entries.items():
            if word not in known and not (word.startswith("x-") and not way):
                where = f" of {place}" if place else " at the top of the file"
                self.report(
                    entry.key, f"`{word}` is not a key{where}", hints.for_key(word, tuple(known), inner)
                )

    def _values(self, section: type[Any], mapping: Mapping, way: Way) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, key in keys_of(section).items():
            node = mapping.get(name)
            if node is None:
                if key.required:
                    self._report_missing(name, mapping, way)
                continue
            inner = (*way, name)
            self.marks[inner] = node.mark
            try:
                values[name] = self._value(key, node, inner)
            except _Skipped:
                continue
        return {name: value for name, value in values.items() if value is not None}

    def _report_missing(self, name: str, mapping: Mapping, way: Way) -> None:
        label = _label(way)
        where = f" of {label}" if label else ""
        entry = mapping.entries.get(name)
        if entry is not None:
            self.report(entry.value.mark, f"`{name}`{where} is empty")
        else:
            self.report(mapping.mark, f"`{name}`{where} is missing")

    def _value(self, key: Key, node: Node, way: Way) -> Any:
        match key.kind:
            case One() as kind:
                return self._one(kind, node, way, key)
            case Many(item):
                return self._many(item, node, way, key)
            case Pairs():
                return self._pairs(node, way)
            case Words():
                return self._words(node, way, key)
            case Nested(section, short):
                if short is not None and isinstance(node, Scalar):
                    node = Mapping({}, node.mark).replace({short: node})
                return self.section(section, node, way)

    def _one(self, kind: One, node: Node, way: Way, key: Key) -> Any:
        label = str(way[-1]) if isinstance(way[-1], str) else str(way[-2])
        filled = self._scalar(node, label)
        if not filled.text and not key.required:
            return None
        try:
            value = kind.parse(filled.text)
        except Unfit as error:
            shown, hint = filled.text, error.hint
            if filled.masked != filled.text and isinstance(node, Scalar):
                shown, hint = node.text, "its value comes from a variable"
            self.report(node.mark, f"{label}: `{shown}` {error.message}", hint)
            raise _Skipped from None
        self._remember(way, filled, key)
        return value

    def _many(self, item: Kind, node: Node, way: Way, key: Key) -> tuple[Any, ...]:
        if not isinstance(node, Sequence):
            hint = None
            if isinstance(node, Mapping) and isinstance(item, Nested):
                hint = (
                    "write a list: `- name: ...`"
                    if "name" in keys_of(item.section)
                    else "write a list: `- ...`"
                )
            elif isinstance(node, Scalar):
                hint = f"write a list: `- {node.text}`"
            self.report(node.mark, f"{way[-1]} must be a list, not {kind_of(node)}", hint)
            raise _Skipped
        found: list[Any] = []
        inner = Key(item, key.text, required=True, private=key.private)
        for one in node.items:
            index = len(found)  # so that marks go with the values, also behind one that is left out
            self.marks[(*way, index)] = one.mark
            if is_null(one):
                self.report(one.mark, f"{way[-1]} has an empty item")
                continue
            try:
                found.append(self._value(inner, one, (*way, index)))
            except _Skipped:
                continue
        return tuple(found)

    def _pairs(self, node: Node, way: Way) -> dict[str, str]:
        pairs = _Pairs(self, way)
        match node:
            case Mapping():
                for name, entry in node.entries.items():
                    pairs.add(name, entry.key, entry.value)
            case Sequence():
                for item in node.items:
                    pairs.add_line(item)
            case Scalar():
                hint = "write a map, or a list of NAME=VALUE"
                self.report(node.mark, f"{way[-1]} must be a map or a list, not a single value", hint)
                raise _Skipped
        return self.base.get(way, {}) | pairs.found

    def _words(self, node: Node, way: Way, key: Key) -> str | tuple[str, ...]:
        if isinstance(node, Sequence):
            words = self._many(One("text", str), node, way, key)
            if not words:
                self.report(node.mark, f"{way[-1]} is an empty list")
                raise _Skipped
            return words
        kind = One("a command", shell_words)
        value: str = self._one(kind, node, way, Key(kind, key.text, required=True, private=key.private))
        return value

    def _remember(self, way: Way, filled: Filled, key: Key) -> None:
        if key.private and filled.masked != filled.text:
            self.masked[way] = filled.masked

    def _scalar(self, node: Node, label: str) -> Filled:
        if not isinstance(node, Scalar):
            self.report(node.mark, f"{label} must be a single value, not {kind_of(node)}")
            raise _Skipped
        filled = self.filled(node)
        if "\0" in filled.text:
            self.report(node.mark, f"{label} holds a NUL character")
            raise _Skipped
        return filled

    def _nothing(self, kind: Kind, way: Way) -> Any:
        """What stands for a required value that the file does not give, or that could not be read."""
        match kind:
            case Nested(section):
                return self.section(section, None, way)
            case Many():
                return ()
            case Pairs():
                return {}
            case One() if kind in (kinds.PORT, kinds.LIMIT, kinds.COUNT):
                return 0
            case _:
                return ""

    def _locate(self, node: Scalar, offset: int, expression: str) -> Mark:
        """Where an expression of a scalar stands in the file: quotes, escapes and folding move it."""
        before = node.text.count(expression, 0, offset)
        at = node.mark.offset
        for _ in range(before + 1):
            found = self._text.find(expression, at, node.end)
            if found < 0:
                return node.mark
            at = found + 1
        line_start = max(self._text.rfind(end, 0, found) for end in "\n\r") + 1
        line = node.mark.line + self._text.count("\n", node.mark.offset, found)
        return Mark(line, found - line_start + 1, found)


class _Pairs:
    """Collects names and texts, each name once."""

    def __init__(self, reader: Reader, way: Way) -> None:
        self.found: dict[str, str] = {}
        self._reader = reader
        self._way = way
        self._lines: dict[str, int] = {}

    def add(self, name: str, mark: Mark, value: Node) -> None:
        """Take in `name: value`."""
        if not name or any(char.isspace() or char in "=\0" for char in name):
            self._reader.report(mark, f"{self._way[-1]}: `{name}` is not a name of a variable")
            return
        if isinstance(value, Scalar) and not value.text:
            self._keep(name, mark, Filled("", ""))
            return
        try:
            filled = self._reader._scalar(value, f"{self._way[-1]}: {name}")  # noqa: SLF001 -- its own part
        except _Skipped:
            return
        self._keep(name, value.mark, filled)

    def add_line(self, item: Node) -> None:
        """Take in `- NAME=VALUE`."""
        label = self._way[-1]
        if isinstance(item, Mapping) and len(item.entries) == 1:
            hint = f"write {next(iter(item.entries))}=VALUE, or leave out all the dashes to write a map"
            self._reader.report(item.mark, f"{label}: a line of the list must be NAME=VALUE", hint)
            return
        try:
            filled = self._reader._scalar(item, f"a line of {label}")  # noqa: SLF001 -- its own part
        except _Skipped:
            return
        name, equals, value = filled.text.partition("=")
        shown = item.text if isinstance(item, Scalar) else ""
        if not equals:
            hint = f"write {shown}=VALUE, or {shown}=${{{shown}}} to hand on a variable"
            self._reader.report(
                item.mark, f"{label}: `{shown}` is not NAME=VALUE", hint if shown.isidentifier() else None
            )
        elif not name or any(char.isspace() for char in name):
            hint = "write NAME=VALUE without spaces around ="
            self._reader.report(item.mark, f"{label}: `{shown}` is not NAME=VALUE", hint)
        else:
            hidden = filled.masked.partition("=")[2] if filled.masked.startswith(f"{name}=") else MASK
            self._keep(name, item.mark, Filled(value, hidden))

    def _keep(self, name: str, mark: Mark, filled: Filled) -> None:
        if name in self._lines:
            message = f"{self._way[-1]}: `{name}` is given twice; the first is at line {self._lines[name]}"
            self._reader.report(mark, message, "keep one of the two")
            return
        self._lines[name] = mark.line
        self.found[name] = filled.text
        if filled.masked != filled.text:
            self._reader.masked[(*self._way, name)] = filled.masked


def _label(way: Way) -> str:
    """A way in words: `services[0]`, `build`."""
    if not way:
        return ""
    if isinstance(way[-1], int):
        return f"{way[-2]}[{way[-1]}]"
    return str(way[-1])
