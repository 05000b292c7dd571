"""Tables as text: columns are aligned, and a narrow terminal gets fewer of them."""

from __future__ import annotations

import unicodedata
from itertools import zip_longest
from typing import TYPE_CHECKING

from ftl.ui.sanitize import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GAP = 2

NARROWEST = 16
"""Least width of a column of sentences; lines are longer than a narrower terminal."""


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None = None,
    optional: Sequence[str] = (),
    sentences: Sequence[str] = (),
) -> list[str]:
    """Lines of a table, its header first; without a width a row is one line.

    Of the `optional` columns as few as possible are left out, in this order, where the table is too wide. The cells of
    `sentences` may go on in the next line, between words.
    """
    columns = [
        (name, [escaped(" ".join(cell.split())) for cell in cells])
        for name, *cells in zip(header, *rows, strict=True)
    ]
    if width is not None:
        columns = _without_optional(columns, width, optional, sentences)
    widths = [_natural_width(name, cells) for name, cells in columns]
    if width is not None:
        _narrow(widths, [name in sentences for name, _ in columns], width)
    lines = zip(*([name, *cells] for name, cells in columns), strict=True)
    return [line for cells in lines for line in _lines(cells, widths)]


_Column = tuple[str, list[str]]


def _without_optional(
    columns: list[_Column], width: int, optional: Sequence[str], sentences: Sequence[str]
) -> list[_Column]:
    for name in optional:
        narrowest = [
            min(_natural_width(*column), NARROWEST if column[0] in sentences else width) for column in columns
        ]
        if _total(narrowest) <= width:
            break
        columns = [column for column in columns if column[0] != name]
    return columns


def _narrow(widths: list[int], may_wrap: Sequence[bool], width: int) -> None:
    """Narrow the widest columns of sentences until the table fits, or none can be narrowed."""
    while _total(widths) > width:
        wide = [number for number, wraps in enumerate(may_wrap) if wraps and widths[number] > NARROWEST]
        if not wide:
            return
        widths[max(wide, key=lambda number: widths[number])] -= 1


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _natural_width(name: str, cells: Sequence[str]) -> int:
    return max(map(display_width, (name, *cells)))


def _lines(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = (_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True))
    for parts in zip_longest(*wrapped, fillvalue=""):
        padded = (
            part + " " * (width - display_width(part)) for part, width in zip(parts, widths, strict=True)
        )
        yield (" " * GAP).join(padded).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    """The cell in lines of at most `width`, broken between words; a longer word stays whole."""
    lines: list[str] = []
    for word in cell.split(" "):
        if lines and display_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def display_width(text: str) -> int:
    """Width on a terminal: 2 for an East Asian wide character, 0 for a combining mark."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
