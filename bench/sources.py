"""How fast layers come out of the engine here: from its files, by a push, by `docker save`.

    python -m bench.sources IMAGE [--runs 5]

Prints one JSON object a line, for each source and each of three cases: all layers, the largest one, the smallest one.
Seconds are the median of some runs, with the least and the most; the layers are read, and go nowhere. The push
remembers the layers that are not asked for, as it does from the second deploy on. The files need root.
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
from ftl.image.transfer.sources.files import readable
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(given.image, given.runs, Path(folder, "pushed.json")))


async def _measure(reference: str, runs: int, memory: Path) -> None:
    async with Engine(local_url(), name="this machine") as engine:
        image = await engine.image(reference)
        if image is None:
            raise SystemExit(f"no image {reference}")
        wanted = [SourceImage(reference, image.id, image.layers)]
        learning = PushSource(engine, wanted, BlobCache(memory))
        await learning.learn()
        ordered = sorted(image.layers, key=lambda layer: learning.sizes[layer])
        cases = {"all": image.layers, "largest": ordered[-1:], "smallest": ordered[:1]}
        for case, layers in cases.items():
            taken: dict[str, list[float]] = {}
            for _ in range(runs):  # in turns, so that a busy minute is everybody's
                for source in await _sources(engine, wanted, memory):
                    began = time.monotonic()
                    await _read(source, layers)
                    taken.setdefault(source.name, []).append(time.monotonic() - began)
            for name, seconds in taken.items():
                _tell(name, case, sum(learning.sizes[layer] for layer in set(layers)), seconds)


async def _sources(engine: Engine, wanted: Sequence[SourceImage], memory: Path) -> list[LayerSource]:
    files = await readable(engine, wanted)
    push = PushSource(engine, wanted, BlobCache(memory))
    saving = DockerSaveSource(engine, {image.config: image.reference for image in wanted}, wanted)
    return [*([files] if files else []), push, saving]


async def _read(source: LayerSource, layers: Sequence[str]) -> None:
    async with aclosing(source.layers(frozenset(layers), measure=False)) as found:
        async for layer in found:
            async for _ in layer.pieces:
                pass


def _tell(source: str, case: str, size: int, seconds: Sequence[float]) -> None:
    median = statistics.median(seconds)
    figures = {
        "seconds": median,
        "least": min(seconds),
        "most": max(seconds),
        "mb_per_second": size / median / 1e6,
    }
    rounded = {name: round(value, 3) for name, value in figures.items()}
    print(
        json.dumps({"source": source, "case": case, "bytes": size, "runs": len(seconds), **rounded}),
        flush=True,
    )


if __name__ == "__main__":
    main()
