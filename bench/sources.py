"""Benchmark of the sources of layers in the local engine: a push, and `docker save`.

    python -m bench.sources IMAGE [--runs 5]

Prints one JSON object a line, for each source and each of three cases: all layers, the largest one, the smallest one.
Seconds are the median of some runs, with the least and the most; the layers are read, and not sent anywhere. The push
knows the blobs of the layers that are not needed, as it does from the second deploy on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.image.transfer.sources.blob_cache import BlobCache
from ftl.image.transfer.sources.docker_save import DockerSaveSource
from ftl.image.transfer.sources.push import PushSource
from ftl.image.transfer.sources.source import SourceImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.image.transfer.sources.source import LayerSource


def main() -> None:
    """Measure one image."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(arguments.image, arguments.runs, Path(folder, "pushed.json")))


async def _measure(reference: str, runs: int, cache: Path) -> None:
    async with Engine(local_url(), name="this machine") as engine:
        image = await engine.image(reference)
        if image is None:
            raise SystemExit(f"no image {reference}")
        images = [SourceImage(reference, image.id, image.layers)]
        learning = PushSource(engine, images, BlobCache(cache))
        await learning.learn()
        by_size = sorted(image.layers, key=lambda layer: learning.sizes[layer])
        cases = {"all": image.layers, "largest": by_size[-1:], "smallest": by_size[:1]}
        for case, layers in cases.items():
            times: dict[str, list[float]] = {}
            for _ in range(runs):  # in turns, so that a busy minute affects both
                for source in _sources(engine, images, cache):
                    began = time.monotonic()
                    await _read(source, layers)
                    times.setdefault(source.name, []).append(time.monotonic() - began)
            for name, seconds in times.items():
                _report(name, case, sum(learning.sizes[layer] for layer in set(layers)), seconds)


def _sources(engine: Engine, images: Sequence[SourceImage], cache: Path) -> list[LayerSource]:
    references = {image.config_digest: image.reference for image in images}
    return [PushSource(engine, images, BlobCache(cache)), DockerSaveSource(engine, references, images)]


async def _read(source: LayerSource, layers: Sequence[str]) -> None:
    async with aclosing(source.layers(frozenset(layers), measure_all=False)) as streams:
        async for layer in streams:
            async for _ in layer.chunks:
                pass


def _report(source: str, case: str, size: int, seconds: Sequence[float]) -> None:
    median = statistics.median(seconds)
    figures = {
        "seconds": median,
        "least": min(seconds),
        "most": max(seconds),
        "mb_per_second": size / median / 1e6,
    }
    rounded = {name: round(value, 3) for name, value in figures.items()}
    record = {"source": source, "case": case, "bytes": size, "runs": len(seconds), **rounded}
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
