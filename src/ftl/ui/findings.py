"""What `ftl doctor` found, for people: grouped, a mark a line, what helps below."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from ftl.ui.sanitize import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ftl.server.doctor import Area, Finding, Level
    from ftl.ui.style import Style

TITLES: dict[Area, str] = {
    "here": "This machine",
    "there": "The server",
    "dns": "Domains",
    "certificates": "Certificates",
    "registries": "Registries",
}

WIDEST = 100
"""Columns beyond which a sentence is hard to read."""

_MARKS: dict[Level, tuple[str, str, str]] = {
    "ok": ("32", "✓", "+"),
    "warning": ("33", "!", "!"),
    "problem": ("1;31", "✗", "x"),
}
_CODE = re.compile(r"`[^`]*`")
_GLUE = "\x00"


def draw(findings: Sequence[Finding], style: Style, *, width: int, is_unicode: bool) -> list[str]:
    """The lines, area by area.

    Args:
        findings: In the order of their areas.
        style: For the marks.
        width: Columns; commands are kept in one line even where they are wider.
        is_unicode: Whether the stream can show a check mark.
    """
    lines: list[str] = []
    for area, title in TITLES.items():
        those = [one for one in findings if one.area == area]
        if those:
            lines += [
                "",
                style.bold(title),
                *(line for one in those for line in _finding(one, style, width, is_unicode)),
            ]
    return lines[1:]


def _finding(finding: Finding, style: Style, width: int, is_unicode: bool) -> Iterator[str]:
    code, *marks = _MARKS[finding.level]
    mark = style.marked(code, marks[0 if is_unicode else 1])
    first, *more = _wrapped(f"{finding.name}: {finding.what}", width - 4)
    yield f"  {mark} {first}"
    yield from (f"    {line}" for line in more)
    if finding.fix is not None:
        first, *more = _wrapped(finding.fix, width - 9)
        yield f"    {style.cyan('fix')}: {first}"
        yield from (f"         {line}" for line in more)


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, commands in backticks unbroken, so that they can be copied."""
    clean = " ".join(printable(text).split())
    glued = _CODE.sub(lambda found: found[0].replace(" ", _GLUE), clean)
    broken = textwrap.wrap(glued, min(width, WIDEST), break_long_words=False, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in broken]
