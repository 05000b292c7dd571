"""Plans for one server of what was, or is, part of a cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.swarm_services import RemoveSwarmServices
from ftl.engine import labels
from ftl.errors import UsageError
from tests.unit.deploy.cluster import cluster, tasks_of
from tests.unit.deploy.world import actions, container, kinds, plan, project, record, server, service


def test_back_on_one_server_the_swarm_services_go_as_services() -> None:
    """The Swarm starts a task again whose container is removed; new containers start beside, in their own network."""
    before, asked = cluster(service(replicas=2)), project(service(replicas=2))
    seen = server(asked, *tasks_of(before, "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),))
    seen = replace(seen, networks=tuple(replace(network, id="p") for network in seen.networks))
    found = plan(asked, seen)
    assert actions(found) == {"web": "replaced"}
    assert "StopAndRemove" not in kinds(found)
    removed = next(step for step in found.steps if isinstance(step, RemoveSwarmServices))
    assert (removed.services, removed.servers) == ((ContainerRef("sr1", "shop-web-r1"),), ())
    order = kinds(found)
    assert order.index("StartContainers") < order.index("Switch") < order.index("RemoveSwarmServices")
    assert not {"PauseCatchUp", "EndCatchUp"} & set(order)


def test_back_on_one_server_nothing_follows_what_was_live_in_the_cluster() -> None:
    """Its cron would bring the proxy back to it; keys of certificates do not stay in the Swarm either."""
    before, asked = cluster(service(replicas=2)), project(service(replicas=2))
    seen = server(asked, *tasks_of(before, "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),))
    networks = tuple(replace(network, id="p") for network in seen.networks)
    order = kinds(plan(asked, replace(seen, networks=networks, left_configs=True)))
    assert (order[0], order[-1]) == ("PauseCatchUp", "EndCatchUp")
    # A deploy that was killed, or one of an earlier FTL, may have left them.
    there = server(
        asked, *container(asked, "web", "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),)
    )
    assert kinds(plan(asked, replace(there, left_configs=True))) == ["EndCatchUp"]


def test_one_server_that_is_a_worker_of_a_cluster_is_refused() -> None:
    """The Swarm would start again what is removed there."""
    asked = project(service())
    (task,) = container(asked, "web", "r1")
    task = replace(task, labels={**task.labels, labels.SWARM_TASK: "t1"})
    seen = server(asked, task, live={"web": "r1"})
    with pytest.raises(
        UsageError, match="runs shop as a worker of a cluster, which only managers can change"
    ):
        plan(asked, seen)
