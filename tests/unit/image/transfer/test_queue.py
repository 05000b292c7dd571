"""Queue of images that several steps of a deploy send to one server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import TransferFailed
from ftl.image.transfer import TransferQueue, TransferResult, Urgency
from tests.support.clock import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.image.transfer.queue import BatchOutcome, ServerImages


class Link:
    """A server that takes a transfer when the test lets it.

    Attributes:
        transfers: The images of each transfer.
        order: All images, in the order in which they went.
        servers: The servers of each transfer.
        errors: Server -> why it takes nothing.
    """

    def __init__(self) -> None:
        self.transfers: list[set[str]] = []
        self.order: list[str] = []
        self.passes = asyncio.Semaphore(0)
        self.servers: list[list[str]] = []
        self.error: TransferFailed | None = None
        self.errors: dict[str, TransferFailed] = {}

    async def send(self, batches: Sequence[ServerImages]) -> Mapping[str, BatchOutcome]:
        """Take images, one transfer at a time."""
        self.transfers.append({tag for each in batches for tag in each.images})
        self.order += [tag for each in batches for tag in each.images]
        self.servers.append([each.server for each in batches])
        await self.passes.acquire()
        if self.error is not None:
            raise self.error
        return {
            each.server: self.errors.get(each.server)
            or {tag: TransferResult(tag, 1, 0, 100, 0.1) for tag in each.images}
            for each in batches
        }


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


def test_images_that_are_expected_are_waited_for() -> None:
    """Pulls that fail a moment later: one transfer for all, the most urgent first."""

    async def work() -> None:
        link = Link()
        link.passes.release()
        queue = TransferQueue(link.send)

        async def pull(name: str, seconds: float, urgency: Urgency) -> None:
            with queue.expect() as expected:
                await asyncio.sleep(seconds)
                expected.end()
                await queue.send({name: name}, patience=1, urgency=urgency)

        async def pulled() -> None:
            with queue.expect():
                await asyncio.sleep(0.5)

        built = queue.send({"web": "web", "worker": "worker"}, patience=1)
        await asyncio.gather(
            built, pull("db", 0.1, Urgency.DEPENDENCY), pull("caddy", 0.3, Urgency.PROXY), pulled()
        )
        assert link.transfers == [{"web", "worker", "db", "caddy"}]
        assert link.order == ["caddy", "db", "web", "worker"]
        assert asyncio.get_running_loop().time() == pytest.approx(0.5)

    run(work())


def test_a_pull_that_does_not_begin_is_not_waited_for_longer_than_that() -> None:
    """A server behind a firewall that drops packets: what must be sent goes, and the other image later."""

    async def work() -> None:
        link = Link()
        link.passes.release()
        queue = TransferQueue(link.send)
        with queue.expect():
            assert set(await queue.send({"web": "web"}, patience=1)) == {"web"}
            assert asyncio.get_running_loop().time() == pytest.approx(1)

    run(work())


def test_nothing_is_waited_for_where_nothing_is_expected() -> None:
    """A deploy of code sends at once."""

    async def work() -> None:
        link = Link()
        link.passes.release()
        await TransferQueue(link.send).send({"web": "web"}, patience=1)
        assert asyncio.get_running_loop().time() == 0

    run(work())


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


def test_two_machines_take_turns_at_one_server() -> None:
    """A transfer removes the staging tags of others under the deploy's lock, which none may have at that time."""

    async def work() -> None:
        link, sending = Link(), asyncio.Lock()
        here, builder = TransferQueue(link.send, sending), TransferQueue(link.send, sending)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(here.send({"web": "web"}))
            group.create_task(builder.send({"api": "api"}))
            await asyncio.sleep(0.05)
            assert link.transfers == [{"web"}]
            link.passes.release()
            link.passes.release()
        assert link.transfers == [{"web"}, {"api"}]

    asyncio.run(work())


def test_what_several_servers_ask_for_is_one_transfer() -> None:
    """Steps that begin in the same moment; the failure of one server is not that of another."""

    async def work() -> None:
        link = Link()
        link.passes.release()
        link.errors["b"] = TransferFailed("no room")
        queue = TransferQueue(link.send)
        ends = await asyncio.gather(
            *(queue.send({"web": "web"}, server=server, patience=1) for server in ("a", "b", "c")),
            queue.send({"db": "db"}, server="a", urgency=Urgency.DEPENDENCY),
            return_exceptions=True,
        )
        assert [isinstance(end, dict) for end in ends] == [True, False, True, True]
        assert ends[1] is link.errors["b"]
        assert link.servers == [["a", "b", "c"]]
        assert link.order == ["db", "web", "web", "web"]

    run(work())
