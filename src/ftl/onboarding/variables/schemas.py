"""Variables that schemas in JavaScript check: t3-env and zod, envalid, Joi."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.variables.variable import CodeVariable

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")

_MAY_LACK = re.compile(r"\b(?:optional|nullish|default|prefault|catch|undefined|fallback)\s*\(|\bundefined\b")
_IN_PRODUCTION = re.compile(r"NODE_ENV\s*===?\s*[\"']production[\"']\s*\?(.*?)(?<!\?):", re.DOTALL)
"""The part of a choice that is for production, as create-t3-app writes it."""


@dataclass(frozen=True, slots=True)
class _Schema:
    """A form of schema.

    Attributes:
        word: A word without which a file has none.
        start: What is before the mapping of names, or before that of sections.
        sections: Mappings in it that have the names; empty: its own entries are the names.
        optional: Words of an entry that may lack.
        required: Words of an entry that may not lack, where others may.
        checks: Words of a file whose schemas are of the environment.
    """

    word: str
    start: re.Pattern[str]
    sections: tuple[str, ...] = ()
    optional: re.Pattern[str] = _MAY_LACK
    required: re.Pattern[str] | None = None
    checks: re.Pattern[str] = re.compile("")


_SCHEMAS = (
    _Schema("createEnv", re.compile(r"\bcreateEnv\(\s*"), ("server", "shared")),
    _Schema(
        "z.",
        re.compile(r"\bz\.(?:strictObject|looseObject|object)\(\s*"),
        checks=re.compile(r"arse\(\s*process\.env\b"),
    ),
    _Schema(
        "process.env",
        re.compile(r"\b(?:cleanEnv|envsafe)\(\s*(?:process\.env\s*,\s*)?"),
        optional=re.compile(r"\bdefault\s*:"),
    ),
    _Schema(
        "Joi",
        re.compile(r"\bJoi\.object(?:<[^>]*>)?\(\s*"),
        required=re.compile(r"\.required\("),
        checks=re.compile(r"process\.env\b|ConfigModule"),
    ),
)
_NAME = re.compile(r"\s*[\"']?([A-Z][A-Z0-9_]+)[\"']?\s*:")
_SECTION = re.compile(r"\s*[\"']?(\w+)[\"']?\s*:\s*(?=\{)")
_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|[()\[\]{},]""", re.DOTALL
)


def schema_variables(file: str, text: str) -> Iterator[CodeVariable]:
    """Variables that the schemas of one file name; those that may not lack are demanded."""
    for schema in _SCHEMAS:
        if schema.word not in text or not schema.checks.search(text):
            continue
        for match in schema.start.finditer(text):
            for mapping in _mappings(text, match.end(), schema.sections):
                yield from _of_mapping(file, mapping, schema)


def _mappings(text: str, at: int, sections: tuple[str, ...]) -> Iterator[list[str]]:
    """The entries of the mapping at a place, or of those of its sections."""
    entries = _entries(text, at)
    if not sections:
        yield entries
    for entry in entries if sections else ():
        match = _SECTION.match(entry)
        if match and match[1] in sections:
            yield _entries(entry, match.end())


def _entries(text: str, at: int) -> list[str]:
    """The entries of a mapping that begins with `{` at a place, without comments; none if there is none."""
    if not text.startswith("{", at):
        return []
    entries, depth, parts, position = [], 0, [""], at
    for token in _TOKEN.finditer(text, at):
        parts.append(text[position : token.start()])
        position = token.end()
        word = token[0]
        if word in "([{":
            depth += 1
            if depth == 1:
                parts = []
                continue
        elif word in ")]}":
            depth -= 1
        if depth == 0 or (depth == 1 and word == ","):
            entries.append("".join(parts).strip())
            parts = []
            if depth == 0:
                break
        elif not word.startswith(("//", "/*")):
            parts.append(word)
    return [entry for entry in entries if entry]


def _of_mapping(file: str, entries: list[str], schema: _Schema) -> Iterator[CodeVariable]:
    for entry in entries:
        match = _NAME.match(entry)
        if match is None:
            continue
        rule = entry[match.end() :]
        if chosen := _IN_PRODUCTION.search(rule):
            rule = chosen[1]
        is_demanded = not schema.optional.search(rule)
        if schema.required is not None:
            is_demanded = is_demanded and schema.required.search(rule) is not None
        yield CodeVariable(match[1], file, file if is_demanded else "")
