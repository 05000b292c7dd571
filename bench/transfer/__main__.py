"""Bringing images to a server, by FTL and by what others do, over links of several kinds.

    python -m bench.transfer [--cases cold,code] [--links loopback] [--methods ftl,registry] [--repeat 5]
                             [--server trixie/containerd] [--out FILE] [--quick]
    python -m bench.transfer report FILE        the table and the plot of docs/, from what --out wrote
    python -m bench.transfer floor [SUITE/STORE]   what `deps` cannot do without on the slowest link, part by part
    python -m bench.transfer clean              remove the images that were built for it

Prints how fast the relay is, one JSON object for each run, a table of medians (on stderr), and one JSON object that
says which limits are kept; the exit status is 1 where one is missed, which does not matter to a quick trial. The
methods take turns within each repetition: a busy minute is not to be one method's alone. Every method has a server of
its own, so that none profits from what another one brought.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lab.servers import Lab

from bench.project import run_name
from bench.transfer import images, measuring
from bench.transfer.cases import CASES, LARGE
from bench.transfer.floor import floor
from bench.transfer.judging import judged
from bench.transfer.links import LINKS, ceiling
from bench.transfer.methods import METHODS
from bench.transfer.records import Record, read
from bench.transfer.report import table, write
from bench.transfer.stage import Stage
from bench.transfer.words import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.servers import Store

    from bench.transfer.cases import Case, Size
    from bench.transfer.images import Images
    from bench.transfer.links import Link
    from bench.transfer.methods import Method

SERVERS = ("bookworm/overlay2", "trixie/overlay2", "trixie/containerd", "sid/overlay2", "sid/containerd")


class Bench:
    """A benchmark's servers; a context manager that leaves nothing behind but the images that it sends.

    Args:
        server: SUITE/STORE of the servers.
        size: Which app is sent.
    """

    def __init__(self, server: str, size: Size) -> None:
        self._server = server
        self._size = size
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        measuring.adopt_orphans()
        self._lab = self._stack.enter_context(Lab(run_name("bench")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def runs(
        self, cases: Sequence[Case], links: Sequence[Link], methods: Sequence[Method], repeat: int
    ) -> Iterator[Record]:
        """Measure everything so many times."""
        stages = [self._stage(method, self._size) for method in methods]
        base = CASES["cold"]
        if base not in cases:
            for stage in stages:
                stage.bring_base(base)
        for repetition in range(1, repeat + 1):
            for link in links:
                for case in cases:
                    for stage in stages:
                        yield self._one(stage, case, link, repetition)
                    stages = [*stages[1:], stages[0]]

    def large(self, link: Link) -> Record:
        """The one run of FTL with a large image."""
        stage = self._stage(METHODS["ftl"], "large")
        return self._one(stage, LARGE, link, 1)

    def _stage(self, method: Method, size: Size) -> Stage:
        made = _images(size, method.family)
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ftl-")))
        stage = self._stack.enter_context(
            Stage(self._lab, method, made, folder, name=f"{method.name}-{size}")
        )
        stage.start(*cast("tuple[str, Store]", self._server.split("/")))
        return stage

    def _one(self, stage: Stage, case: Case, link: Link, repetition: int) -> Record:
        if case.follows:
            stage.back()
        else:
            stage.empty()
        os.sync()  # what was put back is not to be written to disk while something else is measured
        run = stage.run(case, link)
        if not case.follows:
            stage.keep(case)
        record = Record(
            bench=self._lab.run,
            case=case.name,
            method=stage.method.name,
            link=link.name,
            server=self._server,
            repetition=repetition,
            bytes=run.carried.up + run.carried.down,
            seconds=round(run.measured.seconds, 3),
            memory_here=run.measured.here,
            memory_there=run.measured.there,
            memory_engine=run.measured.engine,
            image=stage.images.sizes[case.variant],
            layer=stage.images.layer,
            free_there=run.measured.free,
            said=run.said,
        )
        figures = f"{record.bytes:>12,} B {record.seconds:>8.2f} s"
        say(f"{record.link:>14} {record.case:>8} {record.method:>17} {figures}")
        return record


def _images(size: Size, family: str) -> Images:
    return images.ensure(size, family, ("base",)) if size == "large" else images.ensure(size, family)


def main() -> None:
    """Run it."""
    if sys.argv[1:2] == ["report"]:
        write(read(Path(sys.argv[2])))
        return
    if sys.argv[1:2] == ["floor"]:
        print(json.dumps(floor((sys.argv[2:] or SERVERS)[0])))
        return
    if sys.argv[1:] == ["clean"]:
        images.remove()
        return
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers are removed
    size: Size = "small" if given.quick else "web"
    links = [LINKS["loopback"]] if given.quick else [LINKS[name] for name in given.links]
    repeat = 1 if given.quick else given.repeat
    records: list[Record] = []

    def note(record: Record) -> None:
        records.append(record)
        print(record.line(), flush=True)
        if given.out is not None:
            with given.out.open("a") as file:
                file.write(f"{record.line()}\n")

    print(json.dumps({"type": "relay", "bytes_per_second": round(ceiling())}), flush=True)
    with Bench(given.server, size) as bench:
        cases, methods = [CASES[name] for name in given.cases], [METHODS[name] for name in given.methods]
        for record in bench.runs(cases, links, methods, repeat):
            note(record)
        if "ftl" in given.methods and not given.quick and given.large:
            note(bench.large(LINKS["loopback"]))
    print(table(records), file=sys.stderr)
    result = judged(records)
    print(json.dumps(result), flush=True)
    sys.exit(not (result["ok"] or given.quick))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, all_there_are in (("--cases", CASES), ("--links", LINKS), ("--methods", METHODS)):
        parser.add_argument(option, type=lambda text: text.split(","), default=list(all_there_are))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--server", choices=SERVERS, default=SERVERS[0])
    parser.add_argument("--out", type=Path, help="append the runs to this file")
    parser.add_argument("--no-large", dest="large", action="store_false", help="not the image of 1.5 GB")
    parser.add_argument(
        "--quick", action="store_true", help="once, over loopback, with a small image: a trial"
    )
    return parser


if __name__ == "__main__":
    main()
