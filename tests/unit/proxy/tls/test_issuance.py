"""Certificate issuance by Caddy's log, with lines as Caddy 2.11 wrote them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ftl.proxy.site import Site, SiteRedirect, SiteRoute
from ftl.proxy.tls.issuance import hosts_to_certify, likely_cause, parse_log

SITE = Site("shop", routes=(SiteRoute("shop.example.com", "/", False, "web", 80),), tls="auto")
HOST = "shop.example.com"


def begins(host: str = HOST) -> str:
    """Log line for the beginning of an attempt."""
    return json.dumps(
        {"level": "info", "logger": "tls.obtain", "msg": "obtaining certificate", "identifier": host}
    )


def fails(error: str, host: str = HOST) -> str:
    """Log line for a failed attempt."""
    message = "could not get certificate from issuer"
    return json.dumps({"logger": "tls.obtain", "msg": message, "identifier": host, "error": error})


def test_the_last_attempt_counts() -> None:
    """A refusal is reported with the authority's message, and dropped when the proxy tries again."""
    problem = "HTTP 400 urn:ietf:params:acme:error:dns - NXDOMAIN looking up A for shop.example.com"
    lines = [begins(), begins("b.test"), "not JSON", fails("old", "b.test"), fails(problem), begins("b.test")]
    assert parse_log(lines) == ({HOST: problem}, "")


def test_what_caddy_adds_to_the_message_is_left_out() -> None:
    """The order's URL and the like do not help the user."""
    words = "[a.test] solving challenges: none left (order=https://ca.test/order/1) (ca=https://ca.test/dir)"
    assert parse_log([fails(words)]) == ({HOST: "solving challenges: none left"}, "")


def test_an_unreachable_authority_is_reported() -> None:
    """During an attempt, the error of the requests to the authority is known."""
    words = 'performing request: Get "https://ca.test/dir": dial tcp: lookup ca.test: i/o timeout'
    retry = json.dumps({"msg": "HTTP request failed; retrying", "url": "https://ca.test/dir", "error": words})
    assert parse_log([begins(), retry]) == ({}, words)
    assert parse_log([begins(), retry, begins()]) == ({}, "")


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (
            "HTTP 400 urn:ietf:params:acme:error:dns - DNS problem: NXDOMAIN looking up A for x",
            "no address yet",
        ),
        (
            "HTTP 400 urn:ietf:params:acme:error:connection - 192.0.2.1: Timeout during connect",
            "ports 80 and 443",
        ),
        (
            "HTTP 403 urn:ietf:params:acme:error:unauthorized - 192.0.2.1: Invalid response from http://x: 404",
            "another server",
        ),
        (
            "HTTP 429 urn:ietf:params:acme:error:rateLimited - too many certificates already issued",
            "rate limit",
        ),
        ("HTTP 403 urn:ietf:params:acme:error:caa - CAA record for x prevents issuance", "CAA record"),
        (
            "HTTP 400 urn:ietf:params:acme:error:invalidContact - domain example.com is forbidden",
            "set `project.email`",
        ),
        (
            'HTTP 400 urn:ietf:params:acme:error:invalidContact - contact email "default" is invalid',
            "tries again within a minute",
        ),
        (
            'provisioning client: Get "https://ca.test/dir": tls: failed to verify certificate: x509: certificate '
            "signed by unknown authority",
            "acme_ca_root",
        ),
        (
            'provisioning client: Get "https://ca.test/dir": dial tcp: lookup ca.test: no such host',
            "cannot reach",
        ),
        ("something new", "ftl doctor"),
    ],
)
def test_a_refusal_has_a_likely_cause(words: str, meaning: str) -> None:
    """Each kind of problem leads to the usual fix."""
    assert meaning in likely_cause(words)


def test_an_authority_is_asked_about_new_hosts() -> None:
    """Hosts of routes and redirects count that are new, or new for this authority."""
    more = replace(SITE, redirects=(SiteRedirect("www.shop.example.com", HOST),))
    letsencrypt = "acme-v02.api.letsencrypt.org-directory"
    assert hosts_to_certify(SITE, None) == {HOST: f"{letsencrypt}/{HOST}/{HOST}.crt"}
    assert hosts_to_certify(SITE, SITE) == {}
    assert list(hosts_to_certify(more, SITE)) == ["www.shop.example.com"]
    assert hosts_to_certify(replace(SITE, tls="internal"), None) == {}
    assert hosts_to_certify(replace(SITE, certificate="abc"), None) == {}


def test_a_certificate_of_another_issuer_does_not_count() -> None:
    """An older one is in another folder than the one that is waited for."""
    other = replace(SITE, acme_ca="https://ca.test:14000/dir")
    assert hosts_to_certify(other, SITE) == {HOST: f"ca.test-14000-dir/{HOST}/{HOST}.crt"}
    for before in (other, replace(SITE, tls="internal"), replace(SITE, certificate="abc")):
        assert hosts_to_certify(SITE, before) == hosts_to_certify(SITE, None)
