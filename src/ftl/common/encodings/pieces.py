"""Pieces of values in base64 and hexadecimal, which encoders break into lines.

`base64` and Python's encodebytes break them after 76 characters, PEM after 64, `xxd -p` after 60; `xxd`, `hexdump -C`
and `od -t x1` put the bytes apart. Output is masked line by line, and no line has the whole value. A piece of base64 is
found at an end of its word, since all else there belongs to what surrounds the value. Its first or last characters are
looked up in a set: almost every line is passed over by this alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from ftl.common.encodings.forms import BETWEEN, SHORTEST, base64_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BASE64_PIECE = 6
"""Characters from which on a piece of base64 is found.

Fewer of them have less than four bytes of the value.
"""

CERTAIN = 16
"""Characters of base64 from which on a piece is no accident, whatever else is in its word."""

HEX_PIECE = 8
"""Digits from which on a piece in hexadecimal is found: four bytes."""

LONGEST = 64 * 1024
"""Bytes of a value of which pieces are found, for the sake of memory."""

_ALPHABET = f"{ascii_letters}{digits}+/_-"
_OUTSIDE = "".join(character for character in map(chr, range(128)) if character not in _ALPHABET)

# A line break that is escaped, or a character in a URL, begins a new word.
_ESCAPE = r"\\\\*[nrt]|%(?:25)*[0-9A-Fa-f]{2}"
_WORD = re.compile(rf"{_ESCAPE}|[{_ALPHABET}]{{{BASE64_PIECE},}}")

_BYTE = re.compile(r"[0-9A-Fa-f]{2}")
_DUMP = re.compile(rf"[0-9A-Fa-f]{{2}}(?:(?:{BETWEEN})?[0-9A-Fa-f]{{2}}){{{HEX_PIECE // 2 - 1},}}")
_DUMP_LINE = re.compile(rf"\s*(?:[0-9A-Fa-f]{{6,8}}:?\s+)?(?:0x|\\\\*x)?({_DUMP.pattern})")


class Pieces:
    """Finds pieces of the encodings of values."""

    def __init__(self, values: Iterable[str], mask: str) -> None:
        self._mask = mask
        texts = [text for value in values if len(text := value.strip()) >= SHORTEST]
        contents = [text.encode(errors="surrogateescape")[:LONGEST] for text in texts]
        self._base64 = [core for content in contents for core in base64_cores(content)]
        self._hex = [content.hex() for content in contents]
        self._hex_parts = {part for run in self._hex for part in _parts(run, HEX_PIECE, 2)}
        self._ends = {part for core in self._base64 for part in _parts(core, BASE64_PIECE)}
        for run in self._hex:
            self._ends.update(_parts(run, BASE64_PIECE, 2), _parts(run.upper(), BASE64_PIECE, 2))

    def masked(self, text: str) -> str:
        """The text with the mask in place of each piece."""
        if "\n" in text:
            return "\n".join(map(self.masked, text.split("\n")))
        if self._has_ends(text):
            text = _WORD.sub(lambda found: self._masked_word(found[0]), text)
        elif not self._is_dump(text):
            return text
        return _DUMP.sub(lambda found: self._masked_dump(found[0]), text)

    def _has_ends(self, line: str) -> bool:
        """Whether a line begins or ends like a piece, or has escaped lines that do; it is asked of each line."""
        ends, size = self._ends, BASE64_PIECE
        begin, end = line.lstrip(_OUTSIDE), line.rstrip(_OUTSIDE)
        last = end.rfind(" ") + 1
        if begin[:size] in ends or end[-size:] in ends or end[last : last + size] in ends:
            return True
        if "\\n" in line or "\\r" in line or "%0" in line:
            return any(word[:size] in ends or word[-size:] in ends for word in _WORD.findall(line))
        return False

    def _is_dump(self, line: str) -> bool:
        """Whether a line begins with bytes in hexadecimal, as many do that begin with a number, and has a piece."""
        found = _DUMP_LINE.match(line)
        return found is not None and not self._hex_parts.isdisjoint(
            _parts(_digits_of(found[1]), HEX_PIECE, 2)
        )

    def _masked_word(self, word: str) -> str:
        """A word without the pieces of base64 at its ends."""
        if word[:BASE64_PIECE] not in self._ends and word[-BASE64_PIECE:] not in self._ends:
            return word
        start = max(_at_start(word, core) for core in self._base64)
        rest = word[start:]
        end = max(_at_end(rest, core) for core in self._base64)
        middle = rest[: len(rest) - end]
        return f"{self._mask if start else ''}{middle}{self._mask if end else ''}"

    def _masked_dump(self, dump: str) -> str:
        """Bytes in hexadecimal, and the text between them, without pieces of values."""
        run, places = _digits_of(dump), [found.start() for found in _BYTE.finditer(dump)]
        shown: list[str] = []
        at = done = 0
        while at < len(run):
            if run[at : at + HEX_PIECE] not in self._hex_parts:
                at += 2
                continue
            length = max(_common(run, at, text) for text in self._hex) // 2 * 2
            shown += [dump[done : places[at // 2]], self._mask]
            at += length
            done = places[at // 2 - 1] + 2
        return "".join((*shown, dump[done:]))


def _parts(text: str, size: int, step: int = 1) -> list[str]:
    """All parts of a text of this size."""
    return [text[at : at + size] for at in range(0, len(text) - size + 1, step)]


def _digits_of(dump: str) -> str:
    """The digits of a dump, in lower case."""
    return "".join(_BYTE.findall(dump)).lower()


def _at_start(word: str, core: str) -> int:
    """Length of the piece of `core` with which a word begins: the whole word, or up to the end of `core`."""
    most = _common(word, 0, core)
    if most == len(word) or most >= CERTAIN:
        return most if most >= BASE64_PIECE else 0
    return next((size for size in range(most, BASE64_PIECE - 1, -1) if core.endswith(word[:size])), 0)


def _at_end(word: str, core: str) -> int:
    """Length of the piece of `core` with which a word ends, from the beginning of `core` on."""
    most = _longest(min(len(word), len(core)), lambda size: word[len(word) - size :] in core)
    if most >= CERTAIN:
        return most
    return next(
        (size for size in range(most, BASE64_PIECE - 1, -1) if core.startswith(word[len(word) - size :])), 0
    )


def _common(text: str, at: int, core: str) -> int:
    """Length of the longest part of a text, from `at` on, that is anywhere in `core`."""
    return _longest(min(len(text) - at, len(core)), lambda size: text[at : at + size] in core)


def _longest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest size up to `most` that fits, where each smaller one fits as well."""
    return bisect_left(range(1, most + 1), True, key=lambda size: not fits(size))
