"""How images come: many services share one without further calls, and one transfer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.images.bring import bring_image, send_images
from ftl.deploy.plan.steps.images import BringImage, OutgoingImage, SendImages
from ftl.engine.marks import marks_on
from ftl.errors import TransferFailed
from ftl.events import Note
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.image.transfer import TransferQueue, TransferResult
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.apply.steps.images.world import REFERENCE, SERVICES, context_on, engine_with
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.events import Event
    from ftl.image.transfer.queue import BatchOutcome, ServerImages


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


def test_an_image_for_messages_is_marked_and_one_that_cannot_be_had_is_a_note() -> None:
    """The release is live: the deploy goes on, and the next one tries again."""

    async def check() -> None:
        engine = FakeEngine()
        events: list[Event] = []
        context = replace(context_on(engine, FakeEngine(), is_local=False), emit=events.append)
        step = BringImage(REFERENCE, "linux/amd64", sends=True)
        await bring_image(context, step)
        (note,) = events
        assert isinstance(note, Note)
        assert note.level == "warning"
        assert note.text.startswith(
            f"the server may send no messages through apprise: the server cannot pull {REFERENCE}, and this"
        )
        assert note.hint == "check its name and tag"
        _, image = await engine_with(owners=())
        engine.registry[REFERENCE] = image
        await bring_image(context, step)
        (found,) = await engine.images()
        assert [mark.project for mark in marks_on(found)] == ["shop"]
        assert [event for event in events if isinstance(event, Note)] == [note]
        assert not context.images

    run(check())
