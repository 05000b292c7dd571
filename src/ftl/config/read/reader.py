"""Reader of the configuration: checks each value by its field type and records its place.

Reading does not stop at a mistake: a value that cannot be read is reported and takes its default (or an empty value),
so that everything else in the file is checked in the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ftl.config.models import field_types
from ftl.config.models.field_types import (
    CommandLine,
    FieldType,
    Key,
    ListOf,
    Nested,
    Scalar,
    StringMap,
    keys_of,
)
from ftl.config.read import foreign_keys
from ftl.config.read.interpolator import AlreadyReported
from ftl.config.read.parts import WHOLE
from ftl.config.read.problems import hint_section, quoted, section_label, value_label
from ftl.config.read.sections import complete, is_confidential, long_form
from ftl.config.read.string_maps import StringMapReader
from ftl.config.values.scalars import InvalidValue, shell_words
from ftl.config.variables.interpolation import MASK
from ftl.config.yaml.tree import (
    MappingEntry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    describe_kind,
    is_null,
    scalars,
    unquoted,
)
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ftl.config.models.field_types import Section
    from ftl.config.read.interpolator import Interpolator
    from ftl.config.read.parts import Parts
    from ftl.config.variables.env_file import Variable
    from ftl.config.yaml.locations import KeyPath, Location

S = TypeVar("S", bound="Section")


@dataclass(frozen=True, slots=True)
class ShortForm:
    """Shorter ways to write a section.

    Attributes:
        move: Moves keys to where the section declares them; null stays null there.
        expand: Converts a mapping, with its keys moved, to the declared form.
        from_text: Makes a mapping from a single value.
        extra_keys: Keys that `move` or `expand` removes, with their descriptions.
        item_key: Key that names an item in a list of these sections.
        from_entry: Makes an item from an entry of a mapping in place of the list.
    """

    move: Callable[[MappingNode], MappingNode] | None = None
    expand: Callable[[Reader, MappingNode, KeyPath], MappingNode] | None = None
    from_text: Callable[[Reader, ScalarNode], MappingNode] | None = None
    extra_keys: Mapping[str, str] = field(default_factory=dict)
    item_key: str = "name"
    from_entry: Callable[[str, MappingEntry], Node] | None = None

    def moved(self, mapping: MappingNode) -> MappingNode:
        """The mapping with its keys where the section declares them."""
        return mapping if self.move is None else self.move(mapping)

    def listed(self, node: Node) -> Node:
        """The list in place of a mapping, where a mapping may be written."""
        if self.from_entry is None or not isinstance(node, MappingNode):
            return node
        items = tuple(self.from_entry(name, entry) for name, entry in node.entries.items())
        return SequenceNode(items, node.location)


ShortForms = Mapping[type[Any], ShortForm]
NO_SHORT_FORM = ShortForm()

_WORD = Scalar("text", str)
_COMMAND = Scalar("command", shell_words)


class Reader:
    """Reads the sections of one configuration.

    Attributes:
        interpolator: Reads texts; has the variables and receives problems.
        locations: Places of all values that the files give, valid or not.
        sections: The sections that the files give as mappings: keys that these lack are really missing.
        masked: Masked texts of sensitive values that come from variables.
        unresolved: Unresolved texts of values with secrets in them (`ftl.config.variables.interpolation`).
        commands: Commands that the files give.
        env_files: Variables of the env files of a service, by the key path of its env, which wins over them.
        secrets: Names of the secrets that the files declare.
        removed: Services and dependencies that an overlay removes, with the places where it does.
    """

    def __init__(
        self, interpolator: Interpolator, folder: Path, short_forms: ShortForms, parts: Parts = WHOLE
    ) -> None:
        self.interpolator = interpolator
        self.folder = folder
        self.locations: dict[KeyPath, Location] = {}
        self.sections: set[KeyPath] = set()
        self.masked: dict[KeyPath, str] = {}
        self.unresolved: dict[KeyPath, str] = {}
        self.commands: set[KeyPath] = set()
        self.env_files: dict[KeyPath, dict[str, Variable]] = {}
        self.secrets: tuple[str, ...] = ()
        self.removed: dict[str, Location] = {}
        self._short_forms = short_forms
        self._parts = parts

    def report(self, location: Location, message: str, hint: str | None = None) -> None:
        """Add a problem."""
        self.interpolator.problems.add(location, message, hint)

    def section(self, section: type[S], node: Node, path: KeyPath) -> S:
        """Read a section.

        Raises:
            AlreadyReported: It is not a mapping, and not a text that is short for one.
        """
        mapping = self._mapping(section, node, path)
        self.locations[path] = mapping.location
        self.sections.add(path)
        form = self._short_form(section)
        mapping = self._parts.of(form.moved(mapping), path, self._known(section))
        self._reject_alternatives(section, mapping, path)
        if form.expand is not None:
            mapping = form.expand(self, mapping, path)
        misspelt = self._reject_unknown(section, mapping, path)
        return complete(section, self._values(section, mapping, path, misspelt))

    def _short_form(self, section: type[Any]) -> ShortForm:
        return self._short_forms.get(section, NO_SHORT_FORM)

    def _known(self, section: type[Any]) -> tuple[str, ...]:
        return (*keys_of(section), *self._short_form(section).extra_keys)

    def _mapping(self, section: type[Any], node: Node, path: KeyPath) -> MappingNode:
        if isinstance(node, MappingNode):
            return node
        from_text = self._short_form(section).from_text
        if isinstance(node, ScalarNode) and from_text is not None:
            return from_text(self, node)
        hint = f"its keys are {', '.join(keys_of(section))}"
        if isinstance(node, ScalarNode) and "name" in keys_of(section):
            hint = f"write `name: {node.text}`"
        self.report(
            node.location, f"{section_label(path)} must be a mapping, not {describe_kind(node)}", hint
        )
        raise AlreadyReported

    def _reject_unknown(self, section: type[Any], mapping: MappingNode, path: KeyPath) -> set[str]:
        """Report keys that the section does not have; return the known keys of which they are misspellings."""
        known = self._known(section)
        misspelt: set[str] = set()
        for name, entry in mapping.entries.items():
            if name not in known and not (name.startswith("x-") and not path):
                hint, match = foreign_keys.advice(name, known, hint_section(path))
                of_section = f"of {section_label(path)}" if path else "at the top of the file"
                self.report(entry.key, f"`{name}` is not a key {of_section}", hint)
                misspelt |= {match} if match else set()
        return misspelt

    def _reject_alternatives(self, section: type[Section], mapping: MappingNode, path: KeyPath) -> None:
        for alternatives in section.ALTERNATIVES:
            given = [name for name in mapping.entries if name in alternatives.given(mapping)]
            for name in given[1:]:
                label = f"{value_label(path)}: " if path else ""
                message = f"{label}{given[0]} and {name} are both given"
                self.report(mapping.entries[name].key, message, "keep one of the two")

    def _values(
        self, section: type[Any], mapping: MappingNode, path: KeyPath, misspelt: set[str]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, key in keys_of(section).items():
            inner = (*path, name)
            if not self._parts.have(inner):
                continue
            node = mapping.get(name)
            if node is None:
                if key.required and name not in misspelt:
                    self._report_missing(name, mapping, path)
                continue
            if is_confidential(key.type):
                node = unquoted(node, {url.location.line for url in scalars(node) if "://" in url.text})
            self.locations[inner] = node.location
            try:
                value = self._value(key, node, inner)
            except AlreadyReported:
                continue
            if value is not None:
                values[name] = value
        return values

    def _report_missing(self, name: str, mapping: MappingNode, path: KeyPath) -> None:
        label = f"`{name}` of {section_label(path)}" if path else f"`{name}`"
        entry = mapping.entries.get(name)
        if entry is not None:
            self.report(entry.value.location, f"{label} is empty")
        else:
            self.report(mapping.location, f"{label} is missing")

    def _value(self, key: Key, node: Node, path: KeyPath) -> Any:
        match key.type:
            case Scalar() as scalar:
                return self._scalar(scalar, node, path, key)
            case ListOf(item):
                return self._list(item, node, path, key)
            case StringMap():
                return self._string_map(node, path)
            case CommandLine(for_shell):
                return self._command_line(node, path, key, for_shell=for_shell)
            case Nested(section) as nested:
                return self.section(section, long_form(nested, node), path)

    def _scalar(self, scalar: Scalar, node: Node, path: KeyPath, key: Key) -> Any:
        """Read a single value; None if it is empty and optional."""
        label = value_label(path)
        text = self.interpolator.read(node, label)
        self.locations[path] = text.location
        if not text.text and not key.required:
            return None
        try:
            value = scalar.parse(text.text)
        except InvalidValue as error:
            shown, hint, location = text.text, error.hint, text.location
            if text.masked != text.text and isinstance(node, ScalarNode):
                shown, hint = node.text, text.origin
            if scalar.confidential and text.masked != MASK:  # a part of it at least is in the file itself
                shown, location = MASK, location.unquoted
            self.report(location, f"{label}: {quoted(shown)} {error.message}", hint)
            raise AlreadyReported from None
        if key.sensitive and text.masked != text.text:
            self.masked[path] = text.masked
        if text.unresolved:
            self.unresolved[path] = text.unresolved
        return value

    def _list(self, item: FieldType, node: Node, path: KeyPath, key: Key) -> tuple[Any, ...]:
        if isinstance(item, Nested):
            node = self._short_form(item.section).listed(node)
        if not isinstance(node, SequenceNode):
            self._report_no_list(item, node, path)
            raise AlreadyReported
        if key.required and not node.items:
            self.report(node.location, f"{value_label(path)} is empty", "it needs at least one item")
        values: list[Any] = []
        item_key = Key(item, key.description, required=True, sensitive=key.sensitive)
        for item_node in node.items:
            index = len(values)  # so that locations belong to the values, also behind one that is left out
            self.locations[(*path, index)] = item_node.location
            if is_null(item_node):
                self.report(item_node.location, f"{value_label(path)} has an empty item")
                continue
            try:
                values.append(self._value(item_key, item_node, (*path, index)))
            except AlreadyReported:
                continue
        return tuple(values)

    def _report_no_list(self, item: FieldType, node: ScalarNode | MappingNode, path: KeyPath) -> None:
        first = node.text if isinstance(node, ScalarNode) else next(iter(node.entries), "...")
        if isinstance(node, ScalarNode) and is_confidential(item):
            first = "${NAME}"
            node = replace(node, location=node.location.unquoted)
        by_name = (
            isinstance(node, MappingNode) and isinstance(item, Nested) and "name" in keys_of(item.section)
        )
        hint = f"write a list: `- name: {first}`" if by_name else f"write a list: `- {first}`"
        self.report(node.location, f"{value_label(path)} must be a list, not {describe_kind(node)}", hint)

    def _string_map(self, node: Node, path: KeyPath) -> dict[str, str]:
        reader = StringMapReader(
            self.interpolator, value_label(path), elsewhere=lambda name: self._elsewhere(path, name)
        )
        reader.read(node)
        from_files = self.env_files.get(path, {})
        self.locations |= {
            (*path, name): file.location for name, file in from_files.items() if file.location is not None
        }
        self.locations |= {(*path, name): location for name, location in reader.locations.items()}
        self.masked |= {(*path, name): masked for name, masked in reader.masked.items()}
        unresolved = {name: file.unresolved for name, file in from_files.items() if name not in reader.texts}
        self.unresolved |= {
            (*path, name): text for name, text in (unresolved | reader.unresolved).items() if text
        }
        return {name: variable.value for name, variable in from_files.items()} | reader.texts

    def _elsewhere(self, path: KeyPath, name: str) -> str | None:
        """Another value of a name of env or of build arguments; None: none, or this is another map."""
        if path[-1] not in ("env", "args"):
            return None
        if name in self.secrets:
            return "a secret has this name"
        written = self.interpolator.variables.in_file(name)  # a file is valid in every shell, or in none
        return None if written is None else f"the variable {name} has one ({written.origin})"

    def _command_line(
        self, node: Node, path: KeyPath, key: Key, *, for_shell: bool
    ) -> str | tuple[str, ...] | None:
        self.commands.add(path)
        if not isinstance(node, SequenceNode):
            scalar = field_types.TEXT if for_shell else _COMMAND
            command_key = Key(scalar, "", required=not for_shell, sensitive=key.sensitive)
            text: str | None = self._scalar(scalar, node, path, command_key)
            return text
        return self._list(
            _WORD, node, path, Key(_WORD, key.description, required=True, sensitive=key.sensitive)
        )
