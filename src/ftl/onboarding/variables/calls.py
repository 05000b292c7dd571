"""Variables that code reads by a call or a subscript with their name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.variables.variable import CodeVariable

if TYPE_CHECKING:
    from collections.abc import Iterator

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

_BY_DEFAULT = {
    "DATABASE_URL": r"\benv\.(?:db|db_url)\(\s*(?:\)|(?!var\b)\w+\s*=(?!=))"
    r"|\bdj_database_url\.config\(\s*(?:\)|(?!env\b)\w+\s*=(?!=))(?![^()]*\benv\s*=)"
    r"|\bdjango(?:_on)?_heroku\.settings\(",
    "CACHE_URL": r"\benv\.(?:cache|cache_url)\(\s*(?:\)|(?!var\b)\w+\s*=(?!=))",
}
"""Calls of django-environ, dj-database-url and django-heroku that read a variable without naming it."""

_BY_KEYWORD = re.compile(
    r"""\b(?:env\.\w+\([^()]*\bvar|dj_database_url\.config\([^()]*\benv)\s*=\s*["']([A-Z][A-Z0-9_]+)["']"""
)


def called_variables(file: str, text: str) -> Iterator[CodeVariable]:
    """Variables that one file reads by their names."""
    demanded = set(_demanded(file, text))
    for match in _READ.finditer(text):
        name = next(filter(None, match.groups()))
        yield CodeVariable(name, file, file if name in demanded else "")
    for match in _BY_KEYWORD.finditer(text):
        yield CodeVariable(match[1], file)
    for name, calls in _BY_DEFAULT.items():
        if re.search(calls, text):
            yield CodeVariable(name, file)


def _demanded(file: str, text: str) -> Iterator[str]:
    yield from (next(filter(None, match.groups())) for match in _DEMANDED.finditer(text))
    if file.endswith(".py"):
        yield from (match[1] for match in _READERS.finditer(text) if not has_default(match[2]))


def has_default(arguments: str) -> bool:
    """Whether the arguments behind a name have a default, as a keyword or as the second one."""
    return "default" in arguments or re.match(r"\s*,\s*[^\s=,]+\s*(?:,|$)", arguments) is not None
