"""Names and texts (env, build arguments), written as a map or as a list of NAME=TEXT."""

from __future__ import annotations

from ftl.config.variables import MASK, Interpolated
from ftl.config.yaml.interpolated import AlreadyReported, Interpolator
from ftl.config.yaml.tree import MappingNode, Mark, Node, ScalarNode, SequenceNode, is_null


class Pairs:
    """Collects names and texts, each name once.

    Attributes:
        texts: By name; exactly as written, so that `1.10`, `0644` and `on` stay what they are.
        masked: Those that came from variables, made unreadable.
    """

    def __init__(self, texts: Interpolator, label: str) -> None:
        self.texts: dict[str, str] = {}
        self.masked: dict[str, str] = {}
        self._source = texts
        self._label = label
        self._lines: dict[str, int] = {}

    def read(self, node: Node) -> None:
        """Take in a map or a list.

        Raises:
            AlreadyReported: it is neither.
        """
        match node:
            case MappingNode():
                for name, entry in node.entries.items():
                    self._add(name, entry.key, entry.value)
            case SequenceNode():
                for item in node.items:
                    self._add_line(item)
            case ScalarNode():
                hint = "write a map, or a list of NAME=VALUE"
                self._report(node.mark, f"{self._label} must be a map or a list, not a single value", hint)
                raise AlreadyReported

    def _add(self, name: str, key: Mark, value: Node) -> None:
        if not _is_name(name):
            self._report(key, f"{self._label}: `{name}` is not the name of a variable")
            return
        if is_null(value) and isinstance(value, ScalarNode) and not value.text:
            self._keep(name, key, Interpolated("", ""))
            return
        try:
            filled = self._source.get(value, f"{self._label}: {name}")
        except AlreadyReported:
            return
        self._keep(name, value.mark, filled)

    def _add_line(self, item: Node) -> None:
        if isinstance(item, MappingNode) and len(item.entries) == 1:
            hint = f"write {next(iter(item.entries))}=VALUE, or leave out all the dashes to write a map"
            self._report(item.mark, f"{self._label}: a line of the list must be NAME=VALUE", hint)
            return
        try:
            filled = self._source.get(item, f"a line of {self._label}")
        except AlreadyReported:
            return
        name, equals, value = filled.text.partition("=")
        if equals and _is_name(name):
            own_name = filled.masked.startswith(f"{name}=")
            hidden = filled.masked.partition("=")[2] if own_name else MASK
            self._keep(name, item.mark, Interpolated(value, hidden))
        elif isinstance(item, ScalarNode):
            self._report(item.mark, f"{self._label}: `{item.text}` is not NAME=VALUE", _line_hint(item.text))

    def _keep(self, name: str, mark: Mark, filled: Interpolated) -> None:
        if name in self._lines:
            message = f"{self._label}: `{name}` is given twice; the first is at line {self._lines[name]}"
            self._report(mark, message, "keep one of the two")
            return
        self._lines[name] = mark.line
        self.texts[name] = filled.text
        if filled.masked != filled.text:
            self.masked[name] = filled.masked

    def _report(self, mark: Mark, message: str, hint: str | None = None) -> None:
        self._source.report(mark, message, hint)


def _is_name(name: str) -> bool:
    return bool(name) and not any(char.isspace() or char in "=\0" for char in name)


def _line_hint(text: str) -> str | None:
    if "=" in text:
        return "write NAME=VALUE without spaces around ="
    if text.isidentifier():
        return f"write {text}=VALUE, or {text}=${{{text}}} to hand on a variable"
    return None
