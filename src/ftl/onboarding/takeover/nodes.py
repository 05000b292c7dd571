"""Reads of a YAML tree with Compose's own variables, for converters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.values.scalars import InvalidValue
from ftl.config.yaml.tree import MappingNode, Node, ScalarNode, SequenceNode, is_null

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_VARIABLE = re.compile(r"\$(?:(\$)|\{|([A-Za-z_][A-Za-z0-9_]*))")
_BRACES_ONLY = re.compile(r"\$(?:(\$)|\{|((?!)))")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(:?[-?+])?")


class ComposeTexts:
    """Texts with `$NAME` and `${NAME}` as in Compose, as texts of ftl.yaml.

    In Compose, a variable that is not set is an empty text; in ftl.yaml `${NAME:-}` says so.

    Attributes:
        variables: The environment and .env.
        braces_only: The texts are those of FTL already, in which `$NAME` is no variable.
        demanded: Those of `unset` without which nothing starts.
        unset: Variables that have no value, and no default where they are used, with what Compose says of them.
    """

    def __init__(self, variables: Mapping[str, str], *, braces_only: bool = False) -> None:
        self.unset: dict[str, str] = {}
        self.demanded: set[str] = set()
        self._pattern = _BRACES_ONLY if braces_only else _VARIABLE
        self.variables = variables

    def convert(self, text: str) -> str:
        """The text with FTL's form of each variable; `$$` means the same in both."""
        return "".join(self._parts(text, resolve=False))

    def resolve(self, text: str) -> str:
        """The text with the values that the variables have now."""
        return "".join(self._parts(text, resolve=True))

    def missing(self, text: str) -> list[str]:
        """Variables that are empty where the text has no default for them."""
        found = _Missing(self.variables)
        found.resolve(text)
        return list(found.names)

    def with_stand_ins(self, text: str, stand_in: str) -> str:
        """The text with the values of now, and a stand-in where that is empty."""
        return _StandIns(self.variables, stand_in).resolve(text)

    def demand(self, text: str, reason: str) -> str:
        """The text for ftl.yaml, in which a variable that is empty now must be set."""
        return _Demanding(self, reason).convert(text)

    def bind(self, text: str, values: Mapping[str, str]) -> str:
        """The text with some values in it that have no other; its other variables stay as they are."""
        return _Binding(self.variables, values).convert(text)

    def _parts(self, text: str, *, resolve: bool) -> Iterator[str]:
        position = 0
        while match := self._pattern.search(text, position):
            yield text[position : match.start()]
            position = match.end()
            if match[1]:
                yield "$" if resolve else "$$"
            elif match[2]:
                yield self._variable(match[2], "", "", resolve=resolve)
            else:
                end = _closing(text, position)
                name = _NAME.match(text, position)
                if end < 0 or name is None:
                    yield match[0]
                    continue
                yield self._variable(name[1], name[2] or "", text[name.end() : end], resolve=resolve)
                position = end + 1
        yield text[position:]

    def _variable(self, name: str, operator: str, word: str, *, resolve: bool) -> str:
        value = self.variables.get(name)
        if not resolve:
            if not operator and value is None:
                self.unset.setdefault(name, "it is not set, and so empty, as in Compose: set it in .env")
                return f"${{{name}:-}}"
            if operator in ("?", ":?") and not value:
                reason = f" ({word.strip()})" if word.strip() else ""
                self.unset[name] = (
                    f"Compose does not start without it{reason}, and FTL neither: set it in .env"
                )
                self.demanded.add(name)
            return f"${{{name}{operator}{self.convert(word)}}}"
        missing = not value if operator.startswith(":") else value is None
        if operator.endswith("+"):
            return "" if missing else self.resolve(word)
        return self.resolve(word) if missing and operator.endswith("-") else value or ""


class _Missing(ComposeTexts):
    """Notes the variables that are empty and have no default."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(variables)
        self.names: dict[str, None] = {}

    def _variable(self, name: str, operator: str, word: str, *, resolve: bool) -> str:
        if not operator.endswith(("-", "+")) and not self.variables.get(name):
            self.names[name] = None
        return super()._variable(name, operator, word, resolve=resolve)


class _StandIns(ComposeTexts):
    """Puts a text in the place of variables that are empty."""

    def __init__(self, variables: Mapping[str, str], stand_in: str) -> None:
        super().__init__(variables)
        self._stand_in = stand_in

    def _variable(self, name: str, operator: str, word: str, *, resolve: bool) -> str:
        value = super()._variable(name, operator, word, resolve=resolve)
        return value if value or operator.endswith("+") else self._stand_in


class _Demanding(ComposeTexts):
    """Demands the variables that are empty, on behalf of another one."""

    def __init__(self, texts: ComposeTexts, reason: str) -> None:
        super().__init__(texts.variables)
        self._reason = reason
        self.unset, self.demanded = texts.unset, texts.demanded

    def _variable(self, name: str, operator: str, word: str, *, resolve: bool) -> str:
        if operator.endswith("+") or super()._variable(name, operator, word, resolve=True):
            return super()._variable(name, operator, word, resolve=resolve)
        self.unset[name] = self._reason
        self.demanded.add(name)
        return f"${{{name}:?}}"


class _Binding(ComposeTexts):
    """Puts values of the variables of an included file into its texts."""

    def __init__(self, variables: Mapping[str, str], values: Mapping[str, str]) -> None:
        super().__init__({**values, **variables})
        self._bound = values.keys() - variables.keys()

    def _variable(self, name: str, operator: str, word: str, *, resolve: bool) -> str:  # noqa: ARG002
        if name in self._bound:
            return super()._variable(name, operator, word, resolve=True).replace("$", "$$")
        return f"${{{name}{operator}{self.convert(word)}}}"


def _closing(text: str, position: int) -> int:
    depth = 1
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if not depth:
                return position
        position += 1
    return -1


def text(node: Node | None) -> str:
    """A single value; empty if there is none."""
    return node.text if isinstance(node, ScalarNode) and not node.is_null else ""


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; a single value counts as a list of one."""
    if isinstance(node, SequenceNode):
        return node.items
    return (node,) if isinstance(node, ScalarNode) and not node.is_null else ()


def entries(node: Node | None) -> dict[str, Node]:
    """The entries of a mapping."""
    return {key: entry.value for key, entry in node.entries.items()} if isinstance(node, MappingNode) else {}


def pairs(node: Node | None) -> dict[str, str | None]:
    """A map, or a list of NAME=VALUE; None for a name without a value."""
    if isinstance(node, MappingNode):
        return {key: None if is_null(value) else text(value) for key, value in entries(node).items()}
    split = [text(item).partition("=") for item in items(node)]
    return {name: value if separator else None for name, separator, value in split if name}


def is_valid(parse: Callable[[str], object], written: str) -> bool:
    """Whether ftl.yaml takes a text as a value."""
    try:
        parse(written)
    except InvalidValue:
        return False
    return True


def table_list(value: object) -> list[dict[str, object]]:
    """A list of mappings; a single one counts as a list of one."""
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, dict)]
