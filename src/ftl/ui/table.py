"""A table as text: columns line up, and where the terminal is too narrow the widest goes on in lines below."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GAP = 2
NARROWEST = 8


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> list[str]:
    """The lines of a table, its header first.

    Args:
        header: The columns' names.
        rows: Cells, as many as the header has.
        width: Columns of the terminal; None where there is none: a row is one line then.
    """
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    if width is not None:
        _narrow(widths, width)
    return [line for cells in (header, *rows) for line in _lines(cells, widths)]


def _narrow(widths: list[int], width: int) -> None:
    """Take from the widest column, as long as there is one to take from."""
    while sum(widths) + GAP * (len(widths) - 1) > width and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def _lines(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    wrapped = (_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True))
    for parts in zip_longest(*wrapped, fillvalue=""):
        yield (" " * GAP).join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _wrapped(cell: str, width: int) -> Sequence[str]:
    """A cell in pieces of at most `width`: broken after spaces and what parts a name, else anywhere."""
    if len(cell) <= width:
        return (cell,)
    pieces = [""]
    for word in re.findall(r".+?(?:[ ,/:]+|$)", cell):
        if len(pieces[-1]) + len(word.rstrip()) > width and pieces[-1]:
            pieces.append("")
        pieces[-1] += word
        while len(pieces[-1].rstrip()) > width:
            pieces[-1:] = [pieces[-1][:width], pieces[-1][width:]]
    return [piece.rstrip() for piece in pieces]
