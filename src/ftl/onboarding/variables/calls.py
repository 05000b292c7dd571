"""Variables that code reads by a call or a subscript with their name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.variables.variable import CodeVariable

if TYPE_CHECKING:
    from collections.abc import Iterator


_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      |(?P<opening>[(\[{])|(?P<closing>[)\]}])|[^#"'()\[\]{}]+|.""",
    re.VERBOSE | re.DOTALL,
)
_LONGEST = 4000
"""Characters of a call that are read: a file may be no source of Python."""


def own_arguments(source: str, start: int) -> str:
    """The arguments of a call whose parenthesis opened before `start`.

    Comments and the arguments of inner calls are left out.
    """
    depth, kept = 0, []
    for token in _TOKEN.finditer(source, start, start + _LONGEST):
        depth += (token["opening"] is not None) - (token["closing"] is not None)
        if depth < 0:
            break
        if depth == 0 and token["comment"] is None:
            kept.append(token[0])
    return "".join(kept).strip()


def keyword_of(arguments: str, name: str) -> str | None:
    """The value of a keyword as it is written; None without it."""
    match = re.search(rf"(?:^|,)\s*{name}\s*=(?!=)\s*([^\s,]*)", arguments)
    return match[1] if match else None


def has_positional(arguments: str) -> bool:
    """Whether the first argument has no keyword."""
    return bool(arguments) and re.match(r"\w+\s*=(?!=)", arguments) is None


_READ = re.compile(
    r"""(?:environ(?:\.get)?\s*[\[(]|getenv\s*\(|Getenv\s*\(|LookupEnv\s*\(|ENV\s*\[|ENV\.fetch\s*\(|\benv\s*\(|
        \bconfig\s*\(|\benv\.[a-z_]+\s*\()\s*["']([A-Z][A-Z0-9_]+)["']
      |import\.meta\.env\.((?:VITE|PUBLIC)_[A-Z0-9_]+)
      |process\.env\.([A-Z][A-Z0-9_]+)|process\.env\[["']([A-Z][A-Z0-9_]+)
      |\benv:"([A-Z][A-Z0-9_]+)[,"]|\benvconfig:"([A-Z][A-Z0-9_]+)\"""",
    re.VERBOSE,
)
"""Calls and subscripts of any language; tags of Go's packages env and envconfig."""

_DEMANDED = re.compile(
    r"""(?<![.\w])(?:os\.)?environ\[\s*["']([A-Z][A-Z0-9_]+)["']\s*\](?!\s*=[^=])
      |ENV\.fetch\(\s*["']([A-Z][A-Z0-9_]+)["']\s*\)(?!\s*\{)
      |\benv:"([A-Z][A-Z0-9_]+),(?:[^"]*,)?(?:required|notEmpty)\b(?![^`\n]*\benvDefault:)""",
    re.VERBOSE,
)
"""Forms that end without the variable: Python's `os.environ["X"]`, Ruby's `ENV.fetch("X")`, a tag of Go."""

_READERS = re.compile(
    r"""(?<![.\w])(?:env|config)(?:\.[a-z_]+)?\(\s*["']([A-Z][A-Z0-9_]+)["']([^()]*)\)""",
)
"""Calls of django-environ, environs, python-decouple and Starlette, which demand what has no default."""

_LIBRARY_CALL = re.compile(
    r"\b(?:(?P<environ>env\.\w+)|(?P<url>dj_database_url\.config)|(?P<heroku>django(?:_on)?_heroku\.settings))\("
)
_BY_DEFAULT = {
    "env.db": "DATABASE_URL",
    "env.db_url": "DATABASE_URL",
    "env.cache": "CACHE_URL",
    "env.cache_url": "CACHE_URL",
    "dj_database_url.config": "DATABASE_URL",
}
"""Calls of django-environ and dj-database-url -> the variable that they read where they name none."""


def called_variables(file: str, text: str) -> Iterator[CodeVariable]:
    """Variables that one file reads by their names."""
    demanded = set(_demanded(file, text))
    for match in _READ.finditer(text):
        name = next(filter(None, match.groups()))
        yield CodeVariable(name, file, file if name in demanded else "")
    for name in _by_library(text):
        yield CodeVariable(name, file)


def _by_library(text: str) -> Iterator[str]:
    """Variables of calls that name them by a keyword, or not at all."""
    for match in _LIBRARY_CALL.finditer(text):
        if match["heroku"]:
            yield "DATABASE_URL"
            continue
        arguments = own_arguments(text, match.end())
        named = keyword_of(arguments, "env" if match["url"] else "var")
        if named is not None:
            if literal := re.fullmatch(r"""["']([A-Z][A-Z0-9_]+)["']""", named):
                yield literal[1]
        elif match[0][:-1] in _BY_DEFAULT and not has_positional(arguments):
            yield _BY_DEFAULT[match[0][:-1]]


def _demanded(file: str, text: str) -> Iterator[str]:
    yield from (next(filter(None, match.groups())) for match in _DEMANDED.finditer(text))
    if file.endswith(".py"):
        yield from (match[1] for match in _READERS.finditer(text) if not has_default(match[2]))


def has_default(arguments: str) -> bool:
    """Whether the arguments behind a name have a default, as a keyword or as the second one."""
    return "default" in arguments or re.match(r"\s*,\s*[^\s=,]+\s*(?:,|$)", arguments) is not None
