"""Plot of bytes, and of seconds on each link, by case and method, as an SVG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from bench.transfer.cases import CASES
from bench.transfer.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.transfer.records import RunRecord

TITLE = "Bytes and seconds of bringing an image to a server, by case and method"

COLOURS = {
    "ftl": "#1f77e0",
    "save-load": "#c9682b",
    "registry": "#3f9a5f",
    "registry-reverse": "#8bbf5a",
    "original": "#8a8a8a",
}
"""Readable on white and on black."""

WIDTH, HEIGHT = 460, 270
"""Size of a panel, with its title and the names of the cases."""

LEFT, RIGHT, TOP, BOTTOM = 56, 10, 34, 28
BAR, GAP = 11, 1
LEGEND = 40
COLUMNS = 2

STYLE = """\
svg { background: #ffffff; } text { font: 12px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 13px; } .small, .value { font-size: 10px; } .grid { stroke: #d0d7de; }
.value { font-weight: 600; stroke: #ffffff; stroke-width: 3px; paint-order: stroke; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; } text { fill: #d1d7e0; } .grid { stroke: #343b44; } .value { stroke: #0d1117; }
}"""


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram.

    Attributes:
        values: (case, method) -> value of the bar.
        label: Formats a value.
    """

    title: str
    values: dict[tuple[str, str], float]
    label: Callable[[float], str]


def draw(records: Sequence[RunRecord]) -> str:
    """The plot as SVG."""
    known = [record for record in records if record.case in CASES]
    panels = [Panel("bytes on the wire, all links", _medians(known, "bytes"), _size)]
    for link in dict.fromkeys(record.link for record in known):
        at = [record for record in known if record.link == link]
        panels.append(Panel(f"seconds, {link}", _medians(at, "seconds"), _seconds))
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = WIDTH * COLUMNS, HEIGHT * rows + LEGEND
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{TITLE}">',
        f"<style>{STYLE}</style>",
        *_legend(),
    ]
    for number, panel in enumerate(panels):
        x, y = WIDTH * (number % COLUMNS), LEGEND + HEIGHT * (number // COLUMNS)
        lines += [f'<g transform="translate({x} {y})">', *_panel(panel), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _medians(records: Sequence[RunRecord], name: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], list[float]] = {}
    for record in records:
        found.setdefault((record.case, record.method), []).append(getattr(record, name))
    return {key: median(values) for key, values in found.items()}


def _legend() -> Iterator[str]:
    x = float(LEFT)
    for name, colour in COLOURS.items():
        yield f'<rect x="{x}" y="14" width="12" height="12" rx="2" fill="{colour}"/>'
        yield f'<text x="{x + 17}" y="24">{escape(name)}</text>'
        x += 42 + 7 * len(name)


def _panel(panel: Panel) -> Iterator[str]:
    """Bars in groups, one for each case, on a logarithmic scale of whole decades."""
    low = math.floor(math.log10(min(panel.values.values())))
    high = max(math.ceil(math.log10(max(panel.values.values()))), low + 1)
    bottom, top = HEIGHT - BOTTOM, TOP

    def height(value: float) -> float:
        return (math.log10(value) - low) / (high - low) * (bottom - top)

    yield f'<text class="title" x="{LEFT}" y="18">{escape(panel.title)}</text>'
    for decade in range(low, high + 1):
        y = bottom - height(10.0**decade)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="small" x="{LEFT - 6}" y="{y + 3:.1f}" text-anchor="end">{panel.label(10.0**decade)}</text>'
    cases = [case for case in CASES if any(known == case for known, _ in panel.values)]
    step = (WIDTH - LEFT - RIGHT) / len(cases)
    labels: list[str] = []
    for number, case in enumerate(cases):
        middle = LEFT + step * (number + 0.5)
        yield f'<text x="{middle:.1f}" y="{bottom + 17}" text-anchor="middle">{escape(case)}</text>'
        methods = [name for name in METHODS if (case, name) in panel.values]
        x = middle - len(methods) * (BAR + GAP) / 2
        for name in methods:
            value = panel.values[case, name]
            tall = max(height(value), 1.0)
            yield (
                f'<rect x="{x:.1f}" y="{bottom - tall:.1f}" width="{BAR}" height="{tall:.1f}" '
                f'fill="{COLOURS[name]}"><title>{escape(f"{case}, {name}: {panel.label(value)}")}</title></rect>'
            )
            if name == "ftl":
                labels.append(
                    f'<text class="value" x="{x + BAR / 2:.1f}" y="{bottom - tall - 4:.1f}" '
                    f'text-anchor="middle">{panel.label(value)}</text>'
                )
            x += BAR + GAP
    yield from labels  # above the neighbouring bars


def _size(value: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} B"


def _seconds(value: float) -> str:
    return f"{value:.3g} s"
