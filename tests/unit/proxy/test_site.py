"""A project's site as a value."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ftl.config.models.project import Project, ProjectInfo, Proxy, Route, Server, Service
from ftl.proxy.project_site import UserCertificate, site_of
from ftl.proxy.site import InternalName, Site, SiteRedirect, SiteRoute, Transition, conflicts

SITE = Site(
    "shop",
    subnets=("10.83.0.0/24",),
    routes=(SiteRoute("shop.example.com", "/api", True, "api", 8000),),
    internal=(InternalName("api", 8000),),
    tls="auto",
    email="ops@example.com",
    acme_ca="https://ca.example.com/directory",
    certificate="0123456789abcdef",
    acme_root="-----BEGIN CERTIFICATE-----",
    redirects=(SiteRedirect("www.example.com", "shop.example.com"),),
    trusted=("198.51.100.0/24",),
)


def project(*services: Service, domain: str | None = "shop.example.com") -> Project:
    """A project with these services."""
    return Project(
        project=ProjectInfo(name="shop", domain=domain, email="ops@example.com"),
        server=Server(host="shop.example.com"),
        services=services,
        proxy=Proxy(tls="internal"),
    )


CHANGING = replace(
    SITE,
    transition=Transition(
        "api",
        before={"api": "r1-api"},
        after={"api": "r2-api"},
        routes=(SiteRoute("old.example.com", "/", False, "api", 7000),),
        redirects=(SiteRedirect("old.example.org", "old.example.com"),),
        internal=(InternalName("api", 7000),),
    ),
)


@pytest.mark.parametrize("site", [SITE, Site("empty"), CHANGING])
def test_a_site_is_stored_and_read(site: Site) -> None:
    """The JSON on the server is read back as the same value."""
    assert Site.from_json(site.to_json()) == site


def test_a_site_is_stored_as_0_1_0_reads_it() -> None:
    """Where a field is not used it is not stored: FTL 0.1.0 reads no site with a field that it does not know."""
    known = {
        "project",
        "subnets",
        "routes",
        "internal",
        "tls",
        "email",
        "acme_ca",
        "certificate",
        "acme_root",
    }
    assert json.loads(SITE.to_json()).keys() == known | {"redirects", "trusted"}


def test_a_transition_is_settled_by_the_live_file() -> None:
    """The site's own routes apply once the deciding live file names the new release, before that the old ones."""
    assert CHANGING.by_live_files({("shop", "api"): "r2-api"}) == SITE
    for live in ({}, {("shop", "api"): ""}, {("shop", "api"): "r1-api"}, {("other", "api"): "r2-api"}):
        assert CHANGING.by_live_files(live).routes[0].host == "old.example.com"
        assert CHANGING.by_live_files(live).transition is None


def test_a_transition_claims_both_generations() -> None:
    """Until the switch is done no other project may take a route of either release."""
    other = Site("other", routes=(SiteRoute("old.example.com", "/", False, "web", 80),))
    assert conflicts([CHANGING, other])
    assert CHANGING.hosts == ("old.example.com", "old.example.org", "shop.example.com", "www.example.com")
    assert CHANGING.all_internal == (InternalName("api", 7000), InternalName("api", 8000))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"project": "shop", "more": 1}', '{"project": "shop", "tls": "no"}']
)
def test_an_unknown_stored_form_is_an_error(text: str) -> None:
    """JSON with more fields is not read in part: writing it again would lose what a newer FTL has stored."""
    with pytest.raises(ValueError, match=r"not a site|Expecting value"):
        Site.from_json(text)


def test_a_project_becomes_a_site() -> None:
    """Routes get the domain in lower case and a path without a trailing slash; services without a port have none."""
    web = Service(name="web", port=8000, routes=(Route(), Route(path="/admin/", host="Admin.Example.com")))
    site = site_of(project(web, Service(name="worker"), Service(name="api", port=9000)))
    assert site == Site(
        "shop",
        routes=(
            SiteRoute("admin.example.com", "/admin", False, "web", 8000),
            SiteRoute("shop.example.com", "/", False, "web", 8000),
        ),
        internal=(InternalName("api", 9000), InternalName("web", 8000)),
        tls="internal",
        email="ops@example.com",
    )


def test_without_a_domain_a_route_is_for_any_host() -> None:
    """A project that has no domain yet answers for every host."""
    web = Service(name="web", port=8000, routes=(Route(),))
    assert site_of(project(web, domain=None)).routes[0].host == ""


def test_a_site_of_some_services_has_only_those() -> None:
    """Services that are not live yet can be left out."""
    services = [Service(name=name, port=80, routes=(Route(path=f"/{name}"),)) for name in ("a", "b")]
    site = site_of(project(*services), services=["b"], subnets=["10.83.0.0/24"])
    assert [name.service for name in site.internal] == ["b"]
    assert [route.path for route in site.routes] == ["/b"]
    assert site.subnets == ("10.83.0.0/24",)


def test_the_same_route_in_two_projects_is_a_conflict() -> None:
    """Host and path count together: projects may share a host by path."""
    other = Site("other", routes=(SiteRoute("shop.example.com", "/", False, "web", 80),))
    assert conflicts([SITE, other]) == []
    same = Site("other", routes=SITE.routes)
    assert conflicts([SITE, same]) == ["project shop and project other both route shop.example.com/api"]


def test_a_certificate_never_shows_its_key() -> None:
    """Its text form is its ID, which changes with either part."""
    certificate = UserCertificate(b"chain", b"secret")
    assert "secret" not in repr(certificate)
    assert certificate.id in repr(certificate)
    assert (
        len({certificate.id, UserCertificate(b"chain", b"other").id, UserCertificate(b"other", b"secret").id})
        == 3
    )


def test_a_redirected_host_belongs_to_one_project() -> None:
    """A redirect applies to every request for its host."""
    redirect = Site("a", redirects=(SiteRedirect("www.example.com", "example.com"),))
    route = Site("b", routes=(SiteRoute("www.example.com", "/x", False, "web", 80),))
    assert conflicts([redirect, route]) == [
        "project a redirects www.example.com, which project b also serves"
    ]
    assert conflicts([redirect]) == []
