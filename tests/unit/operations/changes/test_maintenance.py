"""Maintenance: the plan, the proxy's routes, and what a deploy leaves as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl.cli.running.operation import print_deploy
from ftl.cli.views.summary import result_text
from ftl.common.next_step import plain
from ftl.config.models.project import Server
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.operation import OperationRequest
from ftl.deploy.plan.steps.proxy import ApplySite
from ftl.deploy.request import Author
from ftl.deploy.result import DeployResult
from ftl.errors import UsageError
from ftl.operations.changes.maintenance import plan_maintenance
from ftl.proxy.configuration.caddy import render
from ftl.proxy.site import Maintenance, Site
from ftl.proxy.state import digest
from tests.unit.deploy.world import container, first, kinds, plan, project, server, service

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan

REQUEST = OperationRequest("shop", Server(host="server"), Path(), DOCKER, GivenCommand("maintenance on"))
STOPPED = Maintenance("<h1>soon</h1>", ("198.51.100.0/24",))


def made(observed: Observed, maintenance: Maintenance | None) -> Plan:
    """The plan of `ftl maintenance`."""
    return plan_maintenance(maintenance)(REQUEST, Author("me@here"), observed)


def with_site(site: Site) -> Observed:
    """A server where the project's site is this one."""
    asked = project()
    observed = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert observed.proxy is not None
    config = digest(render([site]))
    return replace(observed, proxy=replace(observed.proxy, sites={"shop": site}, config=config))


def site_now() -> Site:
    """The project's site as a deploy left it."""
    asked = project()
    site = server(asked, *container(asked, "web", "r1"), live={"web": "r1"}).site
    assert site is not None
    return site


def public(site: Site) -> list[dict[str, Any]]:
    """The proxy's routes for the project's host, but that of the redirect to HTTPS."""
    routes = json.loads(render([site]))["apps"]["http"]["servers"]["http"]["routes"]
    matched = [(one, one.get("match", [{}])[0]) for one in routes]
    return [
        one for one, match in matched if match.get("host") == ["shop.example.com"] and "file" not in match
    ]


def test_it_sets_the_site_and_again_does_nothing() -> None:
    """One step on, one step off, none where it is so already."""
    on = first(made(with_site(site_now()), STOPPED), ApplySite)
    assert isinstance(on, ApplySite)
    assert on.site == replace(site_now(), maintenance=STOPPED)
    assert made(with_site(on.site), STOPPED).empty
    assert kinds(made(with_site(on.site), None)) == ["ApplySite"]
    assert made(with_site(site_now()), None).empty


def test_visitors_get_503_and_those_allowed_get_the_app() -> None:
    """The answer for all others stands before the route to the containers."""
    assert [one["handle"][-1]["handler"] for one in public(site_now())] == ["reverse_proxy"]
    everyone = public(replace(site_now(), maintenance=Maintenance()))
    assert [one["handle"][-1]["handler"] for one in everyone] == ["static_response"]
    assert everyone[0]["handle"][0]["status_code"] == "503"
    assert everyone[0]["handle"][0]["headers"]["Retry-After"]
    others, app = public(replace(site_now(), maintenance=STOPPED))
    assert others["match"][0]["not"] == [{"remote_ip": {"ranges": ["198.51.100.0/24"]}}]
    assert (others["handle"][0]["body"], app["handle"][-1]["handler"]) == ("<h1>soon</h1>", "reverse_proxy")


def test_it_is_stored_only_while_it_is_on() -> None:
    """An older FTL reads every site that is not in maintenance."""
    stopped = replace(site_now(), maintenance=STOPPED)
    assert Site.from_json(stopped.to_json()) == stopped
    assert "maintenance" not in site_now().to_json()


def test_a_deploy_leaves_it_on_and_says_so() -> None:
    """Neither an empty nor a changing deploy shows the app to visitors."""
    observed = with_site(replace(site_now(), maintenance=STOPPED))
    assert plan(project(), observed).empty
    other = plan(project(service(env={"A": "1"})), observed)
    assert "shop is in maintenance: visitors get 503 until `ftl maintenance off`" in map(plain, other.notes)
    sites = [step.site for step in other.steps if isinstance(step, ApplySite)]
    assert all(site.maintenance == STOPPED for site in sites)


def test_a_project_without_routes_has_no_visitors() -> None:
    """The hint leads to `ftl stop`."""
    with pytest.raises(UsageError, match="has no routes") as refused:
        made(with_site(replace(site_now(), routes=())), STOPPED)
    assert "ftl stop" in (refused.value.hint or "")


@pytest.mark.parametrize("maintenance", [STOPPED, None])
def test_the_end_of_a_deploy_says_whether_visitors_reach_it(
    maintenance: Maintenance | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words "r2 is live" alone would be taken for it, on the terminal and in the summary of a CI job."""
    observed = with_site(replace(site_now(), maintenance=maintenance))
    planned = plan(project(), observed, "sha256:two")
    result = DeployResult("server", "r2", 1.0, changed=True, maintenance=planned.maintenance)
    print_deploy(result, (), ())
    line = "in maintenance: visitors get 503 until `ftl maintenance off`"
    assert (line in capsys.readouterr().out) == (maintenance is not None)
    assert (line in result_text("shop", result, ())) == (maintenance is not None)
