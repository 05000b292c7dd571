"""Draw the findings of `ftl doctor`: grouped by area, a symbol a line, the fix below."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from ftl.ui.sanitize import escaped
from ftl.ui.style import Span, bold, cyan

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.server.doctor import Area, Finding, Level
    from ftl.ui.style import Part

TITLES: dict[Area, str] = {
    "here": "This machine",
    "there": "The server",
    "builders": "Builders",
    "dns": "Domains",
    "certificates": "Certificates",
    "registries": "Registries",
}

WIDEST = 100
"""Width beyond which a sentence is hard to read."""

_SYMBOLS: dict[Level, tuple[str, str, str]] = {
    "ok": ("32", "✓", "+"),
    "warning": ("33", "!", "!"),
    "problem": ("1;31", "✗", "x"),
}
_CODE = re.compile(r"`[^`]*`")
_GLUE = "\x00"


def draw(findings: Sequence[Finding], *, width: int, is_unicode: bool) -> list[tuple[Part, ...]]:
    """Lines of findings, in the order of their areas, each with its symbol and its fix.

    Commands are kept in one line even where they are wider than the columns.
    """
    lines: list[tuple[Part, ...]] = []
    for area, title in TITLES.items():
        of_area = [finding for finding in findings if finding.area == area]
        if of_area:
            lines += [("",), (bold(title),)]
            lines += (line for finding in of_area for line in _finding(finding, width, is_unicode))
    return lines[1:]


def _finding(finding: Finding, width: int, is_unicode: bool) -> Iterator[tuple[Part, ...]]:
    code, *symbols = _SYMBOLS[finding.level]
    first, *more = _wrapped(f"{finding.name}: {finding.what}", width - 4)
    yield "  ", Span(symbols[0 if is_unicode else 1], code), f" {first}"
    yield from ((f"    {line}",) for line in more)
    if finding.fix is not None:
        first, *more = _wrapped(finding.fix, width - 9)
        yield "    ", cyan("fix"), f": {first}"
        yield from ((f"         {line}",) for line in more)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, commands in backticks unbroken, so that they can be copied."""
    clean = escaped(" ".join(text.split()))
    glued = _CODE.sub(lambda match: match[0].replace(" ", _GLUE), clean)
    broken = textwrap.wrap(glued, min(width, WIDEST), break_long_words=False, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in broken] or [""]
