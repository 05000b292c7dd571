"""A project's containers on a fake engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import LogLine
from ftl.host.session import Session
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from ftl.engine.specs import Publish
    from tests.support.fake_engine import FakeEngine

PROJECT = "shop"


def session_of(engine: FakeEngine) -> Session:
    """A session with the server of an engine."""
    return Session("server", FakeMachine(), engine, INFO)


async def add(
    engine: FakeEngine,
    name: str,
    service: str,
    *,
    role: str = labels.ROLE_SERVICE,
    release: str = "r1",
    image: str = "shop-web:r1",
    publish: tuple[Publish, ...] = (),
    more: Mapping[str, str] | None = None,
) -> None:
    """Create a container of the project, in its network, and start it."""
    engine.add_image(image)
    await engine.create_network(PROJECT, {})
    label_map = {labels.PROJECT: PROJECT, labels.ROLE: role, labels.SERVICE: service, **(more or {})}
    if role == labels.ROLE_SERVICE:
        label_map[labels.RELEASE] = release
    await engine.create(
        name, ContainerSpec(image=image, labels=label_map, networks={PROJECT: ()}, publish=publish)
    )
    await engine.start(name)


def log(
    engine: FakeEngine, name: str, second: int, text: str, stream: Literal["stdout", "stderr"] = "stdout"
) -> None:
    """Let a container log a line at a second of a fixed minute."""
    engine.by_name[name].log.append(LogLine(stream, f"2026-01-02T03:04:{second:02}.000000000Z", text))
