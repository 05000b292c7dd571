"""Plan: routes that change with the switch, and services that leave the proxy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Route
from ftl.deploy.plan.steps.containers import StartContainers
from ftl.deploy.plan.steps.proxy import (
    ConnectProxy,
    Drain,
    PublishName,
    Switch,
)
from ftl.proxy.names import release_alias
from ftl.proxy.project_site import site_of
from ftl.proxy.site import InternalName, Transition
from tests.unit.deploy.plan.test_planner_sites import applied_sites
from tests.unit.deploy.world import (
    actions,
    container,
    first,
    kinds,
    plan,
    project,
    server,
    service,
)


def test_changed_routes_are_switched_with_the_release() -> None:
    """Both generations of routes stand in the proxy before the switch, each with its release; the old go afterwards."""
    before = project(service(routes=(Route(path="/api", strip_prefix=True),)))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    after = project(service(routes=(Route(path="/api"),)))
    found = plan(after, there, content="sha256:two")
    both, final = applied_sites(found)
    assert both.transition == Transition(
        "web",
        before={"web": release_alias("shop", "web", "r1")},
        after={"web": release_alias("shop", "web", "r2")},
        routes=site_of(before).routes,
        internal=site_of(before).internal,
    )
    assert both.routes == final.routes == site_of(after).routes
    assert final.transition is None
    order = kinds(found)
    assert order.index("ApplySite") < order.index("StartContainers") < order.index("Switch")


def test_routes_alone_need_no_transition() -> None:
    """Without a new release the routes are just replaced."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(service(routes=(Route(path="/other"),))), there)
    assert [site.transition for site in applied_sites(found)] == [None]


def test_a_changed_port_is_switched_with_the_release() -> None:
    """Old and new port stand in the proxy until the switch decides which one the live release listens on."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early, final = applied_sites(plan(project(service(port=9000)), there))
    assert {name.port for name in early.all_internal} == {8000, 9000}
    assert early.transition is not None
    assert final.all_internal == (InternalName("web", 9000),)


@pytest.mark.parametrize("switched", [False, True])
def test_a_deploy_that_was_killed_between_its_routes_is_completed(switched: bool) -> None:
    """The live file says which routes apply; the next deploy goes on from those and leaves one generation."""
    before = project(service(routes=(Route(path="/old"),)))
    after = project(service(routes=(Route(path="/new"),)))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early = applied_sites(plan(after, there, content="sha256:two"))[0]
    running = container(after, "web", "r2", content="sha256:two")
    killed = server(
        before, *container(before, "web", "r1"), *running, live={"web": "r2" if switched else "r1"}
    )
    assert killed.proxy is not None
    killed = replace(killed, proxy=replace(killed.proxy, sites={"shop": early}))
    assert killed.site is not None
    assert [route.path for route in killed.site.routes] == ["/new" if switched else "/old"]
    if switched:
        found = plan(after, killed, content="sha256:two")
        assert found.record is None, "nothing but the routes is left to do"
        assert applied_sites(found) == [replace(early, transition=None)]
    else:
        found = plan(before, killed)
        assert applied_sites(found) == [site_of(before, subnets=early.subnets)]


def test_a_tcp_service_is_reached_past_the_proxy() -> None:
    """Its containers have its name; it has no internal name in the proxy, no drain, and no early switch."""
    asked = project(service(), service("cache", port=6379, protocol="tcp", routes=()))
    found = plan(asked, server(asked, ready=False))
    started = {step.service: step for step in found.steps if isinstance(step, StartContainers)}
    names: dict[str, set[str]] = {
        name: set(*step.specs[0].networks.values()) for name, step in started.items()
    }
    assert "cache" in names["cache"]
    assert "web" not in names["web"]
    assert [name.service for site in applied_sites(found) for name in site.all_internal] == ["web", "web"]
    assert not any(isinstance(step, PublishName) for step in found.steps)
    switch = first(found, Switch)
    assert isinstance(switch, Switch)
    assert switch.with_port == ("web",)


def test_a_service_that_becomes_tcp_loses_its_name_in_the_proxy() -> None:
    """Else half of its clients would meet the HTTP proxy; the old container finishes the requests it got that way."""
    before = project(service(), service("cache", port=6379, routes=()))
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "cache", "r1"),
        live={"web": "r1", "cache": "r1"},
    )
    after = project(service(), service("cache", port=6379, protocol="tcp", routes=()))
    found = plan(after, there)
    assert actions(found) == {"web": "unchanged", "cache": "replaced"}
    connect = first(found, ConnectProxy)
    assert isinstance(connect, ConnectProxy)
    assert (connect.aliases, connect.without) == (("web",), ("cache",))
    assert [step.service for step in found.steps if isinstance(step, Drain)] == ["cache"]


def test_a_partial_deploy_leaves_the_site_of_what_it_leaves_alone() -> None:
    """The other service still answers, whatever ftl.yaml says of its port by now."""
    worker = service("worker", port=None, routes=())
    before = project(service(), worker)
    there = server(
        before, *container(before, "web", "r1"), *container(before, "worker", "r1"), live={"web": "r1"}
    )
    after = project(service(port=None, routes=()), worker)
    found = plan(after, there, "sha256:two", only=("worker",))
    assert not {"ApplySite", "RemoveSite", "Drain"} & set(kinds(found))


def test_a_changed_protocol_of_http_is_switched_with_the_release() -> None:
    """From HTTP/1.1 to cleartext HTTP/2: each release is asked in its own protocol."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early, final = applied_sites(plan(project(service(protocol="h2c")), there, content="sha256:two"))
    assert early.transition is not None
    assert (early.transition.h2c, early.h2c, final.h2c) == ((), ("web",), ("web",))
