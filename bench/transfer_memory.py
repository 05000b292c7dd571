"""Peak memory and speed of sending one large image, and which stage sets the pace.

    python -m bench.transfer_memory [--megabytes 1000] [--suite bookworm] [--store overlay2]

Prints one JSON object a line: for each stage of the pipeline (read from the local engine, pick the layers out,
compress, send and load on the server) the seconds that it takes together with those before it, and the peak memory of
the process that did it. Each stage runs in a separate process, against a lab server over SSH.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.transfers import send

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.events import Note, TransferProgress
from ftl.image.transfer.archive.archive import ArchivedImage, archive_documents, blob_path
from ftl.image.transfer.archive.tar import END_OF_ARCHIVE, file_header, padding
from ftl.image.transfer.delivery.compress import codec_for, compress_stream
from ftl.image.transfer.delivery.engine_api import flatten
from ftl.image.transfer.pack import ArchivePacker
from ftl.image.transfer.progress.meter import ImageProgress, Meter
from ftl.image.transfer.sources.docker_save import DockerSaveSource
from ftl.image.transfer.sources.source import SourceImage
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ftl.engine.values import EngineInfo

IMAGE = "ftl-bench-memory:here"
THERE = "ftl-bench-memory:there"
STAGES = ("read", "pick", "compress", "send")
MEGABYTE = 1 << 20
_FILE_HEADER = 512


def main() -> None:
    """Make the image, start the server, run each stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--suite", default="bookworm")
    parser.add_argument("--store", default="overlay2", choices=("overlay2", "containerd"))
    parser.add_argument("--stage", help=argparse.SUPPRESS)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        asyncio.run(_stage(given.stage, json.loads(given.server)))
        return
    asyncio.run(_make(given.megabytes))
    from lab.servers import Lab

    try:
        with Lab(f"bench{os.getpid()}") as lab:
            fields = lab.server("memory", suite=given.suite, store=given.store).fields()
            for stage in STAGES:
                argv = [sys.executable, "-m", "bench.transfer_memory", "--stage", stage]
                subprocess.run([*argv, "--server", json.dumps(fields)], check=True)
    finally:
        asyncio.run(_remove())


async def _make(megabytes: int) -> None:
    """An image of one layer, half of which can be compressed."""
    size = megabytes * MEGABYTE
    found = hashlib.sha256()
    for piece in _layer(size):
        found.update(piece)
    diff_id = f"sha256:{found.hexdigest()}"
    total = _FILE_HEADER + size + len(padding(size)) + len(END_OF_ARCHIVE)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["true"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    image = ArchivedImage(IMAGE, json.dumps(config).encode(), (diff_id,))

    async def archive() -> AsyncIterator[bytes]:
        yield file_header(blob_path(diff_id), total)
        for piece in _layer(size):
            yield piece
        yield padding(total)
        for name, content in archive_documents([image], {diff_id: total}).items():
            yield file_header(name, len(content)) + content + padding(len(content))
        yield END_OF_ARCHIVE

    async with Engine(local_url(), name="this machine") as engine:
        await engine.load(archive())


def _layer(size: int) -> Iterator[bytes]:
    source = random.Random(1)
    yield file_header("data", size)
    for number in range(size // MEGABYTE):
        yield (
            source.randbytes(MEGABYTE)
            if number % 2
            else (b"line %d\n" % number).ljust(64, b".") * (MEGABYTE // 64)
        )
    yield padding(size) + END_OF_ARCHIVE


async def _remove() -> None:
    async with Engine(local_url(), name="this machine") as engine:
        await engine.untag(IMAGE)


async def _stage(stage: str, server: dict[str, Any]) -> None:
    target = Target(
        server["host"], server["port"], server["user"], Path(server["ssh_key"]), Path(server["known_hosts"])
    )
    async with (
        Engine(local_url(), name="this machine") as source,
        connect(target, interactive=False) as machine,
        Engine(await machine.engine_url(), name="server") as there,
    ):
        info = await there.info()
        image = await source.image(IMAGE)
        assert image is not None
        before = _peak()
        began, cpu = time.monotonic(), time.process_time()
        moved = await (
            _send(source, there, info)
            if stage == "send"
            else _partial(stage, source, info, image.id, image.layers)
        )
        seconds = time.monotonic() - began
    report = {
        "bench": "transfer_memory",
        "stage": stage,
        "engine": f"{info.version} {info.store}",
        "image_bytes": image.size,
        "bytes_out": moved,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "mb_per_second": round(image.size / seconds / 1e6, 1),
        "peak_mb": round(_peak() / 1e6, 1),
        "peak_mb_before": round(before / 1e6, 1),
    }
    print(json.dumps(report), flush=True)


async def _send(source: Engine, there: Engine, info: EngineInfo) -> int:
    def emit(event: object) -> None:
        if isinstance(event, Note):
            print(event.text, file=sys.stderr)
        elif isinstance(event, TransferProgress) and sys.stderr.isatty():
            print(f"\r{event.bytes_done / 1e6:.0f} MB", end="", file=sys.stderr)

    sent = await send(source, IMAGE, there, tag=THERE, info=info, emit=emit, sources={"save"})
    await there.untag(THERE)
    return sent.bytes_sent


async def _partial(stage: str, source: Engine, info: EngineInfo, image: str, layers: tuple[str, ...]) -> int:
    """The pipeline as far as a stage, its end in the air."""
    if stage == "read":
        async with aclosing(source.save([IMAGE])) as stream:
            return sum([len(piece) async for piece in stream])
    wanted = SourceImage(IMAGE, image, layers)
    meter = Meter([ImageProgress(THERE, len(layers), frozenset(layers), 0)], lambda _: None)
    packing = ArchivePacker(
        DockerSaveSource(source, {image: IMAGE}, [wanted]),
        {THERE: wanted},
        frozenset(layers),
        (),
        meter,
        free=None,
        server="server",
        measure_all=False,
    )
    archive = flatten(packing.parts(), meter)
    out = archive if stage == "pick" else compress_stream(archive, codec_for(info))
    async with aclosing(out) as pieces:
        total = 0
        async for piece in pieces:
            total += len(piece)
        return total


def _peak() -> int:
    """The most memory that this process ever had, in bytes (Linux counts in KiB, macOS in bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
