"""Plan: the proxy, its sites and routes, and certificates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ftl.config.models.project import Proxy, Route
from ftl.deploy.plan.steps.base import ONLY_SERVER
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    Drain,
    UpgradeProxy,
)
from ftl.engine.values import Network
from ftl.errors import UsageError
from ftl.proxy.names import overlay_network
from ftl.proxy.project_site import site_of
from tests.unit.deploy.world import (
    SUBNET,
    container,
    kinds,
    plan,
    project,
    server,
    service,
)

if TYPE_CHECKING:
    from ftl.config.models.project import Service
    from ftl.deploy.plan.model import Plan
    from ftl.proxy.site import Site


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


def test_a_site_is_removed_from_a_stopped_proxy_without_starting_it() -> None:
    """Somebody stopped it: nobody is served, so nothing drains, and its ports may be taken."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    there = replace(there, proxy=replace(there.proxy, running=False))
    found = plan(project(service(port=None, routes=())), there)
    assert kinds(found)[-1] == "RemoveSite"
    assert not {"EnsureProxy", "ApplySite", "Drain"} & set(kinds(found))


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
