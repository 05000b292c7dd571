"""A server with a live release, whose containers have numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Dependency, Server
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationRequest
from ftl.deploy.request import Author
from ftl.engine import labels
from ftl.operations.changes.scale import plan_scale
from ftl.proxy.names import release_alias
from tests.unit.deploy.world import (
    container,
    dependency,
    project,
    server,
    service,
)
from tests.unit.operations.changes.rollback.rollback_world import released

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.engine.values import Container

REQUEST = OperationRequest("shop", Server(host="server"), Path(), DOCKER, GivenCommand("scale", ("web=2",)))

ME = Author("me@here")


def numbered(box: Container, number: int, *, added: bool = False, generation: int = 1) -> Container:
    """The container as this version of FTL starts it: with its number."""
    label_map = {**box.labels, labels.REPLICA: str(number)}
    label_map |= {labels.ADDED: "true"} if added else {}
    label_map |= {labels.GENERATION: str(generation)} if generation > 1 else {}
    return replace(box, labels=label_map)


def replicas(asked: Project, count: int, *, old: bool = False, state: str = "running") -> list[Container]:
    """The containers of web at r1; `old`: as FTL 0.1.0 made them."""
    wide = replace(asked, services=(replace(asked.services[0], replicas=count),))
    boxes = container(wide, "web", "r1", content="content-r1", state=state)
    return [box if old else numbered(box, number) for number, box in enumerate(boxes, 1)]


def live(asked: Project, *boxes: Container, alias: str = "") -> Observed:
    """The server where they are live by an alias."""
    observed = server(asked, *boxes, live={"web": "r1"}, releases=(released(asked, "r1"),))
    assert observed.proxy is not None
    pointed = {("shop", "web"): alias or release_alias("shop", "web", "r1")}
    return replace(observed, proxy=replace(observed.proxy, live=pointed))


def scaled(observed: Observed, count: int) -> Plan:
    """The plan of `ftl scale web=COUNT`."""
    return plan_scale({"web": count})(REQUEST, ME, observed)


def both_live(asked: Project, *, web: str = "running", api: str = "running") -> Observed:
    """The server where web and api are live, and postgres was stopped on purpose."""
    boxes = [
        numbered(box, 1)
        for name, state in (("web", web), ("api", api))
        for box in container(asked, name, "r1", content="content-r1", state=state)
    ]
    record = released(asked, "r1")
    stopped = dependency(asked, "postgres", state="exited")
    return server(asked, *boxes, stopped, live={"web": "r1", "api": "r1"}, releases=(record,))


PAIR = project(
    service("web"), service("api"), dependencies=(Dependency(name="postgres", image="postgres:16"),)
)
