"""Tests of local images that are damaged, or removed during the transfer."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab.transfers import send
from tests.e2e.support.transfer.cuts import (
    digests,
    large,
    tidy,
)
from tests.e2e.support.transfer.faults import Exchange, Fault, relay
from tests.e2e.support.transfer.images import Made, layer, load, run
from tests.e2e.support.transfer.servers import OwnImages, bring, kept, packages, reach

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import TransferFailed

if TYPE_CHECKING:
    from lab.servers import Server


pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]


class Nothing(Fault):
    """A relay without faults."""


async def failing(
    server: Server, own_images: OwnImages, tmp_path: Path, fault: Fault, sources: set[str]
) -> TransferFailed:
    """Send an image with a fault in front of the local engine."""
    async with (
        relay(tmp_path / "here", local_url(), fault) as url,
        Engine(url, name="this machine") as source,
        reach(server) as between,
    ):
        with pytest.raises(TransferFailed) as caught:
            await send(
                source,
                own_images.tag("r1"),
                between.target,
                tag=own_images.tag("r1"),
                info=between.info,
                emit=lambda _event: None,
                machine=between.machine,
                sources=sources,
            )
        return caught.value


def test_a_layer_with_a_wrong_digest(target: Server, own_images: OwnImages, tmp_path: Path) -> None:
    """The layer is not cached on the server under a digest that it does not have."""
    made = own_images.of("one", layer({"mark": b"x" * 3_000_000}))

    class Damage(Nothing):
        async def engine(self, exchange: Exchange, chunk: bytes) -> bytes:
            saved = "/images/get" in exchange.request
            return chunk.replace(b"x" * 100, b"x" * 99 + b"!", 1) if saved else chunk

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, own_images.tag("r1"), made)
        return await failing(target, own_images, tmp_path, Damage(), {"save"})

    error = run(work())
    assert "damaged on this machine" in error.message
    assert tidy(target)
    assert not any(name.startswith(digests(made)[1]) for name in kept(target))
    assert target.docker("images", "--quiet") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may damage the engine's files")
def test_a_damaged_file_of_the_local_engine(target: Server, own_images: OwnImages) -> None:
    """It is noticed at the end of the layer: no tag is set, and the layer is not cached."""
    made = own_images.of("one", packages(own_images.name))

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, own_images.tag("r1"), Made(made.layers[:2], made.labels))
            form = "{{.GraphDriver.Data.UpperDir}}"
            argv = ("docker", "image", "inspect", "--format", form, own_images.tag("r1"))
            shown = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=True)
            (Path(shown.stdout.decode().strip()) / "lib/7").write_bytes(b"y" * 40_000)
            await load(between.source, own_images.tag("r1"), made)
            with pytest.raises(TransferFailed) as caught:
                await bring(between, made, own_images.tag("r1"), own_images.tag("r1"))
            return caught.value

    error = run(work())
    assert "on this machine" in error.message
    assert tidy(target)
    assert not any(name.startswith(digests(made)[1]) for name in kept(target))
    assert target.docker("images", "--quiet") == ""


def test_an_image_that_is_removed(target: Server, own_images: OwnImages, tmp_path: Path) -> None:
    """After the transfer has begun."""

    class Vanish(Nothing):
        async def client(self, exchange: Exchange, chunk: bytes) -> bytes:
            if "/images/get" in exchange.request:
                async with Engine(local_url(), name="this machine") as source:
                    await source.untag(own_images.tag("r1"))
            return chunk

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, own_images.tag("r1"), large(own_images))
        return await failing(target, own_images, tmp_path, Vanish(), {"save"})

    assert "cannot be read from the engine on this machine" in run(work()).message
    assert tidy(target)
