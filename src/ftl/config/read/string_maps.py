"""Reader of names with texts (env, build arguments): a map, or a list of NAME=TEXT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.read.interpolator import AlreadyReported, InterpolatedText, Interpolator
from ftl.config.variables.interpolation import MASK
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode, is_null

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.config.yaml.locations import Location


class StringMapReader:
    """Collects names and texts, each name once.

    Attributes:
        texts: By name; exactly as written, so that `1.10`, `0644` and `on` stay what they are.
        masked: Masked texts of those that come from variables.
        unresolved: Unresolved texts of those with secrets in them.
        locations: The places of the texts.
    """

    def __init__(
        self, interpolator: Interpolator, label: str, *, elsewhere: Callable[[str], str | None]
    ) -> None:
        """Begin with no names.

        `label` is the key, for messages. `elsewhere`: where a name without a value has one, which it may have meant.
        """
        self.texts: dict[str, str] = {}
        self.masked: dict[str, str] = {}
        self.unresolved: dict[str, str] = {}
        self.locations: dict[str, Location] = {}
        self._interpolator = interpolator
        self._label = label
        self._elsewhere = elsewhere
        self._written: dict[str, Location] = {}

    def read(self, node: Node) -> None:
        """Read a map or a list.

        Raises:
            AlreadyReported: It is neither.
        """
        match node:
            case MappingNode():
                for name, entry in node.entries.items():
                    self._add_entry(name, entry.key, entry.value)
            case SequenceNode():
                for item in node.items:
                    self._add_line(item)
            case ScalarNode():
                message = f"{self._label} must be a map or a list, not a single value"
                self._report(node.location, message, "write a map, or a list of NAME=VALUE")
                raise AlreadyReported

    def _add_entry(self, name: str, key: Location, value: Node) -> None:
        if not _is_name(name):
            self._report(key, f"{self._label}: `{name}` is not a variable name")
            return
        if is_null(value) and isinstance(value, ScalarNode) and not value.text:
            if (place := self._elsewhere(name)) is not None:
                # Compose would take it from there.
                message = f"{self._label}: {name} has no value, and {place}"
                hint = f"write `{name}: ${{{name}}}` to take that value, or `{name}: ''` for an empty one"
                self._report(key, message, hint)
                return
            self._keep(name, key, InterpolatedText("", "", key))
            return
        try:
            text = self._interpolator.read(value, f"{self._label}: {name}")
        except AlreadyReported:
            return
        self._keep(name, value.location, text)

    def _add_line(self, item: Node) -> None:
        if isinstance(item, MappingNode) and len(item.entries) == 1:
            hint = f"write {next(iter(item.entries))}=VALUE, or remove all the dashes to write a map"
            self._report(item.location, f"{self._label}: a line of the list must be NAME=VALUE", hint)
            return
        try:
            text = self._interpolator.read(item, f"a line of {self._label}")
        except AlreadyReported:
            return
        name, equals, value = text.text.partition("=")
        if equals and _is_name(name):
            name_is_plain = text.masked.startswith(f"{name}=")
            masked = text.masked.partition("=")[2] if name_is_plain else MASK
            unresolved = text.unresolved.partition("=")[2] if name_is_plain else ""
            self._keep(
                name, item.location, InterpolatedText(value, masked, text.location, unresolved=unresolved)
            )
        elif isinstance(item, ScalarNode):
            self._report(
                item.location, f"{self._label}: `{item.text}` is not NAME=VALUE", _line_hint(item.text)
            )

    def _keep(self, name: str, written: Location, text: InterpolatedText) -> None:
        if name in self._written:
            first = self._written[name].seen_from(written)
            message = f"{self._label}: `{name}` is given twice; the first one is at {first}"
            self._report(written, message, "keep one of the two")
            return
        self._written[name] = written
        self.locations[name] = text.location
        self.texts[name] = text.text
        if text.masked != text.text:
            self.masked[name] = text.masked
        if text.unresolved:
            self.unresolved[name] = text.unresolved

    def _report(self, location: Location, message: str, hint: str | None = None) -> None:
        self._interpolator.problems.add(location, message, hint)


def _is_name(name: str) -> bool:
    return bool(name) and not any(char.isspace() or char in "=\0" for char in name)


def _line_hint(text: str) -> str | None:
    if "=" in text:
        return "write NAME=VALUE without spaces around ="
    if text.isidentifier():
        return f"write {text}=VALUE, or {text}=${{{text}}} to pass a variable on"
    return None
