"""Images that another machine built: tagged where they are, and sent to the other servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Build, Dependency, Project
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.images.bring import bring_image, push_pull, send_images
from ftl.deploy.plan.steps.images import BringImage, OutgoingImage, PushPull, SendImages
from ftl.errors import EngineUnavailable
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.image.transfer import TransferQueue, TransferResult
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server, service

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.execution.runners import Decision
    from ftl.image.transfer.queue import BatchOutcome, Send, ServerImages


class NoEngineHere(RunClients):
    """A machine without an engine, such as a laptop with the docker CLI alone."""

    async def local_engine(self) -> Engine:
        raise EngineUnavailable("no Docker engine answers on this machine")


class ThreeMachines:
    """Servers `a` and `b` and the machine `builder`; transfers are recorded.

    Attributes:
        sent: (source, tags) of each transfer.
    """

    def __init__(self, asked: Project | None = None) -> None:
        self.asked = asked or project()
        self.sent: list[tuple[str, list[str]]] = []
        self.engines = {name: FakeEngine(name=name) for name in ("a", "b", "builder")}
        self.sessions = {
            name: Session(name, FakeMachine(name), engine, INFO) for name, engine in self.engines.items()
        }

    def context(self, host: str, builders: Mapping[str, str]) -> DeployContext:
        """A run at a server; `builders` has the machine of each value of `build.on`."""
        clients = NoEngineHere(
            self.asked, Path(), builders={place: self.sessions[name] for place, name in builders.items()}
        )
        clients._transfers = {source: TransferQueue(self._send(source)) for source in self.engines}
        fleet = Fleet([self.sessions["a"], self.sessions["b"]])
        return DeployContext(
            self.asked,
            Path(),
            fleet,
            self.sessions[host],
            server(self.asked),
            "r2",
            lambda _: None,
            clients,
        )

    def _send(self, source: str) -> Send:
        async def send(batches: Sequence[ServerImages]) -> Mapping[str, BatchOutcome]:
            for each in batches:
                self.sent.append((source, list(each.images)))
                for tag in each.images:
                    self.engines[each.server].add_image(tag)
            return {
                each.server: {tag: TransferResult(tag, 1, 0, 100, 0.1) for tag in each.images}
                for each in batches
            }

        return send


def apply(step: Awaitable[Decision | None]) -> None:
    """Run a step of a plan."""

    async def applied() -> None:
        await step

    run(applied())


def outgoing(engine: FakeEngine) -> tuple[OutgoingImage, ...]:
    """The image of `web`, as it was built on an engine."""
    image = engine.add_image("shop-web:latest")
    return (OutgoingImage("web", image.id, "shop-web:r2", "content"),)


def test_on_the_server_that_built_it_an_image_is_only_tagged() -> None:
    """Nothing is sent, and this machine needs no engine."""
    world = ThreeMachines()
    images = outgoing(world.engines["a"])
    context = world.context("a", {"server": "a"})
    apply(send_images(context, SendImages(images, built_on="server")))
    assert world.sent == []
    assert (context.images["web"].reference, context.images["web"].id) == ("shop-web:r2", images[0].local)
    assert context.images["web"].transfer.bytes_sent == 0


def test_the_other_servers_get_it_from_that_one() -> None:
    """By the normal transfer, with that engine as its source."""
    world = ThreeMachines()
    images = outgoing(world.engines["a"])
    context = world.context("b", {"server": "a"})
    apply(send_images(context, SendImages(images, built_on="server", servers=("a", "b"))))
    assert world.sent == [("a", ["shop-web:r2"])]
    assert context.images["web"].transfer.bytes_sent == 100


def test_a_builder_gets_no_tags_of_releases() -> None:
    """Nothing would remove them there."""
    world = ThreeMachines()
    images = outgoing(world.engines["builder"])
    apply(send_images(world.context("a", {"builder": "builder"}), SendImages(images, built_on="builder")))
    assert world.sent == [("builder", ["shop-web:r2"])]
    assert [call for call in world.engines["builder"].calls if call.startswith("tag")] == []


def test_a_builder_pushes_what_goes_through_a_registry() -> None:
    """The server pulls it, as it does what this machine pushes."""
    world = ThreeMachines()
    local = outgoing(world.engines["builder"])[0].local
    step = PushPull("web", local, "registry.example.com/web", "shop-web:r2", "linux/amd64", "builder")
    context = world.context("a", {"builder": "builder"})
    world.engines["a"].registry = world.engines["builder"].registry
    apply(push_pull(context, step))
    assert any(call.startswith("push registry.example.com/web") for call in world.engines["builder"].calls)
    assert context.images["web"].pulled.startswith("registry.example.com/web@sha256:")


@pytest.mark.parametrize(("place", "source"), [("builder", "builder"), ("server", "a")])
def test_a_built_dependency_comes_from_the_machine_that_has_it(place: str, source: str) -> None:
    """A builder, or a server that has it, for another server that lacks it; no registry is asked."""
    search = Dependency(name="search", image="shop-search:c1", build=Build(on=place))
    world = ThreeMachines(replace(project(), dependencies=(search,)))
    world.engines[source].add_image("shop-search:c1")
    context = world.context("b", {place: source})
    apply(bring_image(context, BringImage("shop-search:c1", "linux/amd64", ("search",))))
    assert world.sent == [(source, ["shop-search:c1"])]


@pytest.mark.parametrize("pushed_to", [None, "registry.example.com/web"])
def test_a_server_that_was_away_gets_an_image_from_another(pushed_to: str | None) -> None:
    """The builder has no tags of releases, and may be gone. No registry knows a tag that FTL gave."""
    world = ThreeMachines(project(replace(service(), image=pushed_to)))
    world.engines["a"].add_image("shop-web:r1")
    apply(bring_image(world.context("b", {}), BringImage("shop-web:r1", "linux/amd64", ("web",))))
    assert world.sent == [("a", ["shop-web:r1"])]


@pytest.mark.parametrize(("layers", "source"), [(("one",), "here"), (("another",), "a")])
def test_this_machines_image_of_that_name_is_sent_only_if_it_is_the_same(
    layers: tuple[str, ...], source: str
) -> None:
    """After `ftl remove`, releases count from r1 again, and this machine may have another one's image."""
    world = ThreeMachines()
    here = world.engines["here"] = FakeEngine(name="here")
    here.add_image("shop-web:r1", layers=layers)
    world.engines["a"].add_image("shop-web:r1", layers=("one",))
    context = world.context("b", {})
    context.clients = RunClients(world.asked, Path(), _engine=cast("Engine", here))
    context.clients._transfers = {
        "": TransferQueue(world._send("here")),
        "a": TransferQueue(world._send("a")),
    }
    apply(bring_image(context, BringImage("shop-web:r1", "linux/amd64", ("web",))))
    assert world.sent == [(source, ["shop-web:r1"])]
