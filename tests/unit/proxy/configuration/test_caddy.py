"""Rendering of sites to Caddy's configuration: order, isolation, TLS."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.proxy.configuration.caddy import caddy_config, render
from ftl.proxy.configuration.paths import path_matcher
from ftl.proxy.site import InternalName, Maintenance, Site, SiteRedirect, SiteRoute, Transition
from ftl.proxy.tls.policy import is_public

SHOP = Site(
    "shop",
    subnets=("10.83.0.0/24",),
    routes=(
        SiteRoute("shop.example.com", "/", False, "web", 8000),
        SiteRoute("shop.example.com", "/api", True, "api", 9000),
        SiteRoute("shop.example.com", "/api/v2", False, "web", 8000),
    ),
    internal=(InternalName("web", 8000), InternalName("api", 9000)),
)
BLOG = Site(
    "blog",
    subnets=("10.84.0.0/24",),
    routes=(SiteRoute("blog.example.com", "/", False, "web", 8000),),
    internal=(InternalName("web", 8000), InternalName("feed", 8000), InternalName("plain", 80)),
)


def servers(*sites: Site) -> dict[str, Any]:
    """The configuration's servers by name."""
    config: Any = caddy_config(sites)
    result: dict[str, Any] = config["apps"]["http"]["servers"]
    return result


def matches(server: Any) -> list[dict[str, Any]]:
    """Matchers of the server's routes, in order; {} matches everything."""
    return [route.get("match", [{}])[0] for route in server["routes"]]


def upstream(route: Any) -> str:
    """The live file that a route reads."""
    name: str = route["handle"][-1]["dynamic_upstreams"]["name"]
    return name


def test_longer_paths_come_first() -> None:
    """Routes of a host are tried from the longest path on, and a path matches up to a slash."""
    matchers = [
        match["vars_regexp"]
        for match in matches(servers(SHOP)["http"])
        if "vars_regexp" in match and "host" in match
    ]
    assert matchers == [path_matcher(path)["vars_regexp"] for path in ("/api/v2", "/api")]


def test_a_route_reads_the_live_file_of_its_service() -> None:
    """The configuration names no release: the live one's alias is read from a file at every request."""
    route = next(
        each
        for each in servers(BLOG)["http"]["routes"]
        if each.get("match") == [{"host": ["blog.example.com"]}]
    )
    assert upstream(route) == "{file./config/live/blog.web}."


def test_internal_names_are_for_their_own_subnet() -> None:
    """Every internal route matches the project's subnet, so the same name in two projects does not clash."""
    matchers = matches(servers(SHOP, BLOG)["internal-8000"])[1:-1]
    assert matchers == [
        {"remote_ip": {"ranges": ["10.84.0.0/24"]}, "host": ["feed"]},
        {"remote_ip": {"ranges": ["10.84.0.0/24"]}, "host": ["web"]},
        {"remote_ip": {"ranges": ["10.83.0.0/24"]}, "host": ["web"]},
        {"remote_ip": {"ranges": ["10.83.0.0/24"]}},
    ]


def test_without_a_known_subnet_there_are_no_internal_routes() -> None:
    """A site whose network is unknown gets no internal route, rather than one for every client."""
    site = Site("shop", internal=(InternalName("web", 80),))
    assert all("remote_ip" in match or match == {} for match in matches(servers(site)["http"]))
    assert "web" not in json.dumps(servers(site)["http"])


def test_internal_names_on_port_80_come_before_public_routes() -> None:
    """Port 80 is shared: callers in a project's network come first, matched by name only."""
    matchers = matches(servers(SHOP, BLOG)["http"])
    assert matchers[1] == {"remote_ip": {"ranges": ["10.84.0.0/24"]}, "host": ["plain"]}
    assert not any("remote_ip" in match for match in matchers[2:])


def test_every_server_ends_in_not_found() -> None:
    """Requests that match no route get 404, on every port."""
    for server in servers(SHOP, BLOG).values():
        last = server["routes"][-1]
        assert "match" not in last
        assert last["handle"][0]["status_code"] == "404"


def test_named_hosts_come_before_any_host() -> None:
    """A project without a domain never gets requests for another project's host."""
    anybody = Site("anybody", routes=(SiteRoute("", "/", False, "web", 80),))
    matchers = matches(servers(anybody, BLOG)["http"])
    assert matchers.index({"host": ["blog.example.com"]}) < matchers.index({})


