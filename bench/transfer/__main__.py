"""Benchmark of bringing images to a server, by several methods over several links.

    python -m bench.transfer [--cases cold,code] [--links loopback] [--methods ftl,registry] [--repeat 5]
                             [--server trixie/containerd,sid/containerd] [--out FILE] [--quick]
    python -m bench.transfer report FILE        write the tables and the plot of docs/ from the output of --out
    python -m bench.transfer floor [SUITE/STORE]   lower bound for `deps` on the slowest link, part by part
    python -m bench.transfer clean              remove the images that were built for it

Prints the relay's speed, one JSON object for each run, and for each server a table of medians (on stderr) and one JSON
object with the limits; the exit status is 1 if one is missed, except for a quick trial. The last line is the summary of
all servers. The methods take turns within each repetition,
so that a busy minute affects all of them. Every method has a separate server, so that none profits from another's
layers.
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

from lab import images as lab_images
from lab.servers import Lab

from bench import noop
from bench.project import run_name
from bench.transfer import images, measurement
from bench.transfer.cases import CASES, LARGE
from bench.transfer.floor import measure_floor
from bench.transfer.limits import judge
from bench.transfer.links import LINKS, ceiling
from bench.transfer.method_server import MethodServer
from bench.transfer.methods import METHODS
from bench.transfer.records import RunRecord, read_records
from bench.transfer.report import table, write
from bench.transfer.summary import needs_floor, summarize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab.servers import Store

    from bench.noop import Noop
    from bench.transfer.cases import Case, Size
    from bench.transfer.images import AppImages
    from bench.transfer.links import Link
    from bench.transfer.methods import Method

DEFAULT_SERVERS = ("bookworm/overlay2", "trixie/containerd", "sid/containerd")
"""The server of the oldest engine, and two with the store that Docker installs now."""

SERVERS = ("bookworm/overlay2", "trixie/overlay2", "trixie/containerd", "sid/overlay2", "sid/containerd")


class Bench:
    """The servers of a benchmark; a context manager that leaves only the images that it sends.

    Args:
        server: SUITE/STORE of the servers.
        size: The app that is sent.
    """

    def __init__(self, server: str, size: Size) -> None:
        self._server = server
        self._size = size
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        measurement.adopt_orphans()
        self._lab = self._stack.enter_context(Lab(run_name("bench")))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def runs(
        self, cases: Sequence[Case], links: Sequence[Link], methods: Sequence[Method], repeat: int
    ) -> Iterator[RunRecord]:
        """Measure every combination, several times."""
        servers = [self._method_server(method, self._size) for method in methods]
        base = CASES["cold"]
        if base not in cases:
            for server in servers:
                server.bring_base(base)
        for repetition in range(1, repeat + 1):
            for link in links:
                for case in cases:
                    for server in servers:
                        yield self._one(server, case, link, repetition)
                    servers = [*servers[1:], servers[0]]

    def large(self, link: Link) -> RunRecord:
        """Measure FTL with a large image, once."""
        server = self._method_server(METHODS["ftl"], "large")
        return self._one(server, LARGE, link, 1)

    def _method_server(self, method: Method, size: Size) -> MethodServer:
        made = _images(size, method.family)
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ftl-")))
        server = self._stack.enter_context(
            MethodServer(self._lab, method, made, folder, name=f"{method.name}-{size}")
        )
        server.start(*cast("tuple[str, Store]", self._server.split("/")))
        return server

    def _one(self, server: MethodServer, case: Case, link: Link, repetition: int) -> RunRecord:
        if case.follows:
            server.back()
        else:
            server.empty()
        os.sync()  # so that the restored state is not written to disk during the measurement
        run = server.run(case, link)
        if not case.follows:
            server.keep(case)
        record = RunRecord(
            bench=self._lab.run,
            case=case.name,
            method=server.method.name,
            link=link.name,
            server=self._server,
            repetition=repetition,
            bytes=run.traffic.up + run.traffic.down,
            seconds=round(run.measurement.seconds, 3),
            memory_here=run.measurement.here,
            memory_there=run.measurement.there,
            memory_engine=run.measurement.engine,
            image=server.images.sizes[case.variant],
            layer=server.images.layer,
            free_there=run.measurement.free,
            said=run.said,
        )
        figures = f"{record.bytes:>12,} B {record.seconds:>8.2f} s"
        line = f"{record.link:>14} {record.case:>8} {record.method:>17} {figures}"
        print(line, file=sys.stderr, flush=True)
        return record


def _images(size: Size, family: str) -> AppImages:
    return (
        images.ensure_images(size, family, ("base",))
        if size == "large"
        else images.ensure_images(size, family)
    )


def main() -> None:
    """Run a command."""
    if sys.argv[1:2] == ["report"]:
        write(read_records(Path(sys.argv[2])))
        return
    if sys.argv[1:2] == ["floor"]:
        print(json.dumps(measure_floor((sys.argv[2:] or SERVERS)[0])))
        return
    if sys.argv[1:] == ["clean"]:
        images.remove_images()
        return
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers are removed
    size: Size = "small" if arguments.quick else "web"
    links = [LINKS["loopback"]] if arguments.quick else [LINKS[name] for name in arguments.links]
    repeat = 1 if arguments.quick else arguments.repeat
    records: list[RunRecord] = []

    def note(record: RunRecord) -> None:
        records.append(record)
        print(record.line(), flush=True)
        if arguments.out is not None:
            with arguments.out.open("a") as file:
                file.write(f"{record.line()}\n")

    print(json.dumps({"type": "relay", "bytes_per_second": round(ceiling())}), flush=True)
    servers: Sequence[str] = arguments.server
    cases, methods = (
        [CASES[name] for name in arguments.cases],
        [METHODS[name] for name in arguments.methods],
    )
    is_kept: list[bool] = []
    for name in servers:
        with Bench(name, size) as bench:
            for record in bench.runs(cases, links, methods, repeat):
                note(record)
            if "ftl" in arguments.methods and not arguments.quick and arguments.large:
                note(bench.large(LINKS["loopback"]))
        own = [record for record in records if record.server == name]
        print(table(own), file=sys.stderr)
        result = judge(own)
        print(json.dumps(result), flush=True)
        is_kept.append(bool(result["ok"]))
    floors = {
        name: cast("float", measure_floor(name)["sum"]) for name in servers if needs_floor(records, name)
    }
    noops = _noop() if arguments.noop and not arguments.quick else None
    print(json.dumps(summarize(records, floors, noops)), flush=True)
    sys.exit(not (all(is_kept) or arguments.quick))


def _noop() -> Noop:
    """Measure deploys that change nothing."""
    lab_images.ensure("caddy", "busybox")
    name = run_name("noop")
    with Lab(name) as lab:
        return noop.measure(lab.server("server"), name)


def _servers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(SERVERS):
        raise argparse.ArgumentTypeError(f"no such server: {', '.join(sorted(unknown))}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, all_there_are in (("--cases", CASES), ("--links", LINKS), ("--methods", METHODS)):
        parser.add_argument(option, type=lambda text: text.split(","), default=list(all_there_are))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--server", type=_servers, default=list(DEFAULT_SERVERS), help="SUITE/STORE,...")
    parser.add_argument("--out", type=Path, help="append the runs to this file")
    parser.add_argument("--no-large", dest="large", action="store_false", help="not the image of 1.5 GB")
    parser.add_argument("--no-noop", dest="noop", action="store_false", help="no deploys that change nothing")
    parser.add_argument(
        "--quick", action="store_true", help="once, over loopback, with a small image: a trial"
    )
    return parser


if __name__ == "__main__":
    main()
