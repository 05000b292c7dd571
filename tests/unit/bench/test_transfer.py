"""The benchmark of the transfer: what is made of its measurements."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from bench.noop import Noop
from bench.transfer import measurement
from bench.transfer.limits import judge
from bench.transfer.methods import METHODS
from bench.transfer.plot import draw
from bench.transfer.records import RunRecord, read_records
from bench.transfer.report import BEGIN, END, markdown, write
from bench.transfer.summary import needs_floor, summarize

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTE = 1 << 20


def record(
    method: str,
    *,
    case: str = "deps",
    link: str = "20mbit-60ms",
    repetition: int = 1,
    size: int = 1_000_000,
    seconds: float = 1.0,
    here: int = 60_000_000,
    there: int = 30_000_000,
    server: str = "bookworm/overlay2",
) -> RunRecord:
    """A run of an image of 300 MB whose largest layer has 120 MB."""
    return RunRecord(
        bench="bench-1",
        case=case,
        method=method,
        link=link,
        server=server,
        repetition=repetition,
        bytes=size,
        seconds=seconds,
        memory_here=here,
        memory_there=there,
        memory_engine=0,
        free_there=2_000_000_000,
        image=300_000_000,
        layer=120_000_000,
    )


def verdicts(records: list[RunRecord]) -> dict[str, bool]:
    """The limits that were judged, by name."""
    found = judge(records)["limits"]
    assert isinstance(found, list)
    return {limit["name"]: limit["ok"] for limit in found}


@pytest.mark.parametrize(
    ("case", "ours", "kept"),
    [
        ("cold", 950_000, True),
        ("cold", 951_000, False),
        ("code", 1_000_000, True),
        ("code", 1_000_001, False),
        ("deps", 66_000, True),
        ("deps", 67_000, False),
        ("rebuild", 10_000, True),
        ("rebuild", 10_001, False),
    ],
)
def test_bytes_are_judged_against_the_best_other(case: str, ours: int, kept: bool) -> None:
    """The best other is the one with the fewest bytes, and each case has its own share of them."""
    runs = [
        record("ftl", case=case, size=ours),
        record("registry", case=case, size=1_000_000),
        record("save-load", case=case, size=9_000_000),
    ]
    assert verdicts(runs)[f"bytes: {case}, share of the best other"] is kept


def test_the_worst_link_counts_for_bytes() -> None:
    """A share that is kept on one link and missed on another is missed."""
    runs = [
        record("ftl", case="code", link="loopback", size=5),
        record("registry", case="code", link="loopback", size=10),
        record("ftl", case="code", size=11),
        record("registry", case="code", size=10),
    ]
    assert not verdicts(runs)["bytes: code, share of the best other"]


def test_seconds_are_compared_in_pairs() -> None:
    """A machine that is slow for a while is slow for both: each repetition is compared with itself."""
    ours, theirs = [1.0, 9.0, 1.0], [1.1, 9.5, 0.5]
    runs = [record("ftl", case="code", repetition=at, seconds=each) for at, each in enumerate(ours)]
    runs += [record("registry", case="code", repetition=at, seconds=each) for at, each in enumerate(theirs)]
    name = "seconds: code at 20mbit-60ms, times the best other"
    assert verdicts(runs)[name]
    runs += [record("original", case="code", repetition=at + 9, seconds=0.9) for at in range(3)]
    assert not verdicts(runs)[name]


def test_a_delta_must_be_eight_times_faster_where_the_link_is_slow() -> None:
    """That limit is on one cell."""
    name = "seconds: deps at 20mbit-60ms, share of the best other"
    for seconds, kept in ((1.0, True), (1.01, False)):
        runs = [record("ftl", seconds=seconds), record("registry", seconds=8.0)]
        assert verdicts(runs)[name] is kept
    assert name not in verdicts([record("ftl", link="loopback"), record("registry", link="loopback")])


def test_sending_nothing_is_judged_by_itself() -> None:
    """It needs no other method to be compared with."""
    runs = [record("ftl", case="none", size=20_000, seconds=0.99)]
    assert verdicts(runs)["bytes: none"]
    assert verdicts(runs)["seconds: none at 20mbit-60ms"]
    runs.append(record("ftl", case="none", link="loopback", size=20_001))
    assert not verdicts(runs)["bytes: none"]


def test_memory_is_judged_by_its_peak() -> None:
    """One run above a limit is one too many; that of others does not matter."""
    within = [record("ftl"), record("ftl", case="large", here=119_000_000), record("original", here=10**9)]
    assert all(ok for name, ok in verdicts(within).items() if name.startswith("memory"))
    above = [*within, record("ftl", case="large", here=121_000_000, there=1_100_000_000)]
    missed = [name for name, ok in verdicts(above).items() if name.startswith("memory") and not ok]
    assert missed == [
        "memory here: an image of 1.5 GB",
        "memory there: share of what is free",
    ]
    assert not verdicts([record("ftl", there=301_000_000)])["memory there: a delta, in times of the layer"]


def test_nothing_measured_is_nothing_kept() -> None:
    """A run that measured nothing has not kept its limits."""
    assert judge([]) == {"type": "result", "ok": False, "limits": []}


def test_the_summary_names_slower_cells_and_ratios_for_each_server() -> None:
    """A figure is there only where it was measured, and that of the code only with the containerd store."""
    loaded = "trixie/containerd"
    runs = [
        record("ftl", seconds=6.0),
        record("registry", seconds=7.0),
        record("ftl", case="code", link="loopback", seconds=2.0, server=loaded),
        record("registry", case="code", link="loopback", seconds=1.0, server=loaded),
    ]
    assert needs_floor(runs, "bookworm/overlay2")
    assert not needs_floor(runs, loaded)
    summary = summarize(runs, {"bookworm/overlay2": 4.0}, Noop([(1.0, 1.2), (1.0, 1.1)]))
    slower = {"case": "code", "link": "loopback", "method": "registry", "ratio": 2.0}
    assert summary == {
        "type": "summary",
        "servers": {
            "bookworm/overlay2": {
                "slower_cells": [],
                "bytes_kept": False,
                "memory_kept": True,
                "deps_floor_ratio": 1.5,
                "deps_floor_seconds": 4.0,
            },
            loaded: {
                "slower_cells": [slower],
                "bytes_kept": True,
                "memory_kept": True,
                "code_loopback_ratio": 2.0,
            },
        },
        "noop_ratio_30": 1.15,
        "noop_seconds_1": 1.0,
        "noop_seconds_30": 1.15,
    }


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Lines of other types between them are passed over."""
    runs = [record("ftl"), record("registry", repetition=2)]
    file = tmp_path / "runs"
    file.write_text("\n".join([runs[0].line(), json.dumps({"type": "result"}), runs[1].line()]))
    assert read_records(file) == runs