def test_without_tls_there_is_no_https() -> None:
    """`tls: off` listens on port 80 only and configures no certificates."""
    config: Any = caddy_config([SHOP])
    assert "https" not in servers(SHOP)
    assert "tls" not in config["apps"]


def test_each_mode_gets_its_issuer() -> None:
    """One policy for each issuer: ACME with the project's contact and authority, or the local authority."""
    config: Any = caddy_config(
        [
            Site(
                "a",
                routes=(SiteRoute("a.example.com", "/", False, "web", 80),),
                tls="auto",
                email="a@example.com",
            ),
            Site("b", routes=(SiteRoute("b.example.com", "/", False, "web", 80),), tls="internal"),
            Site(
                "c",
                routes=(SiteRoute("c.test", "/", False, "web", 80),),
                tls="auto",
                acme_ca="https://ca.test",
            ),
            Site(
                "d",
                routes=(SiteRoute("d.example.com", "/", False, "web", 80),),
                tls="auto",
                certificate="abc",
            ),
            Site("e", routes=(SiteRoute("e.example.com", "/", False, "web", 80),), tls="off"),
        ]
    )
    tls = config["apps"]["tls"]
    assert tls["automation"]["policies"] == [
        {"subjects": ["a.example.com"], "issuers": [{"module": "acme", "email": "a@example.com"}]},
        {"subjects": ["b.example.com", "c.test"], "issuers": [{"module": "internal"}]},
    ]
    assert tls["certificates"]["automate"] == ["a.example.com", "b.example.com", "c.test"]
    assert tls["certificates"]["load_files"] == [
        {"certificate": "/data/ftl/certificates/abc.crt", "key": "/data/ftl/certificates/abc.key"}
    ]
    https = [match.get("host") for match in matches(config["apps"]["http"]["servers"]["https"])]
    assert ["e.example.com"] not in https
    redirects = [
        match["host"]
        for match, route in zip(
            matches(config["apps"]["http"]["servers"]["http"]),
            config["apps"]["http"]["servers"]["http"]["routes"],
            strict=True,
        )
        if route["handle"][0].get("status_code") == "308"
    ]
    assert redirects == [["a.example.com"], ["d.example.com"]]


def test_a_redirect_applies_to_all_requests() -> None:
    """It keeps path, query and scheme, comes before any route, and is served over HTTP and HTTPS."""
    site = replace(SHOP, tls="auto", redirects=(SiteRedirect("www.example.com", "shop.example.com"),))
    config: Any = caddy_config([site])
    for name in ("http", "https"):
        first = next(
            route for route in config["apps"]["http"]["servers"][name]["routes"] if route.get("terminal")
        )
        assert first["match"] == [{"host": ["www.example.com"]}]
        assert first["handle"][0]["headers"] == {"Location": ["//shop.example.com{http.request.uri}"]}
    assert "www.example.com" in config["apps"]["tls"]["certificates"]["automate"]


def test_forwarded_headers_are_trusted_from_trusted_proxies_only() -> None:
    """A project's ranges apply to its public routes and to no other project's."""
    config = json.loads(render([replace(SHOP, trusted=("198.51.100.0/24",)), BLOG]))
    trusted = {
        route["handle"][-1]["dynamic_upstreams"]["name"]: route["handle"][-1].get("trusted_proxies")
        for server in config["apps"]["http"]["servers"].values()
        for route in server["routes"]
        if "host" in route.get("match", [{}])[0]
        and route["handle"][-1]["handler"] == "reverse_proxy"
        and "remote_ip" not in route["match"][0]
    }
    assert {name.split("/")[-1].partition(".")[0]: ranges for name, ranges in trusted.items()} == {
        "shop": ["198.51.100.0/24"],
        "blog": None,
    }


def test_a_private_authority_certifies_any_name() -> None:
    """An authority with an explicit root is private, and its directory is trusted by that root."""
    site = Site(
        "a", routes=(SiteRoute("shop.lan", "/", False, "web", 80),), tls="auto",
        acme_ca="https://ca.lan/dir", acme_root="PEM",
    )  # fmt: skip
    config: Any = caddy_config([site])
    (policy,) = config["apps"]["tls"]["automation"]["policies"]
    assert policy["subjects"] == ["shop.lan"]
    (issuer,) = policy["issuers"]
    assert issuer["module"] == "acme"
    assert issuer["trusted_roots_pem_files"][0].startswith("/data/ftl/authorities/")
    (issued,) = (
        each["file"] for each in matches(config["apps"]["http"]["servers"]["http"]) if "file" in each
    )
    assert issued["try_files"] == ["/ca.lan-dir/shop.lan/shop.lan.crt"], (
        "another issuer's certificate must not count"
    )


