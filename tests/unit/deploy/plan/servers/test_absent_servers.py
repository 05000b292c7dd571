"""Plans without a server that is down or cut off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.plan.steps.images import SendImages
from ftl.deploy.plan.steps.proxy import (
    Switch,
)
from ftl.deploy.plan.steps.swarm_services import CreateSwarmService
from ftl.errors import ServerError
from tests.unit.deploy.cluster import SERVERS, cluster, observed, tasks_of, where
from tests.unit.deploy.world import plan, service


def test_a_deploy_goes_on_without_a_server_that_is_down() -> None:
    """It says so, and the Swarm does not place a replica there: the server lacks the image."""
    asked = cluster(service(replicas=2))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", down=("c",)), content="sha256:two")
    created = next(step for step in found.steps if isinstance(step, CreateSwarmService))
    assert created.allowed == ("a", "b")
    assert "node.labels.ftl.host.shop!=c" in created.constraints
    assert any("c cannot be reached" in note for note in found.notes)
    assert where(found, Switch) == [("a", "b")]


def test_a_deploy_goes_on_with_a_server_that_is_cut_off_and_says_so() -> None:
    """It gets the image and is switched, and another server gets certificates. What may run there alone is refused."""
    asked = cluster(service(replicas=2))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    views = tuple(replace(view, cut_off=view.name == "a") for view in seen.views)
    cut = replace(seen, views=views)
    found = plan(asked, cut, content="sha256:two")
    assert where(found, Switch) == where(found, SendImages) == [SERVERS]
    assert any("a is cut off from the other servers" in note for note in found.notes)
    assert (seen.issuer, cut.issuer) == ("a", "b")
    alone = cluster(service(on=("a",)))
    with pytest.raises(ServerError, match="web runs only on a, which is cut off from the other servers"):
        plan(alone, cut)


def test_a_service_whose_only_server_is_down_is_refused() -> None:
    """Nothing is touched."""
    asked = cluster(service(on=("c",)))
    with pytest.raises(ServerError, match="web runs only on c, which cannot be reached"):
        plan(asked, observed(asked, down=("c",)))
