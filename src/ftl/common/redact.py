"""Redact the values of secrets in everything that FTL prints.

A value also appears in other forms: quoted in a URL, a shell or HTML, escaped in JSON, as base64. Programs differ in
which characters they escape, so a pattern accepts each of them in any way. `ftl.ui` calls `redacted` wherever
it writes, so that no other code has to think of it. The values are those that were fetched for ftl.yaml, and those in
the release records that are read (`ftl.releases.store`).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from ftl.common.next_step import completed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = "********"
SHORTEST = 4
"""Shorter values are not redacted: every other word would be."""

LONGEST = 2000
"""Longer values are redacted in the usual forms alone, for the sake of the pattern's size."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]")
"""Characters that nobody escapes."""

_NOTHING = "(?!)"
"""A pattern that matches nowhere."""

_NAMES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}

_values: set[str] = set()
_pattern: re.Pattern[str] | None = None


def redact(values: Iterable[str]) -> None:
    """Redact these values from now on, in each of their forms."""
    global _pattern
    new = set(values) - _values
    if new:
        _values.update(new)
        _pattern = None  # it is made when a text is written next


def redacted(text: str) -> str:
    """Replace known values by a mask, and complete next steps (`ftl.common.next_step`)."""
    global _pattern
    text = completed(text)
    if not _values:
        return text
    if _pattern is None:
        forms = {form for value in _values for form in _forms(value)}
        ways = map(_any_way, sorted(forms, key=len, reverse=True))
        _pattern = re.compile("|".join(ways) if forms else _NOTHING)
    return _pattern.sub(MASK, text)


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
    _values.clear()
    _pattern = None


def _forms(value: str) -> Iterator[str]:
    """The value, its lines (output is by lines), and their encodings as a whole."""
    lines = [line.strip() for line in value.splitlines()] if len(value.splitlines()) > 1 else []
    for text in (value.strip(), *(line for line in lines if len(line) >= 2 * SHORTEST)):
        if len(text) < SHORTEST:
            continue
        yield text
        if len(text) > LONGEST:
            yield from {quote(text, safe=""), quote(text), quote_plus(text)}
            yield from {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
        yield from _base64(text.encode(errors="surrogateescape"))


def _any_way(form: str) -> str:
    """A pattern for a text with each of its characters escaped in any way, or not.

    Each branch begins with a literal, so that `re` looks only at places where one of them could be.
    """
    if len(form) > LONGEST:
        return re.escape(form)
    rest = "".join(
        character
        if _PLAIN.fullmatch(character) and character != "."
        else f"(?:{'|'.join(_escapes(character))})"
        for character in form[1:]
    )
    return "|".join(first + rest for first in _escapes(form[0]))


@cache
def _escapes(character: str) -> tuple[str, ...]:
    """Patterns for a character: itself, in a URL, in JSON and other strings, in HTML, in a shell."""
    itself = re.escape(character)
    if _PLAIN.fullmatch(character):
        return (itself,)
    code = ord(character)
    url = "".join(f"%{_hex(byte, 2)}" for byte in character.encode(errors="surrogateescape"))
    units = character.encode("utf-16-be", errors="surrogatepass")
    json_text = "".join(
        rf"\\{{1,3}}u{_hex(int.from_bytes(units[at : at + 2], 'big'), 4)}" for at in range(0, len(units), 2)
    )
    ways = [itself, url, json_text, rf"&\#0*{code};", rf"&\#[xX]0*{_hex(code, 1)};"]
    if code < 0x80:
        ways += [rf"\\{{1,3}}{itself}", rf"\\{{1,3}}x{_hex(code, 2)}"]
    if character in _NAMES:
        ways.append(f"&{_NAMES[character]};")
    if character in _LETTERS:
        ways.append(rf"\\{{1,3}}{_LETTERS[character]}")
    if character == " ":
        ways.append(r"\+")
    if character == "'":
        ways += [r"'\"'\"'", r"'\\''"]
    # The longest first: of `\\` for one backslash both belong to it.
    return tuple(sorted(ways, key=len, reverse=True))


def _hex(number: int, digits: int) -> str:
    """A pattern for a number in hexadecimal, in any case."""
    return "".join(
        f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{number:0{digits}x}"
    )


def _base64(value: bytes) -> Iterator[str]:
    """Base64 of the value, also inside a longer text: at each of three offsets, without what depends on neighbours."""
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + value).decode().rstrip("=")
        start, end = (0, 2, 3)[offset], len(encoded) - (1 if (offset + len(value)) % 3 else 0)
        if end - start >= 2 * SHORTEST:
            yield encoded[start:end]
            yield encoded[start:end].replace("+", "-").replace("/", "_")