def test_a_transition_has_the_routes_of_both_releases() -> None:
    """One variable, read once per request, chooses; what is switched has fixed upstreams, the rest its live file."""
    transition = Transition(
        "web",
        before={"web": "r1-web"},
        after={"web": "r2-web"},
        routes=(
            SiteRoute("shop.example.com", "/", False, "api", 9000),
            SiteRoute("shop.example.com", "/web", False, "web", 7000),
        ),
        internal=(InternalName("web", 7000), InternalName("api", 9000)),
    )
    found = servers(replace(SHOP, transition=transition))
    first = next(route for route in found["http"]["routes"] if route["handle"][0]["handler"] == "vars")
    assert first["handle"] == [{"handler": "vars", "ftl_live_shop": "{file./config/live/shop.web}"}]
    assert not first.get("terminal")
    new = {"vars": {"ftl_live_shop": ["r2-web"]}}
    public = [
        (("vars" in match), upstream(route), route["handle"][-1]["dynamic_upstreams"]["port"])
        for match, route in zip(matches(found["http"]), found["http"]["routes"], strict=True)
        if match.get("host") == ["shop.example.com"]
    ]
    assert public == [
        (True, "r2-web.", "8000"),  # /api/v2
        (True, "{file./config/live/shop.api}.", "9000"),  # /api
        (False, "r1-web.", "7000"),  # /web, until the switch
        (False, "{file./config/live/shop.api}.", "9000"),  # /, until the switch
        (True, "r2-web.", "8000"),  # /
    ]
    for port in (7000, 8000):
        inside = [
            (
                match.get("vars"),
                match.get("not"),
                upstream(route),
                route["handle"][-1]["dynamic_upstreams"]["port"],
            )
            for match, route in zip(
                matches(found[f"internal-{port}"]), found[f"internal-{port}"]["routes"], strict=True
            )
            if match.get("host") == ["web"]
        ]
        assert inside == [(None, [new], "r1-web.", "7000"), (new["vars"], None, "r2-web.", "8000")]
    apis = [match for match in matches(found["internal-9000"]) if match.get("host") == ["api"]]
    assert len(apis) == 1, "a name whose port stays needs no decision"


def test_maintenance_and_a_transition_keep_their_conditions() -> None:
    """Until the switch, the answer for strangers is that of the old routes only."""
    transition = Transition(
        "web", {}, {"web": "r2-web"}, routes=(SiteRoute("old.test", "/", False, "web", 80),)
    )
    site = replace(SHOP, transition=transition, maintenance=Maintenance(allow=("198.51.100.0/24",)))
    match = next(match for match in matches(servers(site)["http"]) if match.get("host") == ["old.test"])
    assert match["not"] == [
        {"vars": {"ftl_live_shop": ["r2-web"]}},
        {"remote_ip": {"ranges": ["198.51.100.0/24"]}},
    ]


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("shop.example.com", True),
        ("localhost", False),
        ("shop.localhost", False),
        ("shop.test", False),
        ("printer.local", False),
        ("intranet", False),
        ("203.0.113.5", False),
        ("::1", False),
        ("xn--bcher-kva.example.org", True),
    ],
)
def test_acme_is_used_for_public_names_only(host: str, public: bool) -> None:
    """Public authorities certify only these names."""
    assert is_public(host) is public


@given(st.permutations([SHOP, BLOG, Site("empty"), Site("tls", routes=BLOG.routes[:0], tls="internal")]))
def test_the_order_of_sites_does_not_matter(sites: list[Site]) -> None:
    """The same sites render to the same bytes, so that nothing is reloaded without a change."""
    assert render(sites) == render(sorted(sites, key=lambda site: site.project))


def test_a_changed_configuration_has_a_unique_listener() -> None:
    """Each configuration has a socket that no other has: closing it makes Caddy shut the old one down gracefully."""
    before, after = (servers(*sites)["http"]["listen"] for sites in ([SHOP], [SHOP, BLOG]))
    assert before[0] == after[0] == ":80"
    assert before[1] != after[1]


def test_the_first_configuration_is_replaced_at_once() -> None:
    """An empty server has no clients to wait for."""
    config: Any = caddy_config([])
    assert "shutdown_delay" not in config["apps"]["http"]
    assert servers()["http"]["listen"] == [":80"]
