r"""Parser of `.env` and env files, with the rules of Compose.

A statement is `NAME=VALUE` or `NAME: VALUE`, with `export` before it if the file is also sourced by a shell, or a NAME
alone, which takes its value from the environment. In double quotes and without quotes, `${...}` is interpolated
(`interpolation` has the grammar) from the project's secrets, from the environment, from the lines above, and from the
files before this one; an earlier one of these wins. Double quotes also have the escapes of Compose: `\$` is a dollar
sign. Single quotes keep everything as it is, backslashes too; only `\'` is a quote. Quoted values may have several
lines. Unquoted ones end at white space followed by `#`.
(compose-go, dotenv/parser.go; bash agrees but for `$NAME` without braces, which is ordinary text here, and for `\'`.)
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.config.variables.interpolation import (
    InterpolationError,
    interpolate,
    secret_reference,
    unresolved_parts,
)
from ftl.config.yaml.locations import Location, SourceFile
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ftl.errors import Problem

_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_NAME = re.compile(r"""(?:export[ \t]+)?(?P<name>[^\s=:#'"]+)[ \t]*(?P<separator>[=:]|(?=\n|$|\#))""")
_QUOTE = re.compile(r"""[ \t]*(?=['"])""")
_SINGLE = re.compile(r"'((?:\\'|[^'])*)'")
_DOUBLE = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)
_BARE = re.compile(r"[^\n]*")
_COMMENT = re.compile(r"\s+#.*")
_END_OF_LINE = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_REST_OF_LINE = re.compile(r"[^\n]*(?:\n|$)")
_ESCAPE = re.compile(r'\\([abfnrtv$"\\]|0[0-7]{0,3})')
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_NO_STATEMENT = "this line is not NAME=VALUE"
_QUOTE_IT = "quote a value that has quotes or line breaks in it"
_SET_IT = "set it in the environment or in a line above"
_KEEP_IT = "or put the value in single quotes to keep it as it is"


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a variable, and the place that it comes from.

    Attributes:
        location: None for the process environment.
        unresolved: With a reference (`secret_reference`) to each secret in place of its value; empty: it has none.
    """

    value: str
    location: Location | None = None
    unresolved: str = field(default="", repr=False)

    @property
    def secrets(self) -> frozenset[str]:
        """Names of the secrets whose values are in it."""
        return frozenset(unresolved_parts(self.unresolved)[1::2])

    @property
    def origin(self) -> str:
        """The place, as messages name it."""
        return self.location.shown if self.location else "the environment"


def parse_env_file(
    source: SourceFile,
    environment: Mapping[str, str],
    *,
    overridden: Collection[str] = (),
    before: Mapping[str, Variable] | None = None,
    secrets: Mapping[str, str] | None = None,
    unresolved: Mapping[str, str] | None = None,
    interpolated: bool = True,
) -> tuple[dict[str, Variable], list[Problem]]:
    """Parse a file of variables.

    The environment wins over the file in its `${...}`, and has the values of NAMEs that stand alone; `secrets` win over
    the environment. Values of `overridden` names are not used, so nothing in them has to be set. `before` has the
    variables of files that are read before it, for its `${...}`, too. `unresolved` has the texts of the environment's
    variables with secrets in them (`Variable.unresolved`). Where values are not `interpolated`, every `$` in them is
    one.

    Returns:
        The variables, and the lines that cannot be parsed, without their text, which may be a secret.
    """
    parser = _Parser(
        source, environment, overridden, before or {}, secrets or {}, unresolved or {}, interpolated
    )
    parser.parse()
    return parser.variables, parser.problems


class _Parser:
    def __init__(
        self,
        source: SourceFile,
        environment: Mapping[str, str],
        overridden: Collection[str],
        before: Mapping[str, Variable],
        secrets: Mapping[str, str],
        unresolved: Mapping[str, str],
        interpolated: bool,
    ) -> None:
        self.variables: dict[str, Variable] = {}
        self.problems: list[Problem] = []
        self._source = source
        self._text = source.text.replace("\r\n", "\n").replace("\r", "\n")
        self._environment = environment
        self._overridden = overridden
        self._before = before
        self._secrets = secrets
        self._given_unresolved = unresolved
        self._interpolated = interpolated
        self._dollar = "$$" if interpolated else "$"
        self._line, self._line_start = 1, 0

    def parse(self) -> None:
        at = self._skip(_BLANK, 0)
        while at < len(self._text):
            at = self._skip(_BLANK, self._statement(at))

    def _skip(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self._text, at)
        return match.end() if match else at

    def _statement(self, start: int) -> int:
        """Parse one statement; return the offset behind it."""
        location = self._location(start)
        match = _NAME.match(self._text, start)
        if match is None:
            return self._reject(start, location)
        name = match["name"]
        if not match["separator"]:
            if name in self._secrets:
                self.variables[name] = Variable(self._secrets[name], location, secret_reference(name))
            elif name in self._environment:
                self.variables[name] = Variable(self._environment[name], location, self._unresolved(name))
            return match.end()
        value, end = self._value(match.end())
        if value is None or not _END_OF_LINE.match(self._text, end):
            return self._reject(start, location)
        if name not in self._overridden:
            try:
                self.variables[name] = self._variable(value, location)
            except InterpolationError as error:
                advice = _SET_IT if error.variable else error.hint
                self.problems.append(location.problem(error.message, f"{advice}, {_KEEP_IT}"))
        return end

    def _variable(self, value: str, location: Location) -> Variable:
        if not self._interpolated:
            return Variable(value, location)
        result = interpolate(value, self._lookup)
        if not any(self._unresolved(name) for name in result.variables):
            return Variable(result.text, location)
        unresolved = interpolate(value, lambda name: self._unresolved(name) or self._lookup(name)).text
        return Variable(result.text, location, unresolved)

    def _lookup(self, name: str) -> str | None:
        if name in self._secrets:
            return self._secrets[name]
        earlier = self._earlier(name)
        return self._environment.get(name, earlier.value if earlier else None)

    def _earlier(self, name: str) -> Variable | None:
        return self.variables.get(name) or self._before.get(name)

    def _unresolved(self, name: str) -> str:
        """The value of a variable with secrets in it, as `Variable.unresolved`; empty for any other."""
        if name in self._secrets:
            return secret_reference(name) if self._secrets[name] else ""
        if name in self._environment:
            return self._given_unresolved.get(name, "")
        earlier = self._earlier(name)
        return earlier.unresolved if earlier is not None else ""

    def _value(self, start: int) -> tuple[str | None, int]:
        """The value that begins here, with `$` as `interpolate` wants it; None if a quote is open."""
        text = self._text
        quote = _QUOTE.match(text, start)
        if quote is None:
            end = self._skip(_BARE, start)
            return _COMMENT.sub("", text[start:end], count=1).strip(), end
        if text[quote.end()] == "'":
            match = _SINGLE.match(text, quote.end())
            return (
                (match[1].replace("\\'", "'").replace("$", self._dollar), match.end())
                if match
                else (None, start)
            )
        match = _DOUBLE.match(text, quote.end())
        return (_ESCAPE.sub(self._unescaped, match[1]), match.end()) if match else (None, start)

    def _unescaped(self, match: re.Match[str]) -> str:
        escape = match[1]
        if escape == "$":
            return self._dollar
        return chr(int(escape, 8) & 0xFF) if escape[0] == "0" else _ESCAPES.get(escape, escape)

    def _reject(self, start: int, location: Location) -> int:
        self.problems.append(location.problem(_NO_STATEMENT, _QUOTE_IT))
        return self._skip(_REST_OF_LINE, start)

    def _location(self, at: int) -> Location:
        """The place of an offset; offsets are asked for in ascending order."""
        self._line += self._text.count("\n", self._line_start, at)
        self._line_start = self._text.rfind("\n", 0, at) + 1
        return Location(self._source, self._line, at - self._line_start + 1, at)
