"""Configurations of the proxies of a cluster, of which one gets certificates for all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ftl.proxy.configuration.caddy import caddy_config
from ftl.proxy.live_state import at_server
from ftl.proxy.names import proxy_alias
from ftl.proxy.site import Site, SiteRoute

SITE = Site(
    "shop",
    ("10.0.0.0/24",),
    routes=(SiteRoute("shop.example.com", "/", False, "web", 8000),),
    tls="auto",
    email="me@example.com",
)
CHALLENGES = "/.well-known/acme-challenge/*"


def tls(site: Site) -> Any:
    """The `tls` app for a site."""
    apps = caddy_config([site])["apps"]
    assert isinstance(apps, dict)
    return apps["tls"]


def forwarded(site: Site) -> list[str]:
    """Where each route for challenges leads."""
    config = json.loads(json.dumps(caddy_config([site])))
    routes = config["apps"]["http"]["servers"]["http"]["routes"]
    return [
        route["handle"][0]["dynamic_upstreams"]["name"]
        for route in routes
        if any(CHALLENGES in match.get("path", ()) for match in route.get("match", ()))
    ]


def test_the_issuer_answers_on_port_80_alone() -> None:
    """A handshake for TLS-ALPN-01 could come to any of the servers, and is not forwarded."""
    site = at_server(SITE, "a", "a")
    assert forwarded(site) == []
    policy = tls(site)["automation"]["policies"][0]
    assert policy["subjects"] == ["shop.example.com"]
    assert policy["issuers"][0]["challenges"] == {"tls-alpn": {"disabled": True}}
    assert "load_folders" not in tls(site)["certificates"]


def test_the_others_forward_challenges_and_load_what_the_issuer_got() -> None:
    """They ask no authority for anything."""
    site = at_server(SITE, "b", "a")
    assert forwarded(site) == [f"{proxy_alias('shop', 'a')}."]
    assert tls(site)["automation"]["policies"] == []
    assert tls(site)["certificates"]["automate"] == []
    assert tls(site)["certificates"]["load_folders"] == ["/data/ftl"]


@pytest.mark.parametrize(
    "site", [replace(SITE, certificate="0f"), replace(SITE, tls="internal"), replace(SITE, tls="off")]
)
def test_nothing_is_shared_where_no_authority_is_asked(site: Site) -> None:
    """The user's own certificate is on each proxy, and each has a local authority."""
    placed = at_server(site, "b", "a")
    assert forwarded(placed) == []
    assert caddy_config([placed]) == caddy_config([site])


def test_one_server_is_configured_as_before() -> None:
    """Nothing of this is in its configuration, nor in what is stored."""
    assert "challenges" not in json.dumps(tls(SITE))
    assert forwarded(SITE) == []
    assert "place" not in json.loads(SITE.to_json())
    placed = at_server(SITE, "b", "a")
    assert Site.from_json(placed.to_json()) == placed
