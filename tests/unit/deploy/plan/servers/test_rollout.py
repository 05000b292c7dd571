"""Plans of a rollout to several servers: which step runs on which of them."""

from __future__ import annotations

from dataclasses import replace

from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import EnsureVolume, StartContainers, WaitHealthy
from ftl.deploy.plan.steps.images import BringImage, SendImages
from ftl.deploy.plan.steps.proxy import (
    Drain,
    EnsureProxy,
    Switch,
)
from ftl.deploy.plan.steps.records import EnsureStore, WriteRecord
from ftl.deploy.plan.steps.swarm_services import AdmitServer, CreateSwarmService, RemoveSwarmServices
from tests.unit.deploy.cluster import SERVERS, cluster, observed, tasks_of, where
from tests.unit.deploy.world import actions, kinds, plan, service


def test_a_first_deploy_prepares_every_server_and_switches_all_proxies() -> None:
    """The image goes everywhere, routes to each proxy, records to each manager; the Swarm places the replicas."""
    asked = cluster(service(replicas=3))
    found = plan(asked, observed(asked, ready=False))
    assert where(found, EnsureProxy) == [("a",), ("b",), ("c",)]
    assert where(found, EnsureStore) == [("a",), ("b",), ("c",)]
    assert where(found, SendImages) == [SERVERS]
    assert where(found, Switch) == [SERVERS]
    assert where(found, WriteRecord) == [SERVERS, SERVERS]
    created = next(step for step in found.steps if isinstance(step, CreateSwarmService))
    assert (created.name, created.replicas, created.allowed) == ("shop-web-r1", 3, SERVERS)
    assert created.constraints == (
        "node.labels.ftl.role.shop.any==true",
        "node.labels.ftl.drained.shop!=true",
    )
    assert "EnsureNetwork" not in kinds(found)
    assert "StartContainers" not in kinds(found)


def test_a_server_that_joined_gets_images_before_replicas() -> None:
    """Those of services that stay as well; a deploy of one service, or of what is live, admits none."""
    asked = cluster(service(), service("api", port=9000))
    seen = replace(observed(asked, *tasks_of(asked, "r1"), live="r1"), joining=("c",))
    found = plan(asked, seen)
    (step,) = (step for step in found.steps if isinstance(step, AdmitServer))
    assert (step.server, step.text) == ("c", "allow replicas on c, which joined the cluster")
    order = [each.kind for each in found.steps]
    assert order.index("send_images") < order.index("admit_server") < order.index("create_service")
    brought = [(each.reference, each.servers) for each in found.steps if isinstance(each, BringImage)]
    assert brought == [("shop-web:r1", ("c",))]
    assert where(plan(asked, seen, only=("api",)), AdmitServer) == []


def test_nothing_is_done_where_all_servers_are_as_they_should_be() -> None:
    """One look at each, and no step."""
    asked = cluster(service(replicas=2))
    assert plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1")).empty


def test_a_new_image_makes_a_new_swarm_service_and_removes_the_old_one() -> None:
    """All proxies together wait for the requests in flight."""
    asked = cluster(service(replicas=2))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1"), content="sha256:two")
    assert where(found, Drain) == [SERVERS]
    drain = next(step for step in found.steps if isinstance(step, Drain))
    assert drain.addresses == ("10.0.0.1", "10.0.0.2")
    removed = next(step for step in found.steps if isinstance(step, RemoveSwarmServices))
    assert removed.services == (ContainerRef("sr1", "shop-web-r1"),)
    assert "StopAndRemove" not in kinds(found)


def test_another_number_of_replicas_makes_a_new_swarm_service() -> None:
    """More replicas of the running one would get requests before they are healthy."""
    before, asked = cluster(service(replicas=2)), cluster(service(replicas=3))
    found = plan(asked, observed(asked, *tasks_of(before, "r1"), live="r1"))
    assert actions(found) == {"web": "replaced"}
    created = next(step for step in found.steps if isinstance(step, CreateSwarmService))
    assert (created.name, created.replicas) == ("shop-web-r2", 3)


def test_a_service_with_a_volume_stays_a_container_on_one_server() -> None:
    """A task that wakes up elsewhere would have an empty volume."""
    asked = cluster(service(volumes=("data:/data",)), volumes=("data",))
    found = plan(asked, observed(asked))
    assert where(found, StartContainers) == [("a",)]
    assert where(found, WaitHealthy) == [("a",)]
    assert where(found, EnsureVolume) == [("a",)]
    assert "CreateSwarmService" not in kinds(found)
