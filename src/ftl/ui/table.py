"""A table as text: columns line up, the widest gives way where the terminal is too narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
NARROWEST = 8


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> list[str]:
    """The lines of a table, its header first.

    Args:
        header: The columns' names.
        rows: Cells, as many as the header has.
        width: Columns of the terminal; None where there is none: nothing is cut off then.
    """
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    if width is not None:
        _narrow(widths, width)
    return [_line(cells, widths) for cells in (header, *rows)]


def _narrow(widths: list[int], width: int) -> None:
    """Take from the widest column, as long as there is one to take from."""
    while sum(widths) + GAP * (len(widths) - 1) > width and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return (" " * GAP).join(_fitted(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _fitted(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else cell[: width - 1] + "…"
