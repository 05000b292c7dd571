"""Pieces of values in base64 and hexadecimal, which encoders break into lines.

`base64` and Python's encodebytes break them after 76 characters, PEM after 64, `xxd -p` after 60; `xxd`, `hexdump -C`
and `od -t x1` put the bytes apart. Output is masked line by line, and no line has the whole value. A piece of base64 is
found at an end of its word, since all else there belongs to what surrounds the value. Its first or last characters are
looked up in a set: almost every line is passed over by this alone.
"""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from ftl.common.encodings.forms import BETWEEN, SHORTEST, base64_cores

if TYPE_CHECKING:
    from collections.abc import Iterable

BASE64_PIECE = 6
"""Characters from which on a piece of base64 is found.

Fewer of them have less than four bytes of the value.
"""

CERTAIN = 16
"""Characters of base64 from which on a piece is no accident, whatever else is in its word."""

HEX_PIECE = 8
"""Digits from which on a piece in hexadecimal is found: four bytes."""

APART_SHORTEST = 8
"""Bytes from which on a value is found in hexadecimal with something between the bytes.

A table of two-digit numbers has the bytes of a shorter one soon: those of `1234` are 31 32 33 34.
"""

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
    """Finds pieces of the encodings of values, in time that is linear in the length of a line."""

    def __init__(self, values: Iterable[str], mask: str) -> None:
        self._mask = mask
        texts = [text for value in values if len(text := value.strip()) >= SHORTEST]
        contents = [text.encode(errors="surrogateescape")[:LONGEST] for text in texts]
        cores = {core for content in contents for core in base64_cores(content)}
        self._heads = {core[:size] for core in cores for size in range(BASE64_PIECE, CERTAIN)}
        self._tails = {core[-size:] for core in cores for size in range(BASE64_PIECE, CERTAIN)}
        self._hex_parts: set[str] = set()
        self._apart_parts: set[str] = set()
        self._ends: dict[str, bool] = {}  # parts of words; true: of base64
        for content in contents:
            run = content.hex()
            self._hex_parts.update(_parts(run, HEX_PIECE, 2))
            if len(content) >= APART_SHORTEST:
                self._apart_parts.update(_parts(run, HEX_PIECE, 2))
            for digits_of_case in (run, run.upper()):
                self._ends.update(dict.fromkeys(_parts(digits_of_case, BASE64_PIECE, 2), False))
        for core in cores:
            self._ends.update(dict.fromkeys(_parts(core, BASE64_PIECE), True))

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
        return found is not None and not self._parts_of(found[1]).isdisjoint(
            _parts(_digits_of(found[1]), HEX_PIECE, 2)
        )

    def _masked_word(self, word: str) -> str:
        """A word without the pieces of base64 at its ends."""
        if word[:BASE64_PIECE] not in self._ends and word[-BASE64_PIECE:] not in self._ends:
            return word
        start = self._at_start(word)
        rest = word[start:]
        end = self._at_end(rest)
        middle = rest[: len(rest) - end]
        return f"{self._mask if start else ''}{middle}{self._mask if end else ''}"

    def _at_start(self, word: str) -> int:
        """Length of the piece with which a word begins: the whole word, or up to the end of a value."""
        size = BASE64_PIECE - 1
        while size < len(word) and self._ends.get(word[size - BASE64_PIECE + 1 : size + 1]):
            size += 1
        if size >= min(len(word), CERTAIN):
            return size if size >= BASE64_PIECE else 0
        return next((each for each in range(size, BASE64_PIECE - 1, -1) if word[:each] in self._tails), 0)

    def _at_end(self, word: str) -> int:
        """Length of the piece with which a word ends, from the beginning of a value on."""
        start = len(word) - BASE64_PIECE + 1
        while start > 0 and self._ends.get(word[start - 1 : start - 1 + BASE64_PIECE]):
            start -= 1
        size = len(word) - start
        if size >= CERTAIN:
            return size
        return next((each for each in range(size, BASE64_PIECE - 1, -1) if word[-each:] in self._heads), 0)

    def _masked_dump(self, dump: str) -> str:
        """Bytes in hexadecimal, and the text between them, without pieces of values."""
        run, places = _digits_of(dump), [found.start() for found in _BYTE.finditer(dump)]
        parts = self._parts_of(dump)
        shown: list[str] = []
        done = end = 0  # offset in the text, and the byte behind the piece
        for at in range(len(places) - HEX_PIECE // 2 + 1):
            if run[2 * at : 2 * at + HEX_PIECE] not in parts:
                continue
            if at > end or not shown:
                shown += [dump[done : places[at]], self._mask]
            end = at + HEX_PIECE // 2
            done = places[end - 1] + 2
        return "".join((*shown, dump[done:]))

    def _parts_of(self, dump: str) -> set[str]:
        """Parts of the values that are found in a dump of this kind."""
        return self._hex_parts if dump.isalnum() else self._apart_parts


def _parts(text: str, size: int, step: int = 1) -> list[str]:
    """All parts of a text of this size."""
    return [text[at : at + size] for at in range(0, len(text) - size + 1, step)]


def _digits_of(dump: str) -> str:
    """The digits of a dump, in lower case."""
    return "".join(_BYTE.findall(dump)).lower()