def test_the_page_gets_the_tables_and_keeps_the_rest(tmp_path: Path) -> None:
    """What lies between the marks is replaced, as often as it is written."""
    runs = [record("ftl", size=1_600_000), record("registry", size=45_000_000)]
    page, plot = tmp_path / "performance.md", tmp_path / "transfer.svg"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    write(runs, page, plot)
    write(runs, page, plot)
    text = page.read_text()
    assert text == f"# Before\n\n{BEGIN}\n\n{markdown(runs)}\n\n{END}\n\nafter\n"
    assert "| deps | 1.6 MB, 1.00 s | 45.0 MB, 1.00 s | 0.036 | 1.00 |" in text
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="no place"):
        write(runs, page, plot)


def test_the_plot_has_a_bar_for_each_method_in_each_case() -> None:
    """It is valid XML; a smaller value has a lower bar."""
    runs = [record(name, size=10 ** (number + 3)) for number, name in enumerate(METHODS)]
    root = ElementTree.fromstring(draw(runs))
    space = "{http://www.w3.org/2000/svg}"
    bytes_panel = root.findall(f"{space}g")[0]
    bars = [float(bar.attrib["height"]) for bar in bytes_panel.findall(f"{space}rect")]
    assert len(bars) == len(METHODS)
    assert bars == sorted(bars)


def test_the_memory_of_whole_families_is_seen() -> None:
    """Of a process that a child of ours started, and of the most that it ever had."""
    grown = f"import time; b'x' * (50 * {MEGABYTE}); print(1, flush=True); time.sleep(60)"
    started = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grown!r}])"
    with subprocess.Popen([sys.executable, "-c", started], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (grandchild,) = measurement.descendants(process.pid)
        found = measurement.memory(grandchild)
        process.kill()
        subprocess.run(["kill", str(grandchild)], check=True)
    assert found.peak > 50 * MEGABYTE > found.now > 0
    assert measurement.memory(process.pid) == measurement.ProcessMemory()
