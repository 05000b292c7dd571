"""Plan: the proxy, its sites and routes, and certificates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ftl.config.models.project import Proxy, Route
from ftl.deploy.plan.steps.base import ONLY_SERVER
from ftl.deploy.plan.steps.containers import StartContainers
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    ConnectProxy,
    Drain,
    PublishName,
    Switch,
    UpgradeProxy,
)
from ftl.engine.values import Network
from ftl.errors import UsageError
from ftl.proxy.names import overlay_network, release_alias
from ftl.proxy.project_site import site_of
from ftl.proxy.site import InternalName, Site, Transition
from tests.unit.deploy.world import (
    SUBNET,
    actions,
    container,
    first,
    kinds,
    plan,
    project,
    server,
    service,
)

if TYPE_CHECKING:
    from ftl.config.models.project import Service
    from ftl.deploy.plan.model import Plan


def test_the_address_is_the_only_projects() -> None:
    """Requests by the server's address come to a project as long as no other has routes there."""
    mine = project()
    alone = server(mine, *container(mine, "web", "r1"), live={"web": "r1"})
    assert plan(mine, alone).by_address
    assert alone.proxy is not None
    theirs = replace(
        site_of(mine), project="other", routes=(replace(site_of(mine).routes[0], host="b.example"),)
    )
    crowded = replace(alone, proxy=replace(alone.proxy, sites={**alone.proxy.sites, "other": theirs}))
    assert not plan(mine, crowded).by_address


def test_certificates_are_awaited_for_new_hosts_alone() -> None:
    """An authority is asked about a host once; a host that it is not asked about is never waited for."""
    before = project()
    other = service(
        routes=(Route(path="/"), Route(path="/", host="www.example.com"), Route(host="shop.test"))
    )
    found = plan(project(other), server(before, *container(before, "web", "r1"), live={"web": "r1"}))
    assert [step.domains for step in found.steps if isinstance(step, AwaitCertificates)] == [
        ("www.example.com",)
    ]


def test_a_proxy_that_runs_is_replaced_on_request_alone() -> None:
    """Other projects use it: another image in ftl.yaml is a note, and `upgrade_proxy` a step before all others."""
    asked = project(proxy=Proxy(image="caddy:3"))
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    left = plan(asked, there)
    assert left.empty
    assert any("--upgrade-proxy" in note for note in left.notes)
    notes = plan(replace(asked, preview_of="main"), there).notes
    assert any("caddy:3: left as it is" in note for note in notes)
    assert not any("--upgrade-proxy" in note for note in notes), "a preview has no such option"
    replaced = plan(asked, there, upgrade_proxy=True)
    assert [step for step in replaced.steps if isinstance(step, UpgradeProxy)] == [
        UpgradeProxy("caddy:3", servers=ONLY_SERVER)
    ]
    assert replaced.release == "r1", "no release is made for it"
    assert not any("caddy:3" in note for note in replaced.notes)


@pytest.mark.parametrize(
    ("settings", "is_noted"),
    [
        ({}, True),
        ({"tls": "internal"}, False),
        ({"tls": "off"}, False),
        ({"acme_ca": "https://ca.lan/"}, False),
    ],
    ids=str,
)
def test_a_placeholder_for_a_domain_is_noted(settings: dict[str, Any], is_noted: bool) -> None:
    """The app is deployed, and nobody will find it; a sandbox makes its certificates itself, and needs none."""
    asked = project(proxy=Proxy(**settings))
    assert (
        any("shop.example.com is a placeholder" in note for note in plan(asked, server(asked)).notes)
        is is_noted
    )


def test_no_proxy_where_nothing_has_a_port() -> None:
    """A project of workers needs no proxy, and is decided by its record."""
    asked = project(service("job", port=None, routes=()))
    found = plan(asked, server(asked, ready=False))
    assert "EnsureProxy" not in kinds(found)
    assert kinds(found)[-1] == "WriteRecord"


def test_a_route_that_another_project_has_is_refused() -> None:
    """Two projects cannot serve one address: the second is told before anything is done."""
    mine = project()
    theirs = replace(site_of(mine), project="other")
    there = server(mine, ready=True)
    assert there.proxy is not None
    taken = replace(there, proxy=replace(there.proxy, sites={"other": theirs}))
    with pytest.raises(UsageError, match="other"):
        plan(mine, taken)


def test_a_configuration_that_an_older_ftl_wrote_is_brought_up_to_date() -> None:
    """The proxy is told again when this version would configure it differently, and no release is made for it."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    old = replace(there, proxy=replace(there.proxy, config="of an older version"))
    found = plan(asked, old)
    assert (found.release, kinds(found)) == ("r1", ["ApplySite"])


def applied_sites(found: Plan) -> list[Site]:
    """The sites that a plan gives the proxy, in order."""
    return [step.site for step in found.steps if isinstance(step, ApplySite)]


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


def test_an_interrupted_upgrade_of_the_proxy_is_finished_by_the_next_deploy() -> None:
    """Any project's deploy does it, even if nothing else is to be done, and no release is made for it."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    found = plan(asked, replace(there, proxy=replace(there.proxy, leftovers=("ftl-proxy-old",))))
    assert (found.release, kinds(found)) == ("r1", ["EnsureProxy"])
    assert "replacement" in found.steps[0].text


