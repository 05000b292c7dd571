"""Reports of measurements: a table of medians as text, and the pages of docs/."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from lab.place import ROOT

from bench.transfer.cases import CASES
from bench.transfer.limits import OURS, best, cells, limits, slowdown
from bench.transfer.methods import METHODS
from bench.transfer.plot import TITLE, draw

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.transfer.limits import Limit, Unit
    from bench.transfer.records import RunRecord

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "transfer.svg"
BEGIN, END = "<!-- transfer: written by `python -m bench.transfer report FILE` -->", "<!-- /transfer -->"


def table(records: Sequence[RunRecord]) -> str:
    """Table of medians as text."""
    columns = ("runs", "MB", "seconds", "MB here", "MB there")
    lines = [f"{'link':<14}{'case':<9}{'method':<18}" + "".join(f"{column:>10}" for column in columns)]
    for (case, link), methods in cells(records).items():
        for method, runs in methods.items():
            sizes = (_middle(runs, name) / 1e6 for name in ("memory_here", "memory_there"))
            here, there = (f"{size:>10.0f}" for size in sizes)
            moved = f"{_middle(runs, 'bytes') / 1e6:>10.3f}{_middle(runs, 'seconds'):>10.2f}"
            lines.append(f"{link:<14}{case:<9}{method:<18}{len(runs):>10}{moved}{here}{there}")
    return "\n".join(lines)


def write(records: Sequence[RunRecord], page: Path = PAGE, plot: Path = PLOT) -> None:
    """Write the tables between the marks of docs/performance.md, and the plot beside it.

    Raises:
        SystemExit: The page has no such marks.
    """
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{page} has no place for the table: {BEGIN} ... {END}")
    page.write_text(f"{before}{BEGIN}\n\n{markdown(records)}\n\n{END}{after}")
    plot.write_text(draw([record for record in records if record.server == records[0].server]))


def markdown(records: Sequence[RunRecord]) -> str:
    """The plot of the first server, and the tables of each server."""
    servers = list(dict.fromkeys(record.server for record in records))
    blocks = [f"![{TITLE}, for {servers[0]}]({PLOT.name})"]
    for server in servers:
        own = [record for record in records if record.server == server]
        turns = [run for run in own if run.case in CASES]
        runs = [len(each) for methods in cells(turns).values() for each in methods.values()]
        number = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
        blocks += [
            f"### Server: {server}",
            f"Medians of {number} runs. The last columns are FTL's share of the best other's bytes, and its seconds "
            "in times of the best other's.",
            *(_link(link, own) for link in dict.fromkeys(run.link for run in own if run.case in CASES)),
            _memory(own),
            _limits(limits(own)),
        ]
    return "\n\n".join(blocks)


def _link(link: str, records: Sequence[RunRecord]) -> str:
    """The table of one link: a row for each case, a column for each method."""
    found = {case: methods for (case, at), methods in cells(records).items() if at == link and case in CASES}
    names = _methods(records)
    lines = _head([link, *names, "bytes", "seconds"])
    for case, methods in found.items():
        filled = [_cell(methods.get(name, ())) for name in names]
        lines.append(_row([case, *filled, *_against(methods)]))
    return "\n".join(lines)


def _cell(runs: Sequence[RunRecord]) -> str:
    return f"{_bytes(_middle(runs, 'bytes'))}, {_middle(runs, 'seconds'):.2f} s" if runs else ""


def _against(methods: Mapping[str, Sequence[RunRecord]]) -> tuple[str, str]:
    """FTL's share of the best other method's bytes, and of its seconds in pairs."""
    if OURS not in methods or len(methods) < 2:
        return "", ""
    share = _middle(methods[OURS], "bytes") / best(methods, lambda run: run.bytes)
    slowest = max(slowdown(methods[OURS], runs) for name, runs in methods.items() if name != OURS)
    return f"{share:.3f}", f"{slowest:.2f}"


def _memory(records: Sequence[RunRecord]) -> str:
    """Table of peak memory over all links: a row for each method, a column for each case."""
    cases = list(dict.fromkeys(record.case for record in records))
    lines = _head(["peak memory here, on the server", *cases])
    for method in _methods(records):
        filled: list[str] = []
        for case in cases:
            runs = [run for run in records if (run.method, run.case) == (method, case)]
            here, there = (
                max((getattr(run, name) for run in runs), default=0)
                for name in ("memory_here", "memory_there")
            )
            filled.append(f"{_bytes(here)}, {_bytes(there)}" if runs else "")
        lines.append(_row([method, *filled]))
    return "\n".join(lines)


def _limits(judged: Sequence[Limit]) -> str:
    lines = _head(["limit", "measured", "at most", ""])
    for limit in judged:
        verdict = "kept" if limit.ok else "**missed**"
        lines.append(
            _row([limit.name, *(_figure(each, limit.unit) for each in (limit.value, limit.limit)), verdict])
        )
    return "\n".join(lines)


def _figure(value: float, unit: Unit) -> str:
    match unit:
        case "bytes":
            return _bytes(value)
        case "seconds":
            return f"{value:.2f} s"
        case _:
            return f"{value:.3f}"


def _head(names: Sequence[str]) -> list[str]:
    return [_row(names), _row(["---"] * len(names))]


def _row(filled: Sequence[str]) -> str:
    return f"| {' | '.join(filled)} |"


def _methods(records: Sequence[RunRecord]) -> list[str]:
    """The methods with measurements, in their usual order."""
    return [name for name in METHODS if any(record.method == name for record in records)]


def _middle(runs: Sequence[RunRecord], name: str) -> float:
    return float(median(getattr(run, name) for run in runs))


def _bytes(size: float) -> str:
    """A size in powers of 1000."""
    if size < 1e6:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e8 else f"{size / 1e6:.0f} MB"
