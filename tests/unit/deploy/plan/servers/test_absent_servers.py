"""Plans without a server that is down or cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Route
from ftl.deploy.plan.sites import servers_with_old_routes
from ftl.deploy.plan.steps.images import SendImages
from ftl.deploy.plan.steps.proxy import Switch
from ftl.deploy.plan.steps.swarm_services import CreateSwarmService
from ftl.errors import ServerError
from ftl.proxy.names import release_alias
from ftl.proxy.site import SiteRedirect
from tests.unit.deploy.cluster import SERVERS, cluster, observed, tasks_of, where
from tests.unit.deploy.plan.servers.test_places import plain
from tests.unit.deploy.world import actions, plan, service

if TYPE_CHECKING:
    from ftl.config.models.project import Project


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


def _with_path(
    path: str, *, roles: tuple[str, ...] = ("web", "worker"), on: tuple[str, ...] = (), recreate: bool = False
) -> Project:
    replicas = 1 if recreate else 2
    web = service(replicas=replicas, routes=(Route(path=path),), on=on, recreate=recreate)
    return cluster(web, roles=roles)


def test_a_server_that_comes_back_finds_nothing_by_its_old_routes() -> None:
    """Its proxy starts with them: what they lead to is replaced, and only the new routes name it."""
    before, after = _with_path("/old"), _with_path("/new")
    seen = observed(before, *tasks_of(before, "r1"), live="r1", down=("c",))
    found = plan(after, seen)
    assert [(each.action, each.why) for each in found.changes] == [
        ("replaced", "c would come back with old routes to it")
    ]
    (switch,) = (step for step in found.steps if isinstance(step, Switch))
    assert switch.aliases == {"web": release_alias("shop", "web", "r2")}
    private = cluster(service(replicas=2, routes=(), port=None))
    assert actions(plan(private, seen)) == {"web": "replaced"}
    assert plan(before, seen).empty
    assert actions(plan(after, replace(seen, down=()))) == {"web": "unchanged"}


def test_what_old_routes_cannot_lead_to_stays() -> None:
    """A server without a proxy has none."""
    before, after = (_with_path(path, roles=("worker",)) for path in ("/old", "/new"))
    seen = observed(before, *tasks_of(before, "r1"), live="r1", down=("c",))
    assert actions(plan(after, seen)) == {"web": "unchanged"}


def test_a_worker_that_is_away_takes_nothing_out_of_service() -> None:
    """It gets the new routes by the next deploy alone, and would answer nobody until then."""
    before, after = _with_path("/old"), _with_path("/new")
    seen = observed(before, *tasks_of(before, "r1"), live="r1", down=("c",))
    assert actions(plan(after, replace(seen, workers=frozenset({"c"})))) == {"web": "unchanged"}


def test_what_leads_nowhere_else_is_not_replaced() -> None:
    """A redirect or an address for the authority is new there as soon as the server follows."""
    asked = _with_path("/")
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1", down=("c",))
    site = seen.site
    assert site is not None
    redirected = replace(site, redirects=(SiteRedirect("old.example", "new.example"),))
    for target in (replace(site, email="ann@example.com"), redirected):
        assert target != site
        assert servers_with_old_routes(asked, seen, target) == ()
    assert servers_with_old_routes(asked, seen, replace(site, routes=())) == ("c",)


def test_a_service_that_is_tied_to_a_server_is_not_stopped_for_a_server_that_is_away() -> None:
    """It would answer nobody meanwhile."""
    before, after = (_with_path(path, recreate=True) for path in ("/old", "/new"))
    seen = observed(before, live="r1", on={"a": (plain(before),)}, down=("c",))
    assert actions(plan(after, seen)) == {"web": "unchanged"}


def test_a_service_that_can_be_placed_nowhere_stays_where_it_is() -> None:
    """The routes of the others change all the same."""
    before, after = (_with_path(path, on=("c",)) for path in ("/old", "/new"))
    seen = observed(before, *tasks_of(before, "r1", without="ab"), live="r1", down=("c",))
    assert actions(plan(after, seen)) == {"web": "unchanged"}
