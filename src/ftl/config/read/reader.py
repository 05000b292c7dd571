"""Tree -> Project: checks each value by its kind, and remembers where everything stood.

Reading never stops at a mistake: what cannot be read is reported and takes its default (or an empty value), so
that everything else in the file is looked at in the same run.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.config.models import field_types
from ftl.config.models.field_types import CommandLine, FieldType, Key, ListOf, Nested, Scalar, keys_of
from ftl.config.models.pairs import Pairs
from ftl.config.read import hints
from ftl.config.read.scalars import InvalidValue, shell_words
from ftl.config.yaml.interpolated import AlreadyReported
from ftl.config.yaml.tree import MappingNode, Mark, Node, ScalarNode, SequenceNode, is_null, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingType
    from pathlib import Path

    from ftl.config.models.section import Section
    from ftl.config.variables import Interpolated
    from ftl.config.yaml.interpolated import Interpolator

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of the file: ("services", 0, "port")."""

S = TypeVar("S", bound="Section")


@dataclass(frozen=True, slots=True)
class ShortForm:
    """What a section may be written for less than its declared form.

    Attributes:
        expand: Brings a mapping into the declared form.
        from_text: Makes a mapping of a single value.
        beside: The keys that `expand` takes away, with their meanings.
    """

    expand: Callable[[Reader, MappingNode, KeyPath], MappingNode] | None = None
    from_text: Callable[[Reader, ScalarNode], MappingNode] | None = None
    beside: MappingType[str, str] = field(default_factory=dict)


_LONG = ShortForm()
_WORD = Scalar("text", str)
_COMMAND = Scalar("command", shell_words)


_SHOWN = 80
"""Characters of a value that a message repeats."""


