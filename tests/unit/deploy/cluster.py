"""A project on three servers, as a planner sees it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.config.models.project import Dependency
from ftl.config.models.server import ClusterServer
from ftl.deploy.names import network_of
from ftl.deploy.observe.merged import merged_proxy
from ftl.deploy.observe.state import Observed, ServerView
from ftl.deploy.observe.swarm import replicas
from ftl.deploy.plan.desired.places import exclusion
from ftl.deploy.plan.desired.specs import dependency_container, service_container
from ftl.engine import labels
from ftl.engine.calls.services import SwarmService, SwarmTask
from ftl.engine.values import Container, Endpoint, Image, Network
from ftl.proxy.configuration.caddy import render
from ftl.proxy.live_state import at_server
from ftl.proxy.names import release_alias
from ftl.proxy.project_site import site_of
from ftl.proxy.state import ProxyState
from tests.unit.deploy.world import INFO, SUBNET, project, record, service

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.plan.model import Plan
    from ftl.deploy.plan.steps.base import Step

SERVERS = ("a", "b", "c")


def cluster(*services: object, roles: tuple[str, ...] = ("web", "worker"), **settings: object) -> Project:
    """The project on three servers; the last one has `roles`."""
    servers = (*(ClusterServer(host=host) for host in "ab"), ClusterServer(host="c", roles=roles))
    return project(*services, servers=servers, **settings)  # type: ignore[arg-type]


def tasks_of(
    asked: Project, release: str, *, content: str = "sha256:one", without: str = ""
) -> tuple[Container, ...]:
    """The replicas of the Swarm service `web` at a release, kept away from the servers in `without`."""
    web = asked.services[0]
    label_map = {
        labels.PROJECT: "shop",
        labels.SERVICE: "web",
        labels.RELEASE: release,
        labels.ROLE: labels.ROLE_SERVICE,
        labels.CONFIG: service_container(asked, web).config,
        labels.CONTENT: content,
        labels.IMAGE: f"shop-web:{release}",
    }
    alias = release_alias("shop", "web", release)
    swarm = SwarmService(
        f"s{release}",
        f"shop-web-{release}",
        label_map,
        "sha256:i",
        web.replicas,
        {"n": (alias,)},
        constraints=tuple(exclusion("shop", host) for host in without),
    )
    tasks = [
        SwarmTask(f"t{slot}", swarm.id, slot, "node", "running", "running", "", "c", {"n": f"10.0.0.{slot}"})
        for slot in range(1, web.replicas + 1)
    ]
    return tuple(replicas([swarm], tasks, {"n": network_of(asked)}))


def dependency_on(asked: Project, name: str) -> Container:
    """A dependency's container in the overlay."""
    one = next(each for each in asked.dependencies if each.name == name)
    return Container(
        id=f"id-{name}",
        name=f"shop-{name}",
        image=one.image,
        image_id="sha256:y",
        labels={**dependency_container(asked, one).spec.labels, labels.RESTART: "always"},
        state="running",
        status="",
        created=0,
        endpoints=(Endpoint(network_of(asked), "10.0.0.8", network_id="n"),),
        mounts=dependency_container(asked, one).spec.mounts,
    )


def proxy_of(asked: Project, live: str = "", *, with_site: bool = True, host: str = "a") -> ProxyState:
    """The proxy of a server that serves the project; `live` is the release of `web`."""
    site = at_server(site_of(asked, subnets=(SUBNET,)), host, "a")
    sites = {"shop": site} if with_site else {}
    return ProxyState(
        container="p",
        running=True,
        image="caddy:2",
        networks=("ftl-edge", network_of(asked)),
        sites=sites,
        live={("shop", "web"): release_alias("shop", "web", live)} if live else {},
        config=hashlib.sha256(render(tuple(sites.values()))).hexdigest(),
    )


def observed(
    asked: Project,
    *swarm: Container,
    live: str = "",
    ready: bool = True,
    down: tuple[str, ...] = (),
    behind: dict[str, ProxyState | None] | None = None,
    on: dict[str, tuple[Container, ...]] | None = None,
) -> Observed:
    """The servers of the project; those in `behind` have another proxy than the others."""
    state = Container("s", "ftl-state", "caddy:2", "i", {labels.ROLE: labels.ROLE_STATE}, "created", "", 0)
    views = []
    for server in asked.servers:
        if server.host in down:
            continue
        web = "web" in server.roles
        proxy = proxy_of(asked, live, host=server.host) if ready and web else None
        own = (on or {}).get(server.host, ())
        views.append(
            ServerView(
                name=server.host,
                web=web,
                manager=True,
                info=INFO,
                containers=(*own, *((replace(state, id=f"s-{server.host}"),) if ready else ())),
                images=(Image("caddy", ("caddy:2",), (), (), {}, "linux/amd64", 1),) if ready else (),
                volumes=(),
                proxy=(behind or {}).get(server.host, proxy),
            )
        )
    plain = tuple(one for view in views for one in view.containers)
    return Observed(
        server="a, b, c",
        info=INFO,
        project="shop",
        containers=(*plain, *swarm),
        images=tuple(image for view in views for image in view.images),
        networks=(Network("n", network_of(asked), {labels.PROJECT: "shop"}, (SUBNET,), False, "overlay"),),
        proxy=merged_proxy(
            "shop",
            [view.proxy for view in views if view.proxy is not None],
            swarm,
            site_of(asked, subnets=(SUBNET,)),
        ),
        releases=(record(live, web=live),) if live else (),
        views=tuple(views),
        down=down,
    )


def where(found: Plan, kind: type[Step]) -> list[tuple[str, ...]]:
    """The servers of a plan's steps of a kind."""
    return [step.servers for step in found.steps if isinstance(step, kind)]


ASKED = cluster(service(replicas=2), dependencies=(Dependency(name="db", image="postgres:16", on="b"),))


def live(asked: Project = ASKED, *swarm: Container, drained: tuple[str, ...] = ()) -> Observed:
    """The project at r1: replica 1 on b, replica 2 on c, the dependency on b."""
    swarm = swarm or tasks_of(asked, "r1")
    tasks: dict[str, tuple[Container, ...]] = {
        host: (task_on(number),) for number, host in ((1, "b"), (2, "c"))
    }
    if asked.dependencies:
        tasks["b"] = (*tasks["b"], dependency_on(asked, "db"))
    seen = observed(asked, *swarm, live="r1", on=tasks)
    dependencies = tuple(one for one in seen.containers if labels.SWARM_TASK not in one.labels)
    records = tuple(replace(record, project=asked.to_dict()) for record in seen.releases)
    views = tuple(replace(view, drained=view.name in drained) for view in seen.views)
    return replace(seen, containers=dependencies, releases=records, views=views)


def task_on(slot: int) -> Container:
    """The container of a task of `web`, as its node lists it."""
    replica = tasks_of(ASKED, "r1")[slot - 1]
    name = f"shop-web-r1.{slot}.t{slot}"
    label_map = {labels.SWARM_TASK: f"t{slot}", labels.SWARM_SERVICE: "sr1", labels.SWARM_TASK_NAME: name}
    return replace(replica, id=f"c{slot}", name=name, labels={**replica.labels, **label_map})
