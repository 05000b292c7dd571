"""Transfers to a server whose disk is full, or fills up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.transfer.faulty import MEGABYTE, Scene, attempt, broken, failure
from tests.e2e.support.transfer.images import Made, layer, load, run
from tests.e2e.support.transfer.servers import unchanged

from ftl.errors import TransferFailed
from ftl.events import Event, TransferProgress

if TYPE_CHECKING:
    from pathlib import Path

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory


pytestmark = pytest.mark.server


def test_too_little_disk_space_is_an_error_beforehand(server: Server, scene: Scene, tmp_path: Path) -> None:
    """Where the free space is known, the error says how much is missing, and nothing is sent."""

    async def work() -> TransferFailed:
        async with broken(server, tmp_path) as between:
            await load(between.source, scene.here, scene.image(size=8 * MEGABYTE))
            with pytest.raises(TransferFailed) as caught:
                await attempt(between, scene, sent.append, free_bytes=10_000_000)
            return caught.value

    sent: list[Event] = []
    error = run(work())
    assert "too little disk space" in error.message
    assert "7 MB missing" in (error.cause or "")
    assert not any(isinstance(event, TransferProgress) for event in sent)


def test_too_little_disk_space_for_a_part_is_an_error_at_its_first_byte(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """The size of a layer that must be sent is known when it is read."""
    base, added = scene.image(), layer({"more": b"m" * 4 * MEGABYTE})

    async def work() -> TransferFailed:
        async with broken(server, tmp_path) as between:
            await load(between.target, scene.there, base)
            await load(between.source, scene.here, Made((*base.layers, added)))
            with pytest.raises(TransferFailed) as caught:
                await attempt(between, scene, free_bytes=6_000_000)
            return caught.value

    try:
        with unchanged(server):
            assert "3 MB missing" in (run(work()).cause or "")
    finally:
        server.docker("rmi", scene.there)


def test_a_disk_that_fills_up(server_factory: ServerFactory, scene: Scene, tmp_path: Path) -> None:
    """Where the free space is unknown, the engine's error comes with what could be freed."""
    server = server_factory("small", disk=64 * MEGABYTE)
    unused = scene.image(size=4 * MEGABYTE)

    async def leave_unused() -> None:
        async with broken(server, tmp_path) as between:
            await load(between.target, "unused:latest", unused)

    run(leave_unused())
    error = failure(server, scene, tmp_path, scene.image(size=60 * MEGABYTE))
    assert "no space left on device" in (error.cause or "")
    assert re.search(r"`docker image prune --all` there frees about \d+\.\d MB", error.hint or "")
