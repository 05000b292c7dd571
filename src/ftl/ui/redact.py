"""Redact the values of secrets in everything that FTL prints.

A value also appears in other forms: quoted in a URL, as base64, escaped in JSON. `sanitize` and the writers of JSON
call `redacted`, so that no other code has to think of it.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "********"
SHORTEST = 4
"""Shorter values are not redacted: every other word would be."""

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None


def redact(values: Iterable[str]) -> None:
    """Redact these values from now on, in each of their forms."""
    global _pattern
    _known.update(form for value in values for form in _forms(value))
    if _known:
        _pattern = re.compile("|".join(re.escape(form) for form in sorted(_known, key=len, reverse=True)))


def redacted(text: str) -> str:
    """Replace known values by a mask."""
    return _pattern.sub(MASK, text) if _pattern is not None else text


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
    """Forget all values."""
    global _pattern
    _known.clear()
    _pattern = None


def _forms(value: str) -> Iterator[str]:
    """The value, its lines (output is by lines), and their encodings."""
    lines = [line.strip() for line in value.splitlines()] if len(value.splitlines()) > 1 else []
    for text in (value.strip(), *(line for line in lines if len(line) >= 2 * SHORTEST)):
        if len(text) < SHORTEST:
            continue
        yield text
        yield from {quote(text, safe=""), quote(text), quote_plus(text)}
        yield from {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        yield from _base64(text.encode(errors="surrogateescape"))


def _base64(value: bytes) -> Iterator[str]:
    """Base64 of the value, also inside a longer text: at each of three offsets, without what depends on neighbours."""
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + value).decode().rstrip("=")
        start, end = (0, 2, 3)[offset], len(encoded) - (1 if (offset + len(value)) % 3 else 0)
        if end - start >= 2 * SHORTEST:
            yield encoded[start:end]
            yield encoded[start:end].replace("+", "-").replace("/", "_")
