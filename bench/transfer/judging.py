"""Whether the limits are kept: FTL against the best of the others, in bytes, seconds and memory."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from bench.transfer.cases import LARGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.transfer.records import Record

Unit = Literal["", "bytes", "seconds"]

OURS = "ftl"

BYTES: Mapping[str, float] = {"cold": 0.95, "code": 1.0, "deps": 1 / 15, "rebuild": 1 / 100}
"""Case -> the share of the best other's bytes that FTL may need."""

NEXT_DOOR = "loopback"
DELTA_CASES = ("deps", "rebuild")
"""The link that is faster than differences are made, and what is not judged by its bytes there, but by its seconds."""

NONE_BYTES = 20_000
NONE_SECONDS = 1.0
"""Of a transfer of nothing; the seconds at the longest link."""

DELTA_CASE, SLOW_LINK, DELTA_TIMES = "deps", "20mbit-60ms", 8.0
"""Where FTL is to be so many times faster than the best other."""

MEMORY_HERE = 120e6
LAYERS_THERE = 2.5
"""Memory on the server, in times of the changed layer, while a delta is applied."""

SHARE_OF_FREE = 0.5


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and what was measured for it: shares or multiples, where the unit is none."""

    name: str
    value: float
    limit: float
    unit: Unit = ""

    @property
    def ok(self) -> bool:
        return self.value <= self.limit


def limits(records: Sequence[Record]) -> list[Limit]:
    """Every limit for which there are figures."""
    return [*_bytes(records), *_nothing(records), *_seconds(records), *_memory(records)]


def judged(records: Sequence[Record]) -> dict[str, object]:
    """The last line of a run."""
    found = limits(records)
    fields = [
        {"name": limit.name, "value": round(limit.value, 4), "limit": round(limit.limit, 4), "ok": limit.ok}
        for limit in found
    ]
    return {"type": "result", "ok": bool(found) and all(limit.ok for limit in found), "limits": fields}


def cells(records: Sequence[Record]) -> dict[tuple[str, str], dict[str, list[Record]]]:
    """(case, link) -> method -> its runs, in the order in which all of them were first met."""
    found: dict[tuple[str, str], dict[str, list[Record]]] = {}
    for record in records:
        found.setdefault((record.case, record.link), {}).setdefault(record.method, []).append(record)
    return found


def slowdown(ours: Sequence[Record], others: Sequence[Record]) -> float:
    """Our seconds in times of theirs: the median of the pairs of one turn; of all, where there are no pairs."""
    theirs = {record.turn: record.seconds for record in others}
    if pairs := [record.seconds / theirs[record.turn] for record in ours if record.turn in theirs]:
        return median(pairs)
    return median(record.seconds for record in ours) / median(theirs.values())


def best(methods: Mapping[str, Sequence[Record]], figure: Callable[[Record], float]) -> float:
    """The smallest median of a figure among the others."""
    return min(median(map(figure, runs)) for method, runs in methods.items() if method != OURS)


def _bytes(records: Sequence[Record]) -> list[Limit]:
    shares: dict[str, list[float]] = {}
    for (case, link), methods in _contests(records):
        if case in BYTES and not (case in DELTA_CASES and link == NEXT_DOOR):
            share = median(run.bytes for run in methods[OURS]) / best(methods, lambda run: run.bytes)
            shares.setdefault(case, []).append(share)
    return [
        Limit(f"bytes: {case}, share of the best other", max(all_), BYTES[case])
        for case, all_ in shares.items()
    ]


def _nothing(records: Sequence[Record]) -> list[Limit]:
    ours = [record for record in records if record.case == "none" and record.method == OURS]
    found = [Limit("bytes: none", max(run.bytes for run in ours), NONE_BYTES, "bytes")] if ours else []
    if far := [run.seconds for run in ours if run.link == SLOW_LINK]:
        found.append(Limit(f"seconds: none at {SLOW_LINK}", median(far), NONE_SECONDS, "seconds"))
    return found


def _seconds(records: Sequence[Record]) -> list[Limit]:
    found: list[Limit] = []
    for (case, link), methods in _contests(records):
        ratios = {name: slowdown(methods[OURS], runs) for name, runs in methods.items() if name != OURS}
        found.append(Limit(f"seconds: {case} at {link}, times the best other", max(ratios.values()), 1.0))
        if (case, link) == (DELTA_CASE, SLOW_LINK):
            share = median(run.seconds for run in methods[OURS]) / best(methods, lambda run: run.seconds)
            found.append(Limit(f"seconds: {case} at {link}, share of the best other", share, 1 / DELTA_TIMES))
    return found


def _memory(records: Sequence[Record]) -> list[Limit]:
    ours = [record for record in records if record.method == OURS]
    if not ours:
        return []
    found: list[Limit] = []
    if large := [run.memory_here for run in ours if run.case == LARGE.name]:
        found.append(Limit("memory here: an image of 1.5 GB", max(large), MEMORY_HERE, "bytes"))
    if deltas := [run for run in ours if run.case in DELTA_CASES]:
        layers = max(run.memory_there / run.layer for run in deltas)
        found.append(Limit("memory there: a delta, in times of the layer", layers, LAYERS_THERE))
    share = max(run.memory_there / run.free_there for run in ours)
    found.append(Limit("memory there: share of what is free", share, SHARE_OF_FREE))
    return found


def _contests(records: Sequence[Record]) -> list[tuple[tuple[str, str], dict[str, list[Record]]]]:
    """The cells in which FTL and at least one other were measured."""
    return [(key, methods) for key, methods in cells(records).items() if OURS in methods and len(methods) > 1]
