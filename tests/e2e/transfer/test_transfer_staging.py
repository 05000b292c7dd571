"""Staging tags of transfers that ended early: removed in time, and never those of others."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from lab.transfers import send, send_many
from tests.e2e.support.transfer.faulty import MEGABYTE, Scene, attempt, broken
from tests.e2e.support.transfer.images import Made, layer, load, run
from tests.e2e.support.transfer.servers import unchanged

from ftl.errors import TransferFailed
from ftl.events import ignore
from ftl.image.transfer.staging import StagedImages

if TYPE_CHECKING:
    from pathlib import Path

    from lab.servers import Server


pytestmark = pytest.mark.server


def test_staging_tags_of_killed_transfers_are_removed_after_a_day(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """The next transfer removes them with their containers; a younger transfer may be running."""
    old = "ftl-incoming:1000000000-abcd-01234567-0"
    young = f"ftl-incoming:{int(time.time())}-abcd-01234567-0"

    async def work() -> set[str]:
        async with broken(server, tmp_path) as between:
            for tag in (old, young):
                await load(between.target, tag, Made((layer({"old": tag.encode()}),)))
                server.docker("create", "--name", tag.replace(":", "-"), tag, "x")
            await load(between.source, scene.here, scene.image())
            await attempt(between, scene)
            return {tag for image in await between.target.images() for tag in image.tags}

    try:
        tags = run(work())
        shown = server.docker("ps", "--all", "--format", "{{.Names}}", "--filter", "name=ftl-incoming")
        containers = shown.split()
    finally:
        server.docker("rm", young.replace(":", "-"), check=False)
        server.docker("rmi", scene.there, young, check=False)
    assert old not in tags
    assert {young, scene.there} <= tags
    assert containers == [young.replace(":", "-")]


def test_staging_tags_under_the_callers_lock_are_removed_at_once(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """No other transfer can be running; also when the image exists, so that nothing needs to be sent."""

    async def work() -> set[str]:
        async with broken(server, tmp_path) as between:
            await load(between.source, scene.here, scene.image())
            (left,) = StagedImages(between.target, 1, time.time(), scene.name).tags
            await send(
                between.source,
                scene.here,
                between.target,
                tag=left,
                info=between.info,
                emit=ignore,
            )
            server.docker("create", "--name", left.replace(":", "-"), left, "x")
            await send_many(
                between.source,
                {scene.there: scene.here},
                between.target,
                info=between.info,
                emit=ignore,
                lock=scene.name,
            )
            return {tag for image in await between.target.images() for tag in image.tags}

    try:
        with unchanged(server):
            assert scene.there in run(work())
    finally:
        server.docker("rmi", scene.there, check=False)


def test_stale_staging_tags_are_removed_also_when_the_transfer_fails(
    server: Server, scene: Scene, tmp_path: Path
) -> None:
    """Or they would use the disk space that the next one lacks."""

    async def work() -> None:
        async with broken(server, tmp_path) as between:
            (left,) = StagedImages(between.target, 1, time.time(), scene.name).tags
            await load(between.direct, left, scene.image("old"))
            await load(between.source, scene.here, scene.image(size=8 * MEGABYTE))
            with pytest.raises(TransferFailed, match="too little disk space"):
                await send_many(
                    between.source,
                    {scene.there: scene.here},
                    between.target,
                    info=between.info,
                    emit=ignore,
                    free_bytes=10_000,
                    lock=scene.name,
                )

    with unchanged(server):
        run(work())
