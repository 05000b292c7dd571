"""Images through the engine package: tags, archives, pulls."""

from __future__ import annotations

import io
import json
import resource
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.engine import EngineTestbed, run

from ftl.engine.api import Engine
from ftl.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.engine


@pytest.fixture
def scratch_tag(testbed: EngineTestbed) -> Iterator[str]:
    """A tag that only this test uses."""
    tag = f"{testbed.prefix}-image:r1"
    yield tag

    async def work() -> None:
        async with Engine(testbed.url, name="this machine") as engine:
            await engine.untag(tag)

    run(work())


def test_an_image_is_tagged_inspected_listed_and_untagged(testbed: EngineTestbed, scratch_tag: str) -> None:
    """Adding and removing a tag does not touch the image's other tags."""

    async def work() -> None:
        async with testbed.engine() as engine:
            await engine.tag(testbed.image, scratch_tag)
            image = await engine.image(scratch_tag)
            assert image is not None
            assert scratch_tag in image.tags
            assert image.layers
            assert image.platform == (await engine.info()).platform
            assert image.id in {listed.id for listed in await engine.images()}
            await engine.untag(scratch_tag)
            assert await engine.image(scratch_tag) is None
            assert await engine.image(testbed.image) is not None

    run(work())


def test_several_images_are_saved_and_loaded_in_one_archive(testbed: EngineTestbed, scratch_tag: str) -> None:
    """`save` of two references is one archive with both, and `load` accepts it as a stream."""

    async def work() -> None:
        async with testbed.engine() as engine:
            await engine.tag(testbed.image, scratch_tag)
            content = b"".join([chunk async for chunk in engine.save([testbed.image, scratch_tag])])
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest is not None
                tags = {tag for entry in json.load(manifest) for tag in entry["RepoTags"]}
            assert scratch_tag in tags
            await engine.untag(scratch_tag)
            messages = await engine.load(_chunks(content))
            assert f"Loaded image: {scratch_tag}" in messages
            assert await engine.image(scratch_tag) is not None

    run(work())


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65536):
        yield content[start : start + 65536]


def test_a_broken_archive_is_an_error_and_not_a_success(testbed: EngineTestbed) -> None:
    """An error that the engine reports inside a stream that began with 200 is raised."""

    async def work() -> None:
        async with testbed.engine() as engine:
            with pytest.raises(EngineError, match="could not load an image"):
                await engine.load(_chunks(b"no archive at all" * 100))

    run(work())


def test_the_archives_own_error_passes_through_a_load(testbed: EngineTestbed) -> None:
    """An error of the archive itself is raised unchanged."""

    class Mine(Exception):
        """An error that only the test raises."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        raise Mine

    async def work() -> None:
        async with testbed.engine() as engine:
            with pytest.raises(Mine):
                await engine.load(broken())

    run(work())


def test_a_large_archive_is_loaded_in_little_memory(testbed: EngineTestbed) -> None:
    """A gigabyte is sent to the engine with bounded memory."""

    async def zeros() -> AsyncIterator[bytes]:
        info = tarfile.TarInfo("junk")
        info.size = 1 << 30
        yield info.tobuf()
        chunk = bytes(1 << 20)
        for _again in range(1 << 10):
            yield chunk
        yield bytes(1024)

    async def work() -> None:
        async with testbed.engine() as engine:
            await engine.info()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with pytest.raises(EngineError):  # there is no manifest in it
                await engine.load(zeros())
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB

    run(work())


def test_a_pull_that_fails_says_why(testbed: EngineTestbed) -> None:
    """A registry that does not answer is reported with the engine's message, with credentials or without."""

    async def work() -> None:
        async with testbed.engine() as engine:
            for auth in (None, {"username": "me", "password": "secret"}):
                with pytest.raises(EngineError, match=r"could not pull 127\.0\.0\.1:1/none") as caught:
                    async for _status in engine.pull("127.0.0.1:1/none:1", auth=auth):
                        pass
                assert caught.value.cause is not None
                assert "connection refused" in caught.value.cause

    run(work())
