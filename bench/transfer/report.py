"""What was measured, for people: a table of medians as text, and the pages of docs/."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from lab.place import ROOT

from bench.transfer.drawing import drawn
from bench.transfer.judging import OURS, best, cells, limits, slowdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.transfer.judging import Limit
    from bench.transfer.records import Record

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "transfer.svg"
BEGIN, END = "<!-- transfer: written by `python -m bench.transfer report FILE` -->", "<!-- /transfer -->"


def table(records: Sequence[Record]) -> str:
    """The medians as text."""
    columns = ("runs", "MB", "seconds", "MB here", "MB there")
    lines = [f"{'link':<14}{'case':<9}{'method':<18}" + "".join(f"{column:>10}" for column in columns)]
    for (case, link), methods in cells(records).items():
        for method, runs in methods.items():
            sizes = (_middle(runs, name) / 1e6 for name in ("memory_here", "memory_there"))
            here, there = (f"{size:>10.0f}" for size in sizes)
            moved = f"{_middle(runs, 'bytes') / 1e6:>10.3f}{_middle(runs, 'seconds'):>10.2f}"
            lines.append(f"{link:<14}{case:<9}{method:<18}{len(runs):>10}{moved}{here}{there}")
    return "\n".join(lines)


def write(records: Sequence[Record], page: Path = PAGE, plot: Path = PLOT) -> None:
    """Put the tables between the marks of docs/performance.md, and draw the plot beside it.

    Raises:
        SystemExit: The page has no such marks.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{page} has no place for the table: {BEGIN} ... {END}")
    page.write_text(f"{before}{BEGIN}\n\n{markdown(records)}\n\n{END}{after}")
    plot.write_text(drawn(records))


def markdown(records: Sequence[Record]) -> str:
    """The tables of the page."""
    blocks = [_link(link, records) for link in dict.fromkeys(record.link for record in records)]
    return "\n\n".join([*blocks, _memory(records), _limits(limits(records))])


def _link(link: str, records: Sequence[Record]) -> str:
    """One link's cells: a row for each case, a column for each method."""
    found = {case: methods for (case, at), methods in cells(records).items() if at == link}
    names = list(dict.fromkeys(name for methods in found.values() for name in sorted(methods, key=_order)))
    lines = [f"**{link}**", "", _row([link, *names, "bytes", "seconds"]), _row(["---"] * (len(names) + 3))]
    for case, methods in found.items():
        filled = [_cell(methods.get(name, ())) for name in names]
        lines.append(_row([case, *filled, *_against(methods)]))
    return "\n".join(lines[2:])


def _cell(runs: Sequence[Record]) -> str:
    return f"{_bytes(_middle(runs, 'bytes'))}, {_middle(runs, 'seconds'):.2f} s" if runs else ""


def _against(methods: Mapping[str, Sequence[Record]]) -> tuple[str, str]:
    """FTL against the best other: its share of the bytes, and of the seconds of pairs."""
    if OURS not in methods or len(methods) < 2:
        return "", ""
    share = _middle(methods[OURS], "bytes") / best(methods, lambda run: run.bytes)
    slowest = max(slowdown(methods[OURS], runs) for name, runs in methods.items() if name != OURS)
    return f"{share:.3f}", f"{slowest:.2f}"


def _memory(records: Sequence[Record]) -> str:
    """The peaks over all links and runs."""
    lines = [_row(["peak memory", "case", "here", "server", "server's engine, more than before"])]
    lines.append(_row(["---"] * 5))
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        found.setdefault((record.method, record.case), []).append(record)
    for (method, case), runs in sorted(found.items(), key=lambda item: _order(item[0][0])):
        peaks = (max(getattr(run, f"memory_{side}") for run in runs) for side in ("here", "there", "engine"))
        lines.append(_row([method, case, *(_bytes(peak) for peak in peaks)]))
    return "\n".join(lines)


def _limits(judged: Sequence[Limit]) -> str:
    lines = [_row(["limit", "measured", "at most", ""]), _row(["---"] * 4)]
    for limit in judged:
        verdict = "kept" if limit.ok else "**missed**"
        lines.append(_row([limit.name, f"{limit.value:,.4g}", f"{limit.limit:,.4g}", verdict]))
    return "\n".join(lines)


def _row(cells_: Sequence[str]) -> str:
    return f"| {' | '.join(cells_)} |"


def _order(method: str) -> tuple[bool, str]:
    return method != OURS, method


def _middle(runs: Sequence[Record], name: str) -> float:
    return float(median(getattr(run, name) for run in runs))


def _bytes(size: float) -> str:
    """A size as people read it, in powers of 1000."""
    if size < 1e6:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:.0f} MB"
