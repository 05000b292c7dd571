"""Redact the values of secrets in everything that FTL prints.

A value also appears in other forms: quoted in a URL, a shell or HTML, escaped in JSON, as base64 or hexadecimal
(`ftl.common.encodings`). `ftl.ui` calls `redacted` wherever it writes, so that no other code has to think of it. The
values are those that were fetched for ftl.yaml, and those in the release records that are read (`ftl.releases.store`).
The commit of a release is none, whatever it was fetched from (`git rev-parse --short HEAD`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from ftl.common.encodings.forms import pattern_of
from ftl.common.encodings.pieces import Pieces
from ftl.common.next_step import completed

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "********"

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
"""A commit's ID, or the beginning of one by which git names it."""

_values: set[str] = set()
_commits: set[str] = set()
_forms: tuple[re.Pattern[str], Pieces] | None = None


def redact(values: Iterable[str]) -> None:
    """Redact these values from now on, in each of their forms."""
    global _forms
    new = set(values) - _values
    if new:
        _values.update(new)
        _forms = None  # they are made when a text is written next


def keep_commits(commits: Iterable[str | None]) -> None:
    """Redact no value that is one of these commits, or the beginning of one."""
    global _forms
    new = {commit.removesuffix("-dirty") for commit in commits if commit} - _commits
    if new:
        _commits.update(new)
        _forms = None


def _is_commit(value: str) -> bool:
    return _COMMIT.fullmatch(value) is not None and any(commit.startswith(value) for commit in _commits)


def redacted(text: str) -> str:
    """Replace known values by a mask, and complete next steps (`ftl.common.next_step`)."""
    global _forms
    text = completed(text)
    if not _values:
        return text
    if _forms is None:
        values = {value for value in _values if not _is_commit(value)}
        _forms = pattern_of(values), Pieces(values, MASK)
    whole, pieces = _forms
    return pieces.masked(whole.sub(MASK, text))


def redacted_json(record: object) -> str:
    """One line of JSON in which texts are redacted.

    Names of fields, numbers and literals stay as they are: a secret that is `true`, `1234` or `type` would break the
    line for the program that reads it.
    """
    return json.dumps(_redacted_texts(record), default=lambda value: redacted(str(value)))


def _redacted_texts(value: object) -> object:
    match value:
        case str():
            return redacted(value)
        case dict():
            return {key: _redacted_texts(item) for key, item in value.items()}
        case list() | tuple():
            return [_redacted_texts(item) for item in value]
        case _:
            return value


def forget() -> None:
    """Remove all values and commits."""
    global _forms
    _values.clear()
    _commits.clear()
    _forms = None
