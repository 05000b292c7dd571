"""Images that many services share: as many calls to the engines as for one service."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Server
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.image_removal import drop_tags
from ftl.deploy.apply.steps.images import bring_image, send_images
from ftl.deploy.plan.steps.images import BringImage, DropTags, OutgoingImage, SendImages
from ftl.errors import TransferFailed
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.image.transfer import TransferQueue, TransferResult
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.events import Event
    from ftl.image.transfer.queue import BatchOutcome, ServerImages

SERVICES = [f"s{number}" for number in range(30)]


def context_on(remote: FakeEngine, local: FakeEngine, *, is_local: bool) -> DeployContext:
    """The context of a deploy to a server."""
    asked = replace(project(), server=Server(host="local")) if is_local else project()
    session = Session("server", FakeMachine(), remote, INFO)
    events: list[Event] = []
    clients = RunClients(asked, Path(), local)
    return DeployContext(
        asked, Path(), Fleet([session]), session, server(asked), "r2", events.append, clients
    )


def test_an_image_that_services_share_is_inspected_once() -> None:
    """Each service has its tag of it."""

    async def check() -> None:
        engine = FakeEngine(images=["built"])
        built = await engine.image("built")
        assert built is not None
        images = tuple(OutgoingImage(name, built.id, f"shop-{name}:r2", "content") for name in SERVICES)
        context = context_on(engine, engine, is_local=True)
        await send_images(context, SendImages(images))
        assert {image.id for image in context.images.values()} == {built.id}
        assert {name: context.images[name].reference for name in SERVICES} == {
            name: f"shop-{name}:r2" for name in SERVICES
        }
        assert [read for read in engine.reads if read.startswith("image ")] == [
            "image built",
            "image shop-s29:r2",
        ]

    run(check())


def test_the_last_tag_of_an_image_is_dropped_after_its_others() -> None:
    """With it the engine removes the image: two at once might each take the other for the last."""

    async def check() -> None:
        remote = FakeEngine(images=["shop-s0:r1"])
        image = await remote.image("shop-s0:r1")
        assert image is not None
        for name in SERVICES[1:]:
            await remote.tag(image.id, f"shop-{name}:r1")
        remote.add_image(f"shop@sha256:{1:064x}", image)
        gate = remote.block("untag", number=len(SERVICES) - 1)
        context = context_on(remote, FakeEngine(), is_local=False)
        tags = tuple(f"shop-{name}:r1" for name in SERVICES)

        async def drop() -> None:
            await drop_tags(context, DropTags(tags))

        dropping = asyncio.create_task(drop())
        await gate.reached.wait()
        await asyncio.sleep(1)
        calls = [call for call in remote.calls if call.startswith("untag ")]
        assert len(calls) == len(SERVICES) - 1
        assert f"untag {tags[-1]}" not in calls
        gate.open.set()
        await dropping
        assert await remote.images() == []

    run(check())


def test_what_the_server_cannot_pull_travels_with_the_built_images() -> None:
    """One transfer: the proxy's image first, then the dependencies' (counted once), then those that were built."""

    async def check() -> None:
        remote, local = FakeEngine(), FakeEngine(images=["caddy:2", "postgres:16", "built"])
        sent: list[list[str]] = []

        async def send(batches: Sequence[ServerImages]) -> Mapping[str, BatchOutcome]:
            (one,) = batches
            sent.append(list(one.images))
            for tag in one.images:
                remote.add_image(tag)
            return {one.server: {tag: TransferResult(tag, 1, 0, 100, 0.1) for tag in one.images}}

        asked = project(dependencies=(Dependency(name="db", image="postgres:16"),))
        session = Session("server", FakeMachine(), remote, INFO)
        clients = RunClients(asked, Path(), local, None, {"": TransferQueue(send)})
        context = DeployContext(
            asked, Path(), Fleet([session]), session, server(asked), "r1", lambda _: None, clients
        )
        built = OutgoingImage("web", "built", "shop-web:r1", "content")
        await asyncio.gather(
            send_images(context, SendImages((built,))),
            bring_image(context, BringImage("postgres:16", "linux/amd64", ("db", "replica"))),
            bring_image(context, BringImage("caddy:2", "linux/amd64")),
        )
        await clients.close()
        assert sent == [["caddy:2", "postgres:16", "shop-web:r1"]]
        assert context.images.keys() == {"web", "db", "replica"}
        sent_bytes = {name: image.transfer.bytes_sent for name, image in context.images.items()}
        assert sent_bytes == {"web": 100, "db": 100, "replica": 0}
        assert context.images["replica"].transfer.layers_reused == 1

    run(check())


def test_an_image_by_its_digest_is_not_sent_from_here() -> None:
    """No engine would know what was sent by that name: the error is that of the pull."""
    reference = f"registry.example.com/shop@sha256:{1:064x}"

    async def check() -> None:
        remote, local = FakeEngine(), FakeEngine(images=[reference])
        with pytest.raises(TransferFailed, match="its digest names it in its registry alone") as caught:
            await bring_image(context_on(remote, local, is_local=False), BringImage(reference, "linux/amd64"))
        assert "docker pull" not in (caught.value.hint or "")
        assert local.calls == []

    run(check())
