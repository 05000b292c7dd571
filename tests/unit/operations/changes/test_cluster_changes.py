"""Changes of a project on several servers: the servers of each step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from ftl.common.next_step import ftl
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.observe.swarm import replicas
from ftl.deploy.operation import OperationRequest
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.servers.step_servers import assign_servers
from ftl.deploy.plan.steps.base import ContainerRef, Step
from ftl.deploy.plan.steps.containers import RemoveVolumes, StopAndRemove, StopContainers
from ftl.deploy.plan.steps.images import RemoveImages
from ftl.deploy.plan.steps.proxy import ApplySite, RemoveNetworks, RemoveSite, Switch
from ftl.deploy.plan.steps.records import AmendRecords
from ftl.deploy.plan.steps.swarm_services import (
    CreateSwarmService,
    RemoveSwarmServices,
    SetDrained,
    StartSwarmServices,
    StopSwarmServices,
    WaitSwarmTasks,
)
from ftl.deploy.request import Author
from ftl.engine import labels
from ftl.engine.calls.services import SwarmService
from ftl.engine.values import Image, Network, Volume
from ftl.errors import ServerError, UsageError
from ftl.operations.changes.drain import plan_drain, plan_resume
from ftl.operations.changes.maintenance import plan_maintenance
from ftl.operations.changes.mark_bad import plan_mark
from ftl.operations.changes.remove import plan_remove
from ftl.operations.changes.start import plan_start
from ftl.operations.changes.stop import plan_stop
from ftl.operations.views.servers import server_states
from ftl.proxy.site import Maintenance
from tests.unit.deploy.cluster import ASKED, SERVERS, cluster, live, proxy_of, tasks_of, where
from tests.unit.deploy.world import kinds, plan, service

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.engine.values import Container

T = TypeVar("T", bound=Step)


def made(
    planner: Callable[[OperationRequest, Author, Observed], Plan],
    seen: Observed,
    *services: str,
    asked: Project = ASKED,
) -> Plan:
    """The plan of a command, at its servers."""
    request = OperationRequest(
        "shop", asked.servers[0], Path(), DOCKER, GivenCommand("restart"), services, asked.servers
    )
    return assign_servers(planner(request, Author("me@here"), seen), seen, asked.servers)


def first(found: Plan, kind: type[T]) -> T:
    """The first step of a kind."""
    return next(step for step in found.steps if isinstance(step, kind))


def stopped() -> tuple[Container, ...]:
    """The replicas of `web` after `ftl stop`: its Swarm service has none, and a label with their number."""
    (swarm,) = {one.id.partition(".")[0]: one for one in tasks_of(ASKED, "r1")}.values()
    label_map = {**swarm.labels, labels.STOPPED: "2"}
    endpoint = swarm.endpoints[0]
    service_ = SwarmService("sr1", "shop-web-r1", label_map, "sha256:i", 0, {"n": endpoint.aliases})
    return tuple(replicas([service_], [], {"n": endpoint.network}))


def test_stop_takes_the_tasks_of_a_swarm_service_and_keeps_it() -> None:
    """A plain container is stopped on its server."""
    found = made(plan_stop, live(), "web", "db")
    step = first(found, StopSwarmServices)
    assert (step.services, step.replicas) == ((ContainerRef("sr1", "shop-web-r1"),), (2,))
    assert where(found, StopContainers) == [("b",)]


def test_start_gives_a_stopped_service_its_replicas_again() -> None:
    """They are waited for; the same service, so no proxy is switched."""
    found = made(plan_start, live(ASKED, *stopped()))
    step = first(found, StartSwarmServices)
    assert (step.services, step.replicas) == ((ContainerRef("sr1", "shop-web-r1"),), (2,))
    assert first(found, WaitSwarmTasks).replicas == 2
    assert "CreateSwarmService" not in kinds(found)
    assert "Switch" not in kinds(found)
    assert made(plan_stop, live(ASKED, *stopped())).empty


def test_maintenance_is_told_to_every_proxy() -> None:
    """Visitors may come to any of them."""
    found = made(plan_maintenance(Maintenance()), live())
    assert where(found, ApplySite) == [("b", "c"), ("a",)]


def test_a_release_is_marked_on_every_manager() -> None:
    """The longest history counts, and any of them may have it."""
    seen = live()
    found = assign_servers(plan_mark(seen, "r1", "loses sessions"), seen, ASKED.servers)
    assert where(found, AmendRecords) == [SERVERS]


def test_remove_takes_everything_from_where_it_is() -> None:
    """Routes from each proxy, the Swarm service, containers, volumes and images from their servers, one network."""
    seen = live()
    label_map = {labels.PROJECT: "shop"}
    image = Image("sha256:x", (), (), (), {"Labels": label_map}, "linux/amd64", 1)
    views = tuple(
        replace(
            view,
            images=(*view.images, image) if view.name != "a" else view.images,
            volumes=(Volume("shop-data", label_map),) if view.name == "b" else (),
        )
        for view in seen.views
    )
    seen = replace(
        seen,
        views=views,
        images=tuple(image for view in views for image in view.images),
        volumes=tuple(volume for view in views for volume in view.volumes),
        networks=tuple(replace(network, labels=label_map) for network in seen.networks),
    )
    found = assign_servers(plan_remove(seen, volumes=True), seen, ASKED.servers)
    assert where(found, RemoveSite) == [SERVERS]
    removed = first(found, RemoveSwarmServices)
    assert removed.services == (ContainerRef("sr1", "shop-web-r1"),)
    assert removed.waits, "the network is removed after it"
    assert where(found, StopAndRemove) == [("b",)]
    assert where(found, RemoveVolumes) == [("b",)]
    assert where(found, RemoveImages) == [("b",), ("c",)]
    assert where(found, RemoveNetworks) == [()], "a manager removes the one of all"
    assert where(found, AmendRecords) == [SERVERS]


def test_a_removal_that_was_cut_is_completed() -> None:
    """Whatever was done first: the proxy of one server has routes still, or the network is gone and a volume is not."""
    seen = live()
    bare = replace(proxy_of(ASKED, with_site=False), networks=("ftl-edge",))
    views = tuple(view if view.name == "c" else replace(view, proxy=bare) for view in seen.views)
    found = assign_servers(
        plan_remove(replace(seen, views=views, proxy=bare), volumes=False), seen, ASKED.servers
    )
    assert where(found, RemoveSite) == [SERVERS]

    label_map = {labels.PROJECT: "shop"}
    views = tuple(
        replace(view, proxy=bare, volumes=(Volume("shop-data", label_map),) if view.name == "b" else ())
        for view in seen.views
    )
    rest = replace(
        seen, views=views, proxy=bare, containers=(), networks=(), releases=(), volumes=views[1].volumes
    )
    found = assign_servers(plan_remove(rest, volumes=True), rest, ASKED.servers)
    assert kinds(found) == ["EndCatchUp", "RemoveVolumes"]
    assert where(found, RemoveVolumes) == [("b",)]
    with pytest.raises(ServerError, match=r"shop has no network on a, b, c") as caught:
        plan(ASKED, rest)
    assert "ftl setup" in (caught.value.hint or "")


def test_a_network_from_before_there_were_several_servers_is_removed_where_it_is() -> None:
    """No manager but that server itself knows it."""
    seen = live()
    label_map = {labels.PROJECT: "shop"}
    overlay = replace(seen.networks[0], labels=label_map)
    bridges = {host: Network(f"n{host}", "ftl-shop", label_map, ("172.30.0.0/16",), False) for host in "bc"}
    views = tuple(
        replace(view, networks=(overlay, *((bridges[view.name],) if view.name in bridges else ())))
        for view in seen.views
    )
    seen = replace(seen, views=views, networks=(overlay, *bridges.values()))
    removed = [
        (step.networks, step.servers)
        for step in assign_servers(plan_remove(seen, volumes=False), seen, ASKED.servers).steps
        if isinstance(step, RemoveNetworks)
    ]
    assert removed == [(("ftl-shop",), ("b",)), (("ftl-shop",), ("c",)), ((overlay.name,), ())]
    assert leftovers(seen, (), keep=2).networks == ("ftl-shop",)


def test_a_server_is_drained_once_its_replicas_run_elsewhere_and_no_proxy_uses_them() -> None:
    """The node's label comes last: with it, Swarm would stop replicas there before it starts others."""
    found = made(plan_drain("c"), live())
    steps = [step.kind for step in found.steps]
    create = first(found, CreateSwarmService)
    assert create.allowed == ("a", "b")
    assert "node.labels.ftl.host.shop!=c" in create.constraints
    assert where(found, Switch) == [SERVERS]
    order = ["create_service", "wait_tasks", "switch", "drain", "remove_services", "set_drained"]
    assert [steps.index(kind) for kind in order] == sorted(steps.index(kind) for kind in order)
    assert found.steps[-1] == SetDrained("c", value=True)
    assert not first(found, RemoveSwarmServices).waits


