"""A server for steps about images, and an image of a registry on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Server
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.plan.steps.images import DropPulled, PulledImage
from ftl.engine.marks import marks_on, pull_mark
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from ftl.engine.values import Image
    from ftl.events import Event

REFERENCE = "ghcr.io/acme/app:v1"
SERVICES = [f"s{number}" for number in range(30)]
DIGEST = f"ghcr.io/acme/app@sha256:{1:064x}"


def context_on(remote: FakeEngine, local: FakeEngine, *, is_local: bool) -> DeployContext:
    """The context of a deploy to a server."""
    asked = replace(project(), server=Server(host="local")) if is_local else project()
    session = Session("server", FakeMachine(), remote, INFO)
    events: list[Event] = []
    clients = RunClients(asked, Path(), local)
    return DeployContext(
        asked, Path(), Fleet([session]), session, server(asked), "r2", events.append, clients
    )


async def engine_with(*tags: str, owners: tuple[str, ...] = ("shop",)) -> tuple[FakeEngine, Image]:
    """An engine with an image that was pulled, further tags of it, and the marks of these projects."""
    engine = FakeEngine(images=[REFERENCE])
    image = engine.add_image(DIGEST, await engine.image(REFERENCE))
    marks = (pull_mark(owner, REFERENCE, image.id) for owner in owners)
    for tag in (*tags, *(mark.text for mark in marks if mark is not None)):
        image = engine.add_image(tag, image)
    return engine, image


async def left(engine: FakeEngine) -> list[set[str]]:
    """The names of each image that an engine has."""
    return [{*image.tags, *image.digests} for image in await engine.images()]


def own(image: Image, *, stays: bool = False) -> DropPulled:
    """The step that gives up an image."""
    marks = tuple(mark.text for mark in marks_on(image) if mark.project == "shop")
    return DropPulled((PulledImage(image.id, marks, stays),), measured=True)
