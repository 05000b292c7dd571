"""Queue of images that several steps of a deploy send to one server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer import TransferQueue, TransferResult

if TYPE_CHECKING:
    from collections.abc import Mapping


class Link:
    """A server that takes a transfer when the test lets it.

    Attributes:
        transfers: The images of each transfer.
    """

    def __init__(self) -> None:
        self.transfers: list[set[str]] = []
        self.passes = asyncio.Semaphore(0)
        self.error: TransferFailed | None = None

    async def send(
        self, images: Mapping[str, str], _loaded_by_ftl: Mapping[str, bool]
    ) -> Mapping[str, TransferResult]:
        """Take images, one transfer at a time."""
        self.transfers.append(set(images))
        await self.passes.acquire()
        if self.error is not None:
            raise self.error
        return {tag: TransferResult(tag, 1, 0, 100, 0.1) for tag in images}


def test_images_that_are_asked_for_during_a_transfer_travel_together() -> None:
    """Three dependencies on one base: the first goes alone, the others in one transfer, with the base there (R-5)."""

    async def work() -> None:
        link = Link()
        queue = TransferQueue(link.send)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            tasks = []
            for name in ("db", "cache", "mail"):
                tasks.append(group.create_task(queue.send({name: name})))
                await asyncio.sleep(0.01)
            link.passes.release()
            link.passes.release()
        assert link.transfers == [{"db"}, {"cache", "mail"}]
        assert [set(task.result()) for task in tasks] == [{"db"}, {"cache"}, {"mail"}]

    asyncio.run(work())


def test_a_request_may_wait_for_others() -> None:
    """Images whose pulls fail at the same time travel in one transfer."""

    async def work() -> None:
        link = Link()
        link.passes.release()
        queue = TransferQueue(link.send)
        async with asyncio.timeout(10):
            await asyncio.gather(
                *(queue.send({name: name}, patience=0.1) for name in ("db", "cache", "mail"))
            )
        assert link.transfers == [{"db", "cache", "mail"}]

    asyncio.run(work())


def test_a_failure_is_that_of_all_images_of_the_transfer() -> None:
    """None of them has a tag then; a later transfer is tried."""

    async def work() -> None:
        link = Link()
        link.error = TransferFailed("no room")
        queue = TransferQueue(link.send)
        link.passes.release()
        async with asyncio.timeout(10):
            ends = await asyncio.gather(
                *(queue.send({name: name}, patience=0.05) for name in ("db", "cache")), return_exceptions=True
            )
            assert ends == [link.error, link.error]
            link.error = None
            link.passes.release()
            assert set(await queue.send({"web": "web"})) == {"web"}

    asyncio.run(work())


def test_a_cancelled_request_leaves_the_others() -> None:
    """Where the one that sends for all is cancelled, the next one sends; where a waiting one is, the rest is sent."""

    async def work() -> None:
        link = Link()
        queue = TransferQueue(link.send)
        async with asyncio.timeout(10):
            db, cache, mail = [
                asyncio.create_task(queue.send({name: name}, patience=0.01))
                for name in ("db", "cache", "mail")
            ]
            await asyncio.sleep(0.05)
            db.cancel()
            await asyncio.sleep(0.05)
            mail.cancel()
            link.passes.release()
            assert set(await cache) == {"cache"}
            with pytest.raises(asyncio.CancelledError):
                await mail
        assert link.transfers == [{"db", "cache", "mail"}, {"cache", "mail"}]

    asyncio.run(work())