def test_what_is_bound_to_a_drained_server_is_named() -> None:
    """It stays there with its data."""
    found = made(plan_drain("b"), live())
    assert found.notes[0] == "db stays on b, the only server that it can run on"


def test_a_server_without_replicas_is_drained_at_once() -> None:
    """No service is replaced for it, and a second drain does nothing."""
    found = made(plan_drain("a"), live())
    assert [step.kind for step in found.steps] == ["set_drained"]
    assert made(plan_drain("a"), live(drained=("a",))).empty


def test_a_service_that_may_run_nowhere_else_keeps_its_server() -> None:
    """The refusal names it, before anything is changed."""
    asked = cluster(service(replicas=2, on=("c",)))
    with pytest.raises(ServerError, match="web runs only on c, which is drained"):
        made(plan_drain("c"), live(asked), asked=asked)


@pytest.mark.parametrize(
    ("host", "drained", "message"),
    [
        ("d", (), "d is not one of the servers of shop"),
        ("c", ("a", "b"), "c cannot be drained: no other server can take its tasks"),
    ],
)
def test_a_server_that_cannot_be_drained(host: str, drained: tuple[str, ...], message: str) -> None:
    """One that is none, and the last one."""
    with pytest.raises(UsageError, match=message):
        made(plan_drain(host), live(drained=drained))


