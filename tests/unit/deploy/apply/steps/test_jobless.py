"""A server that loses its jobs while it does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.deploy.apply.steps.jobs import set_jobless
from ftl.deploy.plan.steps.jobs import SetJobless
from tests.support.clock import run
from tests.unit.deploy.apply.steps.test_swarm_services import servers

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext


async def perform(context: DeployContext, step: SetJobless) -> None:
    """Run the step."""
    await set_jobless(context, step)


def test_it_is_a_label_of_the_node_that_undoing_takes_away() -> None:
    """The node is found by its host in ftl.yaml: the server itself is not asked."""
    context, manager, _, events = servers()
    manager.nodes.labels["n-b"] = {"ftl.host.shop": "b.example.com"}
    run(perform(context, SetJobless("b.example.com", value=True)))
    assert manager.nodes.labels["n-b"]["ftl.jobless.shop"] == "true"
    run(context.undo.run(events.append))
    assert manager.nodes.labels["n-b"] == {"ftl.host.shop": "b.example.com"}


def test_a_server_that_has_left_the_cluster_has_no_node() -> None:
    """There is nothing to label, and its crontab is asked for nothing."""
    context, manager, _, _ = servers()
    run(perform(context, SetJobless("b.example.com", value=True)))
    assert manager.nodes.labels == {"n-a": {}, "n-b": {}}


def test_a_server_that_is_the_first_again_gets_them_back() -> None:
    """Its label goes; managers that choose a leader are waited for."""
    context, manager, _, events = servers()
    manager.nodes.labels["n-b"] = {"ftl.host.shop": "b", "ftl.jobless.shop": "true"}
    manager.late = 2
    run(perform(context, SetJobless("b", value=False)))
    assert manager.nodes.labels["n-b"] == {"ftl.host.shop": "b"}
    run(context.undo.run(events.append))
    assert manager.nodes.labels["n-b"]["ftl.jobless.shop"] == "true"
