"""Summary of a benchmark on several servers: its last line of output."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.transfer.limits import DELTA_CASE, NEXT_DOOR, OURS, SLOW_LINK, cells, limits, slowdown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.noop import Noop
    from bench.transfer.records import RunRecord

CODE_CASE, CODE_METHOD = "code", "registry"
"""The case and method of `code_loopback_ratio`, for servers with the containerd store: at most 0.9."""


def summarize(
    records: Sequence[RunRecord], floors: Mapping[str, float], noop: Noop | None
) -> dict[str, object]:
    """The summary; what was not measured is not in it.

    Args:
        records: All runs.
        floors: Server -> lower bound of `deps` over the slow link, in seconds.
        noop: Deploys that change nothing.
    """
    servers = {
        name: _server([record for record in records if record.server == name], floors.get(name))
        for name in dict.fromkeys(record.server for record in records)
    }
    return {"type": "summary", "servers": servers, **(noop.summary() if noop is not None else {})}


def needs_floor(records: Sequence[RunRecord], server: str) -> bool:
    """Whether FTL's runs on this server have a lower bound to be compared with."""
    return any(_is_bounded(record) for record in records if record.server == server)


def slower_cells(records: Sequence[RunRecord]) -> list[dict[str, object]]:
    """The cells in which another method is faster than FTL, in the median of the pairs."""
    return [
        {"case": case, "link": link, "method": name, "ratio": round(ratio, 3)}
        for (case, link), methods in cells(records).items()
        if OURS in methods
        for name, runs in methods.items()
        if name != OURS and (ratio := slowdown(methods[OURS], runs)) > 1
    ]


def _server(records: Sequence[RunRecord], floor: float | None) -> dict[str, object]:
    judged = limits(records)
    summary: dict[str, object] = {"slower_cells": slower_cells(records)}
    for field, kind in (("bytes_kept", "bytes: "), ("memory_kept", "memory ")):
        if kept := [limit.ok for limit in judged if limit.name.startswith(kind)]:
            summary[field] = all(kept)
    if floor is not None:
        seconds = median(record.seconds for record in records if _is_bounded(record))
        summary |= {"deps_floor_ratio": round(seconds / floor, 3), "deps_floor_seconds": round(floor, 2)}
    code = cells(records).get((CODE_CASE, NEXT_DOOR), {})
    if records[0].server.endswith("/containerd") and OURS in code and CODE_METHOD in code:
        summary["code_loopback_ratio"] = round(slowdown(code[OURS], code[CODE_METHOD]), 3)
    return summary


def _is_bounded(record: RunRecord) -> bool:
    return (record.method, record.case, record.link) == (OURS, DELTA_CASE, SLOW_LINK)
