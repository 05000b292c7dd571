"""Plans for several proxies: where they are, what they serve, who gets certificates."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Route
from ftl.config.models.proxy import Proxy
from ftl.deploy.plan.steps.catch_up import ShareCertificates
from ftl.deploy.plan.steps.images import SendImages
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    ConnectProxy,
    EnsureProxy,
    ReachFromProxies,
    RepairSwitch,
    Switch,
)
from ftl.proxy.names import proxy_alias, release_alias
from tests.unit.deploy.cluster import SERVERS, cluster, observed, proxy_of, tasks_of, where
from tests.unit.deploy.world import kinds, plan, project, server, service


def test_a_server_without_the_role_web_has_no_proxy() -> None:
    """It gets the image, and its services may run there."""
    asked = cluster(roles=("worker",))
    found = plan(asked, observed(asked, ready=False))
    assert where(found, EnsureProxy) == [("a",), ("b",)]
    assert where(found, Switch) == [("a", "b")]
    assert where(found, SendImages) == [SERVERS]


@pytest.mark.parametrize("stale", ["r0", ""])
def test_a_proxy_that_was_away_is_pointed_at_the_live_release(stale: str) -> None:
    """It names a release that is gone, or nothing; no release is made for it."""
    asked = cluster()
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"b": proxy_of(asked, stale, host="b")})
    found = plan(asked, seen)
    assert kinds(found) == ["RepairSwitch"]
    assert where(found, RepairSwitch) == [("b",)]
    assert found.release == "r1"


def test_a_server_that_comes_back_first_does_not_give_its_routes_to_the_others() -> None:
    """It has the routes of before for what is live; the Swarm says which are the project's."""
    before, asked = (cluster(service(replicas=2, routes=(Route(path=path),))) for path in ("/old", "/new"))
    stale = proxy_of(before, "r1", host="a")
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"a": stale}))
    assert where(found, ApplySite) == [("a",)]
    assert found.release == "r1"


def test_a_server_without_a_proxy_gets_one_with_the_routes_of_the_others() -> None:
    """A new server, or one whose proxy was removed."""
    asked = cluster()
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"c": None}))
    assert kinds(found)[1:-2] == ["EnsureProxy", "ConnectProxy", "ApplySite", "RepairSwitch"]
    assert {step.servers for step in found.steps[1:-2]} == {("c",)}


def test_certificates_of_an_authority_are_shared_last() -> None:
    """When they have been waited for; other projects have none to share."""
    asked = cluster(service(replicas=2), proxy=Proxy(tls="auto"))
    found = plan(asked, observed(asked, ready=False))
    assert found.steps[-1] == ShareCertificates("shop", "a", servers=SERVERS)
    order = kinds(found)
    assert order.index("PublishLiveState") < order.index("AwaitCertificates")
    plain = cluster(service(replicas=2), proxy=Proxy(tls="off"))
    assert "ShareCertificates" not in kinds(plan(plain, observed(plain, ready=False)))


def test_one_proxy_gets_certificates_and_each_is_known_by_a_name_of_its_own() -> None:
    """The first that answers, a manager if there is one; the plan waits for certificates there alone."""
    asked = cluster(proxy=Proxy(tls="auto"))
    first = plan(asked, observed(asked, ready=False))
    assert where(first, AwaitCertificates) == [("a",)]
    # The others forward the authority's questions before it is asked for anything.
    applied = where(first, ApplySite)
    assert applied[-2:] == [("b", "c"), ("a",)]
    assert applied[:-2] == [("b",), ("c",), ("a",)]
    assert {step.issuer for step in first.steps if isinstance(step, ApplySite)} == {"a"}
    connected = {step.servers: step.aliases for step in first.steps if isinstance(step, ConnectProxy)}
    assert connected == {(host,): ("web", proxy_alias("shop", host)) for host in SERVERS}
    down = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", down=("a",)))
    assert {(step.servers, step.issuer) for step in down.steps if isinstance(step, ApplySite)} == {
        (("b",), "b"),
        (("c",), "b"),
    }
    seen = observed(asked, live="r1")
    views = tuple(replace(view, manager=view.name != "a") for view in seen.views)
    assert replace(seen, views=views).issuer == "b"


def test_each_proxy_tries_the_way_to_new_containers_before_the_switch() -> None:
    """Also to one that is tied to a server. One that is cut off is not asked, and nothing is where nothing starts."""
    asked = cluster(
        service(replicas=2), service("tied", recreate=True), service("worker", port=None, routes=())
    )
    found = plan(asked, observed(asked, ready=False))
    tried = [step for step in found.steps if isinstance(step, ReachFromProxies)]
    assert [(step.service, step.alias, step.port, step.replicas, step.servers) for step in tried] == [
        ("web", release_alias("shop", "web", "r1"), 8000, 2, SERVERS),
        ("tied", release_alias("shop", "tied", "r1"), 8000, 1, SERVERS),
    ]
    order = kinds(found)
    assert order.index("WaitSwarmTasks") < order.index("ReachFromProxies") < order.index("Switch")
    asked = cluster(service(replicas=2), roles=("worker",))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    assert "ReachFromProxies" not in kinds(plan(asked, seen))
    cut = replace(seen, views=tuple(replace(view, cut_off=view.name == "b") for view in seen.views))
    assert where(plan(asked, cut, content="sha256:two"), ReachFromProxies) == [("a",)]
    alone = project(service())
    assert "ReachFromProxies" not in kinds(plan(alone, server(alone, ready=False)))
