"""Patterns for a value as a whole: as it is, escaped in any way, in base64.

Programs differ in which characters they escape, so a pattern accepts each of them in any way.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORTEST = 4
"""Characters from which on a value is found: shorter ones are parts of every other word."""

LONGEST = 2000
"""Longer values are found in the usual forms alone, for the sake of the pattern's size."""

_PLAIN = re.compile(r"[A-Za-z0-9._-]")
"""Characters that nobody escapes."""

BETWEEN = r"\\{1,3}x|, ?0x| {1,2}|:"
"""A pattern for what programs put between bytes in hexadecimal."""

_NOTHING = "(?!)"
"""A pattern that matches nowhere."""

_NAMES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LETTERS = {"\n": "n", "\r": "r", "\t": "t"}


def pattern_of(values: Iterable[str]) -> re.Pattern[str]:
    """A pattern for values in each of their forms, the longest first.

    Forms that begin alike are one branch, which begins with a literal: `re` looks only at places where one of them
    could be, and there at few branches.
    """
    forms = {form for value in values for form in _forms(value)}
    branches: dict[str, list[str]] = {}
    for form in sorted(forms, key=len, reverse=True):
        rest = _rest(form)
        for first in _escapes(form[0]):
            branches.setdefault(first, []).append(rest)
    for text in {value.strip() for value in values}:
        if SHORTEST <= len(text) <= LONGEST:
            for first, rest in _hexadecimal(text.encode(errors="surrogateescape")):
                branches.setdefault(first, []).append(rest)
    return re.compile(
        "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in branches.items()) or _NOTHING
    )


def base64_cores(value: bytes) -> Iterator[str]:
    """Base64 of a value, also inside a longer text, in both alphabets.

    That is at each of three offsets, without what depends on neighbours.
    """
    for offset in range(3):
        encoded = b64encode(b"\0" * offset + value).decode().rstrip("=")
        start, end = (0, 2, 3)[offset], len(encoded) - (1 if (offset + len(value)) % 3 else 0)
        yield from dict.fromkeys((encoded[start:end], encoded[start:end].replace("+", "-").replace("/", "_")))


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
        cores = base64_cores(text.encode(errors="surrogateescape"))
        yield from (core for core in cores if len(core) >= SHORTEST)


def _hexadecimal(value: bytes) -> Iterator[tuple[str, str]]:
    """Patterns for a value in hexadecimal without anything between its bytes: the first digit, and the rest.

    With something between them it is found by `Pieces`: in a pattern that takes six times as long to compile.
    """
    rest = "".join(_hex(byte, 2) for byte in value)
    first = f"{value[0]:02x}"[0]
    rest = rest.removeprefix(_hex(value[0] >> 4, 1))
    yield from ((each, rest) for each in dict.fromkeys((first, first.upper())))


def _rest(form: str) -> str:
    """A pattern for all but the first character of a text, each of them escaped in any way, or not."""
    if len(form) > LONGEST:
        return re.escape(form[1:])
    return "".join(
        character
        if _PLAIN.fullmatch(character) and character != "."
        else f"(?:{'|'.join(_escapes(character))})"
        for character in form[1:]
    )


@cache
def _escapes(character: str) -> tuple[str, ...]:
    """Patterns for a character: itself, in a URL, in JSON and other strings, in HTML, in a shell.

    In a URL that is a value in another one, `%` is `%25`. Each of them begins with a literal.
    """
    itself = re.escape(character)
    if _PLAIN.fullmatch(character):
        return (itself,)
    code = ord(character)
    url = "".join(f"%(?:25)*{_hex(byte, 2)}" for byte in character.encode(errors="surrogateescape"))
    units = character.encode("utf-16-be", errors="surrogatepass")
    json_text = "".join(
        rf"\\\\{{0,2}}u{_hex(int.from_bytes(units[at : at + 2], 'big'), 4)}" for at in range(0, len(units), 2)
    )
    ways = [itself, url, json_text, rf"&\#0*{code};", rf"&\#[xX]0*{_hex(code, 1)};"]
    if code < 0x80:
        ways += [rf"\\\\{{0,2}}{itself}", rf"\\\\{{0,2}}x{_hex(code, 2)}"]
    if character in _NAMES:
        ways.append(f"&{_NAMES[character]};")
    if character in _LETTERS:
        ways.append(rf"\\\\{{0,2}}{_LETTERS[character]}")
    if character == " ":
        ways += [r"\+", "%(?:25)*2[bB]"]  # quoted again, `+` is %2B
    if character == "'":
        ways += [r"'\"'\"'", r"'\\''"]
    # The longest first: of `\\` for one backslash both belong to it.
    return tuple(sorted(ways, key=len, reverse=True))


def _hex(number: int, digits: int) -> str:
    """A pattern for a number in hexadecimal, in any case."""
    return "".join(
        f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{number:0{digits}x}"
    )
