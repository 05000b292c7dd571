"""Interpolation: the meaning of `${...}` in a text.

The grammar is Compose's with braces: `${VAR}` (unset: an error), `${VAR:-x}` (x when unset or empty), `${VAR-x}`
(x when unset), `${VAR:?message}` and `${VAR?message}` (an error with the message), `${VAR:+x}` and `${VAR+x}`
(x when set), `$$` (one dollar sign). x and the message may contain variables themselves. Any other `$` is an ordinary
character: `$HOME` in a hook is for its shell. The value of a variable is final: it is never interpolated again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

MASK = "********"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]|\}|$")
_MAX_DEPTH = 20


class InterpolationError(ValueError):
    """An expression that has no value.

    Attributes:
        hint: How to correct it, if that does not depend on where variables can be set.
        offset: Where in the text the expression begins.
        expression: The beginning of the expression, enough of it to be found in the file.
        variable: The variable that is unset or empty; None if the expression is malformed.
    """

    def __init__(
        self,
        message: str,
        offset: int,
        expression: str,
        *,
        hint: str | None = None,
        variable: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.expression = expression
        self.hint = hint
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A text after interpolation.

    Attributes:
        masked: With `MASK` in place of each value that is not empty.
        variables: Names of the variables whose values are in the text.
    """

    text: str
    masked: str
    variables: tuple[str, ...] = ()

    @property
    def source_variable(self) -> str | None:
        """The variable whose value is the whole text; None if the text has any other part."""
        return self.variables[0] if len(self.variables) == 1 and self.masked == MASK else None


def interpolate(text: str, lookup: Callable[[str], str | None]) -> Interpolated:
    """Replace the expressions of a text by their values; None stands for one that is not set.

    Raises:
        InterpolationError: A variable is unset, required and empty, or an expression is malformed.
    """
    if "$" not in text:
        return Interpolated(text, text)
    result, _ = _Parser(text, lookup).until_end(0, inside=False, depth=0)
    return result


def secret_reference(name: str) -> str:
    """The text that stands for a secret's value in an unresolved text; none other has a NUL."""
    return f"\0{name}\0"


def unresolved_parts(unresolved: str) -> tuple[str, ...]:
    """The parts of an unresolved text: texts, and between each two of them the name of a secret."""
    return tuple(unresolved.split("\0"))


_NOTHING = Interpolated("", "")


class _Parser:
    """Parses a text from left to right; each method returns its result and the offset where it stopped."""

    def __init__(self, text: str, lookup: Callable[[str], str | None]) -> None:
        self._text = text
        self._lookup = lookup

    def until_end(
        self, at: int, *, inside: bool, depth: int, discard: bool = False
    ) -> tuple[Interpolated, int]:
        """Parse to the end of the text, or, inside an expression, to its closing brace.

        With `discard` only the end is wanted: the result is not used, so no variable in it has to be set.
        """
        parts: list[Interpolated] = []
        text = self._text
        while at < len(text) and not (inside and text[at] == "}"):
            if text[at] == "$":
                part, at = self._dollar(at, depth, discard)
                parts.append(part)
            else:
                start, at = at, self._end_of_literal(at, inside)
                parts.append(Interpolated(text[start:at], text[start:at]))
        return _join(parts), at

    def _end_of_literal(self, at: int, inside: bool) -> int:
        ends = [
            end for end in (self._text.find("$", at), self._text.find("}", at) if inside else -1) if end >= 0
        ]
        return min(ends, default=len(self._text))

    def _dollar(self, at: int, depth: int, discard: bool) -> tuple[Interpolated, int]:
        following = self._text[at + 1 : at + 2]
        if following == "{":
            return self._expression(at, depth, discard)
        return Interpolated("$", "$"), at + (2 if following == "$" else 1)

    def _expression(self, start: int, depth: int, discard: bool) -> tuple[Interpolated, int]:
        text = self._text
        name = _NAME.match(text, start + 2)
        if name is None:
            raise _malformed(start, "`${` must be followed by the name of a variable")
        expression = text[start : name.end()]
        if depth == _MAX_DEPTH:
            raise _malformed(start, f"`{expression}` is nested deeper than {_MAX_DEPTH} levels")
        operator = _OPERATOR.match(text, name.end())
        if operator is None:
            unexpected = text[name.end()]
            raise _malformed(start, f"`{expression}` is followed by `{unexpected}`, which is not an operator")
        if operator[0] == "":
            raise _unclosed(start, name[0])
        if operator[0] == "}":
            if discard:
                return _NOTHING, operator.end()
            value = self._lookup(name[0])
            if value is None:
                raise _unset(name[0], start, expression, hint=f"write ${{{name[0]}:-default}}")
            return _value(name[0], value), operator.end()
        return self._with_operand(start, name[0], operator[0], operator.end(), depth, discard)

    def _with_operand(
        self, start: int, name: str, operator: str, at: int, depth: int, discard: bool
    ) -> tuple[Interpolated, int]:
        value = None if discard else self._lookup(name)
        is_set = bool(value) if operator[0] == ":" else value is not None
        action = operator[-1]
        uses_operand = is_set if action == "+" else not is_set
        operand, end = self.until_end(at, inside=True, depth=depth + 1, discard=discard or not uses_operand)
        if end == len(self._text):
            raise _unclosed(start, name)
        if discard:
            return _NOTHING, end + 1
        if action == "?" and not is_set:
            raise _unset(name, start, self._text[start:at], value=value, detail=operand.masked)
        if uses_operand:
            return operand, end + 1
        return _NOTHING if action == "+" else _value(name, value), end + 1


def _value(name: str, value: str | None) -> Interpolated:
    return Interpolated(value, MASK, (name,)) if value else _NOTHING


def _join(parts: list[Interpolated]) -> Interpolated:
    names = [name for part in parts for name in part.variables]
    return Interpolated(
        "".join(part.text for part in parts),
        "".join(part.masked for part in parts),
        tuple(dict.fromkeys(names)),
    )


def _unset(
    name: str,
    start: int,
    expression: str,
    *,
    value: str | None = None,
    detail: str = "",
    hint: str | None = None,
) -> InterpolationError:
    message = f"the variable {name} is {'not set' if value is None else 'empty'}"
    message = f"{message}: {detail}" if detail else message
    return InterpolationError(message, start, expression, hint=hint, variable=name)


def _malformed(start: int, message: str) -> InterpolationError:
    hint = "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ is a dollar sign"
    return InterpolationError(message, start, "${", hint=hint)


def _unclosed(start: int, name: str) -> InterpolationError:
    return InterpolationError(f"`${{{name}` is not closed", start, f"${{{name}", hint="write } at its end")
