"""Variables: where their values come from, and what `${...}` means.

The grammar is Compose's with braces: `${VAR}` (unset: an error), `${VAR:-x}` (x when unset or empty), `${VAR-x}`
(x when unset), `${VAR:?message}` and `${VAR?message}` (an error with the message), `${VAR:+x}` and `${VAR+x}`
(x when set), `$$` (one dollar sign). x and the message may hold variables themselves. Any other `$` stands for
itself: `$HOME` in a hook is its shell's. What a variable holds is final: it is never looked through for variables
again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.config.read.hints import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MASK = "********"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_DEPTH = 20


class InterpolationError(ValueError):
    """An expression that has no value.

    Attributes:
        offset: Where in the text the expression begins.
        expression: Enough of it to be found in the file.
    """

    def __init__(self, message: str, hint: str | None, offset: int, expression: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.offset = offset
        self.expression = expression


@dataclass(frozen=True, slots=True)
class Interpolated:
    """A text with its variables filled in, and the same with their values made unreadable."""

    text: str
    masked: str


def interpolate(text: str, variables: Mapping[str, str]) -> Interpolated:
    """Fill in the variables of a text.

    Raises:
        VariableError: a variable is unset, required and empty, or an expression is malformed.
    """
    if "$" not in text:
        return Interpolated(text, text)
    plain, masked, _ = _Filler(text, variables).until_end(0, inside=False, depth=0)
    return Interpolated(plain, masked)


class _Filler:
    """Reads a text from left to right; each method returns what it read, and where it stopped."""

    def __init__(self, text: str, variables: Mapping[str, str]) -> None:
        self._text = text
        self._variables = variables

    def until_end(self, at: int, *, inside: bool, depth: int, dry: bool = False) -> tuple[str, str, int]:
        """Read to the end of the text, or inside of an expression to the brace that closes it.

        A dry reading only finds the end: nothing of it is used, so nothing in it has to be set.
        """
        plain: list[str] = []
        masked: list[str] = []
        text = self._text
        while at < len(text):
            if inside and text[at] == "}":
                return "".join(plain), "".join(masked), at
            if text[at] != "$":
                plain.append(text[at])
                masked.append(text[at])
                at += 1
                continue
            one, hidden, at = self._dollar(at, depth, dry)
            plain.append(one)
            masked.append(hidden)
        return "".join(plain), "".join(masked), at

    def _dollar(self, at: int, depth: int, dry: bool) -> tuple[str, str, int]:
        following = self._text[at + 1 : at + 2]
        if following == "$":
            return "$", "$", at + 2
        if following == "{":
            return self._braced(at, depth, dry)
        return "$", "$", at + 1

    def _braced(self, start: int, depth: int, dry: bool) -> tuple[str, str, int]:
        text = self._text
        name = _NAME.match(text, start + 2)
        if name is None:
            raise self._malformed(start, "`${` must be followed by the name of a variable")
        expression = text[start : name.end()]
        if depth == _MAX_DEPTH:
            raise self._malformed(start, f"`{expression}` is nested deeper than {_MAX_DEPTH} levels")
        operator = re.compile(r":?[-?+]|\}|$").match(text, name.end())
        if operator is None:
            wrong = text[name.end()]
            raise self._malformed(start, f"`{expression}` is followed by `{wrong}`, which means nothing here")
        if operator[0] == "":
            raise self._unclosed(start, name[0])
        if operator[0] == "}":
            value = "" if dry else self._required(name[0], start, expression)
            return value, MASK if value else "", operator.end()
        return self._with_operand(start, name[0], operator[0], operator.end(), depth, dry)

    def _with_operand(
        self, start: int, name: str, operator: str, at: int, depth: int, dry: bool
    ) -> tuple[str, str, int]:
        value = self._variables.get(name)
        is_set = bool(value) if operator[0] == ":" else value is not None
        action = operator[-1]
        wanted = is_set if action == "+" else not is_set
        plain, masked, end = self.until_end(at, inside=True, depth=depth + 1, dry=dry or not wanted)
        if end == len(self._text):
            raise self._unclosed(start, name)
        if dry:
            return "", "", end + 1
        if action == "?" and not is_set:
            state = "empty" if value == "" else "not set"
            message = (
                f"the variable {name} is {state}: {masked}" if masked else f"the variable {name} is {state}"
            )
            raise InterpolationError(message, _SET_IT, start, self._text[start:at])
        if wanted:
            return plain, masked, end + 1
        if action == "+":
            return "", "", end + 1
        value = value or ""
        return value, MASK if value else "", end + 1

    def _required(self, name: str, start: int, expression: str) -> str:
        value = self._variables.get(name)
        if value is None:
            message = f"the variable {name} is not set"
            meant = nearest(name, self._variables.keys(), 0.85)
            hint = f"did you mean `{meant}`? Or {_SET_IT}" if meant else _SET_IT
            raise InterpolationError(message, f"{hint}, or write ${{{name}:-default}}", start, expression)
        return value

    def _malformed(self, start: int, message: str) -> InterpolationError:
        return InterpolationError(
            message, "write ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ is a dollar sign", start, "${"
        )

    def _unclosed(self, start: int, name: str) -> InterpolationError:
        return InterpolationError(f"`${{{name}` is not closed", "write } at its end", start, f"${{{name}")


_SET_IT = "set it in the environment or in .env beside ftl.yaml"


def read_env_file(text: str, known: Mapping[str, str]) -> tuple[dict[str, str], list[int]]:
    """Read a file of `NAME=VALUE` lines (.env, env_file); `$` in it is an ordinary character.

    Args:
        text: The file's text.
        known: Where the value of a line that is only a NAME is looked up, as Compose does.

    Returns:
        The variables, and the numbers of the lines that cannot be read (their text may be a secret).
    """
    from io import StringIO

    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    bad: list[int] = []
    for binding in parse_stream(StringIO(text)):
        if binding.error:
            text_read = binding.original.string
            blank = text_read[: len(text_read) - len(text_read.lstrip())]
            bad.append(binding.original.line + blank.count("\n"))
        elif binding.key is not None:
            value = binding.value if binding.value is not None else known.get(binding.key)
            if value is not None:
                values[binding.key] = value
    return values, bad


@dataclass(frozen=True, slots=True)
class Known:
    """The variables that a project sees.

    Attributes:
        values: Those of .env, over which the process environment wins.
        faults: What is wrong with .env: the line (0: the file as a whole) and a sentence.
    """

    values: dict[str, str]
    faults: tuple[tuple[int, str], ...] = ()


def known_in(folder: Path, environ: Mapping[str, str]) -> Known:
    """Read the .env of a folder, if there is one."""
    try:
        text = (folder / ".env").read_text("utf-8-sig")
    except FileNotFoundError:
        return Known(dict(environ))
    except (OSError, ValueError) as error:
        return Known(dict(environ), ((0, f".env cannot be read: {unreadable(error)}"),))
    values, bad = read_env_file(text, environ)
    return Known(values | dict(environ), tuple((line, "this line is not NAME=VALUE") for line in bad))


def variables(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that ftl.yaml in `folder` sees: what hooks and builds on this machine are to be given.

    What is wrong in .env is left out here; `load` reports it.
    """
    return known_in(folder, environ).values


def unreadable(error: OSError | ValueError) -> str:
    """Why a file could not be read as text."""
    return error.strerror or "unknown" if isinstance(error, OSError) else "it is not UTF-8 text"