def test_a_server_that_waits_for_a_deploy_takes_no_tasks_of_a_drained_one() -> None:
    """It lacks their images. It is not excluded for ever: with its label it may run them."""
    seen = replace(live(), joining=("a",))
    create = first(made(plan_drain("c"), seen), CreateSwarmService)
    assert create.allowed == ("b",)
    assert "node.labels.ftl.host.shop!=a" not in create.constraints
    with pytest.raises(UsageError, match="c cannot be drained"):
        made(plan_drain("c"), replace(live(drained=("b",)), joining=("a",)))
    asked = cluster(service(replicas=2, on=("a", "c")))
    with pytest.raises(
        ServerError, match="runs only on a, c, which joined the cluster since the last deploy"
    ):
        made(plan_drain("c"), replace(live(asked), joining=("a", "c")), asked=asked)


def test_resume_brings_replicas_back() -> None:
    """The services that may run there are replaced, once the Swarm places tasks on it again."""
    found = made(plan_resume("c"), live(drained=("c",)))
    assert found.steps[0].text == "allow replicas on c again"
    create = first(found, CreateSwarmService)
    assert (create.allowed, create.constraints) == (
        SERVERS,
        ("node.labels.ftl.role.shop.any==true", "node.labels.ftl.drained.shop!=true"),
    )
    assert made(plan_resume("c"), live()).empty


def test_a_deploy_places_nothing_on_a_drained_server() -> None:
    """Its proxy is switched as the others: requests may still come to it."""
    found = made(plan_drain("c"), live(drained=("b",)))
    assert first(found, CreateSwarmService).allowed == ("a",)


def test_the_list_of_servers() -> None:
    """Each with its state, its proxy and the containers that run."""
    states = server_states(ASKED, live(drained=("c",)))
    assert [(one.host, one.state, one.proxy, one.tasks) for one in states] == [
        ("a", "ready", "up", 0),
        ("b", "ready", "up", 2),
        ("c", "drained", "up", 1),
    ]


def test_a_server_that_is_cut_off_is_down_although_it_answers() -> None:
    """Whether it was drained or not."""
    seen = live(drained=("c",))
    views = tuple(replace(view, cut_off=view.name != "a") for view in seen.views)
    states = server_states(ASKED, replace(seen, views=views))
    assert [(one.state, one.cut_off) for one in states] == [
        ("ready", False),
        ("down", True),
        ("down", True),
    ]


def test_a_server_that_is_down_is_named_where_nothing_changes_on_it() -> None:
    """The others stop; it is said once."""
    seen = live()
    seen = replace(seen, views=tuple(view for view in seen.views if view.name != "a"), down=("a",))
    found = made(plan_maintenance(Maintenance()), seen)
    assert sorted(found.notes) == [
        "a cannot be reached: nothing changes there",
        "when a is back, it answers as before: for up to two minutes where its cron follows, and until the next "
        f"{ftl('deploy')} if it is not a manager, or its proxy serves a project that the others lack",
    ]
    assert where(found, ApplySite) == [("c",), ("b",)]
    assert [note[:20] for note in made(plan_drain("c"), seen).notes] == ["a cannot be reached:"]