def shortened(text: str) -> str:
    """A value as a message repeats it: a whole document pasted in the wrong place is told by its beginning."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class Reader:
    """One reading of one file.

    Attributes:
        texts: The file's texts; collects what is wrong.
        folder: Where relative paths start.
        marks: Where each value stands that the file gives, readable or not.
        sections: The sections that the file gives as mappings: what these lack is really missing.
        masked: The texts of private values with what came from variables made unreadable, by their way.
        base: Names and texts that stand below those which the file gives at a way (env_file below env).
    """

    def __init__(
        self,
        texts: Interpolator,
        folder: Path,
        shortenings: MappingType[type[Any], ShortForm],
    ) -> None:
        self.texts = texts
        self.folder = folder
        self.marks: dict[KeyPath, Mark] = {}
        self.sections: set[KeyPath] = set()
        self.masked: dict[KeyPath, str] = {}
        self.base: dict[KeyPath, dict[str, str]] = {}
        self._shortenings = shortenings

    def section(self, section: type[S], node: Node, way: KeyPath) -> S:
        """Read a section.

        Raises:
            AlreadyReported: it is no mapping, and no text that stands for one.
        """
        mapping = self._mapping(section, node, way)
        self.marks[way] = mapping.mark
        self.sections.add(way)
        expand = self._shortening(section).expand
        if expand is not None:
            mapping = expand(self, mapping, way)
        meant = self._reject_unknown(section, mapping, way)
        return self._made(section, self._values(section, mapping, way, meant))

    def _shortening(self, section: type[Any]) -> ShortForm:
        return self._shortenings.get(section, _LONG)

    def _made(self, section: type[S], values: dict[str, Any]) -> S:
        """The section with these values, its defaults, and nothing for what is required and not there."""
        for item in fields(section):
            if item.name not in values and item.default is MISSING and item.default_factory is MISSING:
                values[item.name] = self._nothing(keys_of(section)[item.name].kind)
        return section(**values)

    def _mapping(self, section: type[Any], node: Node, way: KeyPath) -> MappingNode:
        if isinstance(node, MappingNode):
            return node
        from_text = self._shortening(section).from_text
        if isinstance(node, ScalarNode) and from_text is not None:
            return from_text(self, node)
        hint = f"the keys below it: {', '.join(keys_of(section))}"
        if isinstance(node, ScalarNode) and "name" in keys_of(section):
            hint = f"write `name: {node.text}`"
        self.texts.report(node.mark, f"{_label(way)} must be a mapping, not {kind_of(node)}", hint)
        raise AlreadyReported

    def _reject_unknown(self, section: type[Any], mapping: MappingNode, way: KeyPath) -> set[str]:
        """Report the keys that the section does not have; return those that they were probably meant for."""
        known = (*keys_of(section), *self._shortening(section).beside)
        all_meant: set[str] = set()
        for word, entry in mapping.entries.items():
            if word not in known and not (word.startswith("x-") and not way):
                hint, meant = hints.for_key(word, known, _section_name(way))
                where = f"of {_label(way)}" if way else "at the top of the file"
                self.texts.report(entry.key, f"`{word}` is not a key {where}", hint)
                all_meant |= {meant} if meant else set()
        return all_meant

    def _values(
        self, section: type[Any], mapping: MappingNode, way: KeyPath, meant: set[str]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, key in keys_of(section).items():
            node = mapping.get(name)
            if node is None:
                if key.required and name not in meant:
                    self._report_missing(name, mapping, way)
                continue
            inner = (*way, name)
            self.marks[inner] = node.mark
            try:
                value = self._value(key, node, inner)
            except AlreadyReported:
                continue
            if value is not None:
                values[name] = value
        return values

    def _report_missing(self, name: str, mapping: MappingNode, way: KeyPath) -> None:
        label = f"`{name}` of {_label(way)}" if way else f"`{name}`"
        entry = mapping.entries.get(name)
        if entry is not None:
            self.texts.report(entry.value.mark, f"{label} is empty")
        else:
            self.texts.report(mapping.mark, f"{label} is missing")

    def _value(self, key: Key, node: Node, way: KeyPath) -> Any:
        match key.kind:
            case Scalar() as kind:
                return self._one(kind, node, way, key)
            case ListOf(item):
                return self._many(item, node, way, key)
            case field_types.StringMap():
                return self._pairs(node, way)
            case CommandLine():
                return self._words(node, way, key)
            case Nested(section, short):
                if short is not None and isinstance(node, ScalarNode):
                    node = MappingNode({}, node.mark).replace({short: node})
                return self.section(section, node, way)

    def _one(self, kind: Scalar, node: Node, way: KeyPath, key: Key) -> Any:
        """A single value; None where it is empty and may be missing."""
        label = _name(way)
        filled = self.texts.get(node, label)
        if not filled.text and not key.required:
            return None
        try:
            value = kind.parse(filled.text)
        except InvalidValue as error:
            shown, hint = filled.text, error.hint
            if filled.masked != filled.text and isinstance(node, ScalarNode):
                shown, hint = node.text, "its value comes from a variable"
            self.texts.report(node.mark, f"{label}: `{shortened(shown)}` {error.message}", hint)
            raise AlreadyReported from None
        self._remember(way, filled, key)
        return value

    def _many(self, item: FieldType, node: Node, way: KeyPath, key: Key) -> tuple[Any, ...]:
        if not isinstance(node, SequenceNode):
            first = node.text if isinstance(node, ScalarNode) else next(iter(node.entries), "...")
            named = (
                isinstance(item, Nested) and "name" in keys_of(item.section) and isinstance(node, MappingNode)
            )
            hint = f"write a list: `- name: {first}`" if named else f"write a list: `- {first}`"
            self.texts.report(node.mark, f"{_name(way)} must be a list, not {kind_of(node)}", hint)
            raise AlreadyReported
        if key.required and not node.items:
            self.texts.report(node.mark, f"{_name(way)} is empty", "it needs at least one item")
        found: list[Any] = []
        inner = Key(item, key.text, required=True, private=key.private)
        for one in node.items:
            index = len(found)  # so that marks go with the values, also behind one that is left out
            self.marks[(*way, index)] = one.mark
            if is_null(one):
                self.texts.report(one.mark, f"{_name(way)} has an empty item")
                continue
            try:
                found.append(self._value(inner, one, (*way, index)))
            except AlreadyReported:
                continue
        return tuple(found)

    def _pairs(self, node: Node, way: KeyPath) -> dict[str, str]:
        pairs = Pairs(self.texts, _name(way))
        pairs.read(node)
        self.masked |= {(*way, name): shown for name, shown in pairs.masked.items()}
        return self.base.get(way, {}) | pairs.texts

    def _words(self, node: Node, way: KeyPath, key: Key) -> str | tuple[str, ...]:
        if not isinstance(node, SequenceNode):
            text: str = self._one(_COMMAND, node, way, Key(_COMMAND, "", required=True, private=key.private))
            return text
        return self._many(_WORD, node, way, Key(_WORD, key.text, required=True, private=key.private))

    def _remember(self, way: KeyPath, filled: Interpolated, key: Key) -> None:
        if key.private and filled.masked != filled.text:
            self.masked[way] = filled.masked

    def _nothing(self, kind: FieldType) -> Any:
        """What stands for a required value that the file does not give, or that could not be read."""
        match kind:
            case Nested(section):
                return self._made(section, {})
            case ListOf():
                return ()
            case Scalar() if kind is field_types.LIMIT:
                return 0
            case _:
                return ""


def _name(way: KeyPath) -> str:
    """What messages call a value: its key, which an item of a list has from its list."""
    return str(next(step for step in reversed(way) if isinstance(step, str)))


def _label(way: KeyPath) -> str:
    """What messages call a section: `build`, `services[0]`."""
    if not way:
        return "the file"
    return f"{way[-2]}[{way[-1]}]" if isinstance(way[-1], int) else way[-1]


def _section_name(way: KeyPath) -> str:
    """How `hints` calls a section: "services", "container.health_check", "" for the top."""
    names = [step for step in way if isinstance(step, str)]
    return ".".join(names[1:] if len(names) > 1 and names[0] in ("services", "dependencies") else names)
