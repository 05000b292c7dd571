"""Servers and projects made up for the planner, which is pure: no engine is involved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ftl.config.models.project import Build, Dependency, Project, ProjectInfo, Route, Server, Service
from ftl.deploy.names import container_names, volume_name
from ftl.deploy.observe.state import Observed
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.plan.desired.specs import dependency_container, service_container
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.engine.values import Container, Endpoint, EngineInfo, Image, Network, Volume
from ftl.proxy.configuration.caddy import render
from ftl.proxy.names import project_network, release_alias
from ftl.proxy.project_site import site_of
from ftl.proxy.state import ProxyState
from ftl.releases.record import ReleaseRecord, ServiceRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.steps.base import Step

INFO = EngineInfo("28.5.2", "1.47", "linux/amd64", "overlay2", "/var/lib/docker")
SUBNET = "172.30.0.0/16"


def service(name: str = "web", **settings: object) -> Service:
    """A service that is built here and has a port and a route, unless told otherwise."""
    defaults: dict[str, object] = {"port": 8000, "build": Build(), "routes": (Route(path=f"/{name}"),)}
    return Service(name=name, **{**defaults, **settings})  # type: ignore[arg-type]


def project(*services: Service, **settings: object) -> Project:
    """The project `shop`."""
    return Project(
        project=ProjectInfo(name="shop", domain="shop.example.com"),
        server=Server(host="server"),
        services=services or (service(),),
        **settings,  # type: ignore[arg-type]
    )


def images(asked: Project, content: str = "sha256:one") -> dict[str, BuiltImage]:
    """What a build of the project left here."""
    return {
        one.name: BuiltImage(f"shop-{one.name}:latest", content)
        for one in asked.services
        if one.build is not None
    }


def container(
    asked: Project,
    name: str,
    release: str,
    *,
    content: str = "sha256:one",
    state: str = "running",
    address: str = "172.30.0.9",
) -> tuple[Container, ...]:
    """The containers that a release of a service has on the server."""
    one = next(each for each in asked.services if each.name == name)
    wanted = service_container(asked, one)
    return tuple(
        Container(
            id=f"id-{each}",
            name=each,
            image=f"shop-{name}:{release}",
            image_id="sha256:x",
            labels={
                labels.PROJECT: "shop",
                labels.SERVICE: name,
                labels.RELEASE: release,
                labels.ROLE: labels.ROLE_SERVICE,
                labels.CONFIG: wanted.config,
                labels.CONTENT: content,
                labels.RESTART: "always",
            },
            state=state,  # type: ignore[arg-type]
            status="",
            created=0,
            endpoints=(Endpoint(project_network("shop"), address, network_id="n"),),
        )
        for each in container_names("shop", name, release, one.replicas)
    )


def dependency(asked: Project, name: str, *, state: str = "running") -> Container:
    """A dependency's container as the project asks for it."""
    one: Dependency = next(each for each in asked.dependencies if each.name == name)
    wanted = dependency_container(asked, one)
    return Container(
        id=f"id-{name}",
        name=f"shop-{name}",
        image=one.image,
        image_id="sha256:y",
        labels={**wanted.spec.labels, labels.RESTART: "always"},
        state=state,  # type: ignore[arg-type]
        status="",
        created=0,
        endpoints=(Endpoint(project_network("shop"), "172.30.0.8", network_id="n"),),
    )


def server(
    asked: Project,
    *containers: Container,
    live: Mapping[str, str] | None = None,
    images: tuple[Image, ...] = (),
    releases: tuple[ReleaseRecord, ...] = (),
    ready: bool = True,
) -> Observed:
    """A server on which `asked` was deployed: network, volumes, proxy and site are there when `ready`."""
    if not ready:
        return Observed("server", INFO, "shop", containers)
    site = site_of(asked, subnets=(SUBNET,))
    proxy = ProxyState(
        container="p",
        running=True,
        image="caddy:2",
        networks=("ftl-edge", project_network("shop")),
        sites={"shop": site},
        live={("shop", name): release_alias("shop", name, release) for name, release in (live or {}).items()},
        config=hashlib.sha256(render([site])).hexdigest(),
    )
    state = Container("s", "ftl-state", "caddy:2", "i", {labels.ROLE: labels.ROLE_STATE}, "created", "", 0)
    return Observed(
        "server",
        INFO,
        "shop",
        (*containers, state),
        (Image("caddy", ("caddy:2",), (), (), {}, "linux/amd64", 1), *images),
        (Network("n", project_network("shop"), {labels.PROJECT: "shop"}, (SUBNET,), False),),
        tuple(Volume(volume_name("shop", name), {}) for name in asked.volumes),
        proxy,
        releases,
    )


def record(release: str, outcome: str = "live", **services: str) -> ReleaseRecord:
    """A release record; `services` says which release serves each."""
    return ReleaseRecord(
        release,
        outcome,  # type: ignore[arg-type]
        0.0,
        services={
            name: ServiceRecord(one, f"shop-{name}:{one}", "", "", "") for name, one in services.items()
        },
    )


def plan(
    asked: Project,
    observed: Observed,
    content: str = "sha256:one",
    *,
    only: tuple[str, ...] = (),
    upgrade_proxy: bool = False,
) -> Plan:
    """The plan for a project whose images were built as `content`."""
    request = PlanRequest(asked, only, NewRelease(upgrade_proxy=upgrade_proxy))
    return make_plan(request, PlanInputs(Author("me@here"), images(asked, content)), observed)


def kinds(found: Plan) -> list[str]:
    """The names of a plan's steps, in order."""
    return [type(step).__name__ for step in found.steps]


def first(found: Plan, kind: type[Step]) -> Step:
    """The first step of a kind."""
    return next(step for step in found.steps if isinstance(step, kind))


def actions(found: Plan) -> dict[str, str]:
    """What happens to each service and dependency."""
    return {change.name: change.action for change in found.changes}