def test_a_damaged_site_is_written_again_by_its_project() -> None:
    """Its deploy says so and makes no release; without a copy, the routes of what is live come before anything else."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    copied = plan(asked, replace(there, proxy=replace(there.proxy, damaged=("shop",))))
    assert (copied.release, kinds(copied)) == ("r1", ["ApplySite"])
    assert any("damaged" in note for note in copied.notes)
    lost = plan(asked, replace(there, proxy=replace(there.proxy, sites={}, damaged=("shop",))))
    (site,) = applied_sites(lost)
    assert site.routes == site_of(asked).routes


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


@pytest.mark.parametrize(
    ("after", "drained"),
    [(service(port=None, routes=()), "web"), (service("worker", port=None, routes=()), "web")],
    ids=["no port", "no service"],
)
def test_a_project_that_gives_up_its_last_port_leaves_the_proxy(after: Service, drained: str) -> None:
    """Its routes go with the switch, old containers finish their requests, and then the site is removed."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(after), there)
    assert [step.service for step in found.steps if isinstance(step, Drain)] == [drained]
    assert applied_sites(found)[-1].all_routes == ()
    assert kinds(found)[-1] == "RemoveSite"


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


def test_a_site_is_removed_from_a_stopped_proxy_without_starting_it() -> None:
    """Somebody stopped it: nobody is served, so nothing drains, and its ports may be taken."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    there = replace(there, proxy=replace(there.proxy, running=False))
    found = plan(project(service(port=None, routes=())), there)
    assert kinds(found)[-1] == "RemoveSite"
    assert not {"EnsureProxy", "ApplySite", "Drain"} & set(kinds(found))


def test_a_changed_protocol_of_http_is_switched_with_the_release() -> None:
    """From HTTP/1.1 to cleartext HTTP/2: each release is asked in its own protocol."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early, final = applied_sites(plan(project(service(protocol="h2c")), there, content="sha256:two"))
    assert early.transition is not None
    assert (early.transition.h2c, early.h2c, final.h2c) == ((), ("web",), ("web",))


@pytest.mark.parametrize("there", [True, False], ids=["the network is there", "it is new"])
def test_old_containers_call_services_until_the_project_has_left_their_network(*, there: bool) -> None:
    """Back from several servers to one: both networks are answered during the deploy, and then the new one alone."""
    asked = project()
    seen = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert seen.proxy is not None
    assert seen.site is not None
    overlay = Network("o", overlay_network("shop"), {}, ("10.93.0.0/24",), False, "overlay")
    proxy = replace(seen.proxy, sites={"shop": replace(seen.site, subnets=overlay.subnets)})
    seen = replace(seen, networks=(*(seen.networks if there else ()), overlay))
    if there:  # the network that the project has left may stay
        assert kinds(plan(asked, seen)) == []
    found = plan(asked, replace(seen, proxy=proxy, containers=()))
    during, after = (step for step in found.steps if isinstance(step, ApplySite))
    assert (during.keeps, after.keeps) == (overlay.subnets, ())
    assert after.site.subnets == ((SUBNET,) if there else ())
    order = kinds(found)
    assert order.index("Switch") < len(order) - 1 - order[::-1].index("ApplySite")
    # Old containers are drained and stopped before that, and call services meanwhile.
    changed = kinds(plan(asked, replace(seen, proxy=proxy), content="sha256:two"))
    assert changed[-1] == "ApplySite"
    assert changed.index("StopAndRemove") < len(changed) - 1


def test_hosts_that_are_no_longer_answered_are_noted() -> None:
    """Of routes that the release does not have; none where it keeps its hosts."""
    before = project(service(routes=(Route(path="/"), Route(path="/", host="www.example.com"))))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    words = "will no longer be answered"
    assert [note.partition(" ")[0] for note in plan(project(), there).notes if words in note] == [
        "www.example.com"
    ]
    assert not any(words in note for note in plan(before, there).notes)


def test_an_environment_with_the_routes_of_another_is_told_its_file() -> None:
    """The overlay is where its domain goes."""
    mine = project()
    there = server(mine)
    theirs = replace(site_of(mine), project="other")
    assert there.proxy is not None
    crowded = replace(there, proxy=replace(there.proxy, sites={"other": theirs}))
    with pytest.raises(UsageError) as caught:
        plan(replace(mine, environment="staging"), crowded)
    assert "another `project.domain` into ftl.staging.yaml" in (caught.value.hint or "")
