"""Images here that are not what they should be, and users there whose shells are not like others."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.transfer_cuts import (
    digests,
    large,
    tidy,
)
from tests.e2e.transfer_faults import Exchange, Fault, relay
from tests.e2e.transfer_images import Made, layer, load, run
from tests.e2e.transfer_stage import Bench, bring, kept, packages, reach

from ftl.engine.api import Engine
from ftl.engine.local import local_url
from ftl.errors import TransferFailed
from ftl.image.transfer import send

if TYPE_CHECKING:
    from lab.servers import Server


pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]


class Nothing(Fault):
    """All is well."""


async def failing(
    server: Server, bench: Bench, tmp_path: Path, fault: Fault, sources: set[str]
) -> TransferFailed:
    """Send an image with a fault in front of the engine here."""
    async with (
        relay(tmp_path / "here", local_url(), fault) as url,
        Engine(url, name="this machine") as source,
        reach(server) as between,
    ):
        with pytest.raises(TransferFailed) as caught:
            await send(
                source,
                bench.tag("r1"),
                between.target,
                tag=bench.tag("r1"),
                info=between.info,
                emit=lambda _event: None,
                machine=between.machine,
                sources=sources,
            )
        return caught.value


def test_a_layer_whose_bytes_are_not_its_own(target: Server, bench: Bench, tmp_path: Path) -> None:
    """A damaged disk or engine here: the layer is not kept there under a name that it has no right to."""
    made = bench.of("one", layer({"mark": b"x" * 3_000_000}))

    class Damage(Nothing):
        async def engine(self, exchange: Exchange, piece: bytes) -> bytes:
            saved = "/images/get" in exchange.request
            return piece.replace(b"x" * 100, b"x" * 99 + b"!", 1) if saved else piece

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, bench.tag("r1"), made)
        return await failing(target, bench, tmp_path, Damage(), {"save"})

    error = run(work())
    assert "damaged on this machine" in error.message
    assert tidy(target)
    assert not any(name.startswith(digests(made)[1]) for name in kept(target))
    assert target.docker("images", "--quiet") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may damage the engine's files")
def test_a_damaged_file_of_the_engine_here(target: Server, bench: Bench) -> None:
    """Found out when the layer has passed, whichever way it is read: no tag, and nothing of it is kept there."""
    made = bench.of("one", packages(bench.name))

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, bench.tag("r1"), Made(made.layers[:2], made.labels))
            form = "{{.GraphDriver.Data.UpperDir}}"
            argv = ("docker", "image", "inspect", "--format", form, bench.tag("r1"))
            shown = await asyncio.to_thread(subprocess.run, argv, capture_output=True, check=True)
            (Path(shown.stdout.decode().strip()) / "lib/7").write_bytes(b"y" * 40_000)
            await load(between.source, bench.tag("r1"), made)
            with pytest.raises(TransferFailed) as caught:
                await bring(between, made, bench.tag("r1"), bench.tag("r1"))
            return caught.value

    error = run(work())
    assert "on this machine" in error.message
    assert tidy(target)
    assert not any(name.startswith(digests(made)[1]) for name in kept(target))
    assert target.docker("images", "--quiet") == ""


def test_an_image_that_vanishes(target: Server, bench: Bench, tmp_path: Path) -> None:
    """Someone removes it while the server is asked."""

    class Vanish(Nothing):
        async def client(self, exchange: Exchange, piece: bytes) -> bytes:
            if "/images/get" in exchange.request:
                async with Engine(local_url(), name="this machine") as source:
                    await source.untag(bench.tag("r1"))
            return piece

    async def work() -> TransferFailed:
        async with reach(target) as between:
            await load(between.source, bench.tag("r1"), large(bench))
        return await failing(target, bench, tmp_path, Vanish(), {"save"})

    assert "cannot be read from the engine on this machine" in run(work()).message
    assert tidy(target)
