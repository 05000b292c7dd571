"""Limits of FTL's transfers, against the best other method: bytes, seconds and memory."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from bench.transfer.cases import LARGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.transfer.records import RunRecord

Unit = Literal["", "bytes", "seconds"]

OURS = "ftl"

BYTES: Mapping[str, float] = {"cold": 0.95, "code": 1.0, "deps": 1 / 15, "rebuild": 1 / 100}
"""Case -> the largest share of the best other method's bytes."""

NEXT_DOOR = "loopback"
DELTA_CASES = ("deps", "rebuild")
"""The link that is faster than deltas are made, and the cases judged by seconds alone there."""

NONE_BYTES = 20_000
NONE_SECONDS = 1.0
"""Limits of a transfer without missing layers; the seconds are for the slowest link."""

DELTA_CASE, SLOW_LINK, DELTA_TIMES = "deps", "20mbit-60ms", 8.0
"""The case and link in which FTL should be this many times faster than the best other."""

MEMORY_HERE = 120e6
LAYERS_THERE = 2.5
"""Limit of memory on the server while a delta is applied, in times of the changed layer."""

SHARE_OF_FREE = 0.5


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit and its measured value: a share or multiple where there is no unit."""

    name: str
    value: float
    limit: float
    unit: Unit = ""

    @property
    def ok(self) -> bool:
        return self.value <= self.limit


def limits(records: Sequence[RunRecord]) -> list[Limit]:
    """Every limit for which there are measurements."""
    return [*_bytes(records), *_nothing(records), *_seconds(records), *_memory(records)]


def judge(records: Sequence[RunRecord]) -> dict[str, object]:
    """The result of a benchmark: its last line of output."""
    found = limits(records)
    fields = [
        {"name": limit.name, "value": round(limit.value, 4), "limit": round(limit.limit, 4), "ok": limit.ok}
        for limit in found
    ]
    return {"type": "result", "ok": bool(found) and all(limit.ok for limit in found), "limits": fields}


def cells(records: Sequence[RunRecord]) -> dict[tuple[str, str], dict[str, list[RunRecord]]]:
    """(case, link) -> method -> runs, in the order of the records."""
    found: dict[tuple[str, str], dict[str, list[RunRecord]]] = {}
    for record in records:
        found.setdefault((record.case, record.link), {}).setdefault(record.method, []).append(record)
    return found


def slowdown(ours: Sequence[RunRecord], others: Sequence[RunRecord]) -> float:
    """FTL's seconds in times of another method's: the median of pairs, or of all without pairs."""
    theirs = {record.turn: record.seconds for record in others}
    if pairs := [record.seconds / theirs[record.turn] for record in ours if record.turn in theirs]:
        return median(pairs)
    return median(record.seconds for record in ours) / median(theirs.values())


def best(methods: Mapping[str, Sequence[RunRecord]], figure: Callable[[RunRecord], float]) -> float:
    """The smallest median of a figure among the other methods."""
    return min(median(map(figure, runs)) for method, runs in methods.items() if method != OURS)


def _bytes(records: Sequence[RunRecord]) -> list[Limit]:
    shares: dict[str, list[float]] = {}
    for (case, link), methods in _contests(records):
        if case in BYTES and not (case in DELTA_CASES and link == NEXT_DOOR):
            share = median(run.bytes for run in methods[OURS]) / best(methods, lambda run: run.bytes)
            shares.setdefault(case, []).append(share)
    return [
        Limit(f"bytes: {case}, share of the best other", max(all_), BYTES[case])
        for case, all_ in shares.items()
    ]


def _nothing(records: Sequence[RunRecord]) -> list[Limit]:
    ours = [record for record in records if record.case == "none" and record.method == OURS]
    found = [Limit("bytes: none", max(run.bytes for run in ours), NONE_BYTES, "bytes")] if ours else []
    if far := [run.seconds for run in ours if run.link == SLOW_LINK]:
        found.append(Limit(f"seconds: none at {SLOW_LINK}", median(far), NONE_SECONDS, "seconds"))
    return found


def _seconds(records: Sequence[RunRecord]) -> list[Limit]:
    found: list[Limit] = []
    for (case, link), methods in _contests(records):
        ratios = {name: slowdown(methods[OURS], runs) for name, runs in methods.items() if name != OURS}
        found.append(Limit(f"seconds: {case} at {link}, times the best other", max(ratios.values()), 1.0))
        if (case, link) == (DELTA_CASE, SLOW_LINK):
            share = median(run.seconds for run in methods[OURS]) / best(methods, lambda run: run.seconds)
            found.append(Limit(f"seconds: {case} at {link}, share of the best other", share, 1 / DELTA_TIMES))
    return found


def _memory(records: Sequence[RunRecord]) -> list[Limit]:
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


def _contests(records: Sequence[RunRecord]) -> list[tuple[tuple[str, str], dict[str, list[RunRecord]]]]:
    """The cells with measurements of FTL and at least one other method."""
    return [(key, methods) for key, methods in cells(records).items() if OURS in methods and len(methods) > 1]
