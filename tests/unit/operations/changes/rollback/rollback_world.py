"""A server with releases to go back to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Server
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationRequest
from ftl.deploy.plan.desired.specs import service_container
from ftl.deploy.request import Author
from ftl.engine.values import Image
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.rollback import RollbackRequest, plan_rollback
from ftl.releases.record import ReleaseRecord, ServiceRecord
from tests.unit.deploy.world import container, dependency, server

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.releases.record import ReleaseOutcome


HERE = Server(host="server")


REQUEST = RollbackRequest(OperationRequest("shop", HERE, Path(), DOCKER, GivenCommand("rollback")))


ME = Author("me@here", commit="c" * 40)


def released(
    asked: Project, release: str, *, outcome: ReleaseOutcome = "live", bad: str = "", pulled: str = ""
) -> ReleaseRecord:
    """The record of a release of every service of a project, with content named after the release."""
    return ReleaseRecord(
        release,
        outcome,
        float(release[1:]),
        commit=release[1:] * 40,
        subject=f"work of {release}",
        bad=bad,
        project=asked.to_dict(),
        services={
            one.name: ServiceRecord(
                release,
                f"shop-{one.name}:{release}" if one.build is not None else (one.image or ""),
                f"sha256:{one.name}{release}",
                f"content-{release}",
                service_container(asked, one).config,
                pulled,
            )
            for one in asked.services
        },
    )


def image(release: str, name: str = "web") -> Image:
    """The image of a service at a release, as FTL tagged it on the server."""
    return Image(f"sha256:{name}{release}", (f"shop-{name}:{release}",), (), (), {}, "linux/amd64", 1)


def on_server(
    asked: Project, *records: ReleaseRecord, images: tuple[Image, ...] = (), live: str = "r2"
) -> Observed:
    """A server where the project runs at a release."""
    running = [
        *(
            one
            for each in asked.services
            for one in container(asked, each.name, live, content=f"content-{live}")
        ),
        *(dependency(asked, each.name) for each in asked.dependencies),
    ]
    return server(
        asked, *running, live={each.name: live for each in asked.services}, images=images, releases=records
    )


def rolled_back(observed: Observed, release: str | None = None, **request: object) -> Plan:
    """The plan of a rollback."""
    asked = replace(REQUEST, release=release, **request)  # type: ignore[arg-type]
    return plan_rollback(asked, choose(observed, release), ME, {}, observed)
