"""What doctor makes of where domains lead."""

from __future__ import annotations

import asyncio

import pytest

from ftl.server.doctor.checks import dns
from ftl.server.doctor.checks.dns import Domain, Lookup

OURS = ("203.0.113.5", "10.0.0.2", "2a01:4f8::5")


def judged(
    addresses: tuple[str, ...],
    *,
    ours: tuple[str, ...] = OURS,
    certified: bool = True,
    cdn: str | None = None,
    failure: dns.Failure | None = None,
) -> tuple[str, str, str | None]:
    """A domain's finding: level, sentence, remedy."""
    found = dns.judge(Domain("shop.example.com", Lookup(addresses, failure), cdn), ours, certified=certified)
    return found.level, found.what, found.fix


def test_a_domain_that_leads_here() -> None:
    """Every address of the domain is the server's."""
    assert judged(("203.0.113.5", "2a01:4f8::5")) == (
        "ok",
        "leads to this server (203.0.113.5, 2a01:4f8::5)",
        None,
    )


@pytest.mark.parametrize(("certified", "level"), [(True, "problem"), (False, "warning")])
def test_a_domain_that_leads_elsewhere(certified: bool, level: str) -> None:
    """Without an authority that must find the server there, it is no more than odd."""
    found = judged(("8.8.8.8",), ours=("9.9.9.9",), certified=certified)
    assert found[0] == level
    assert "leads to 8.8.8.8, and not to this server (9.9.9.9)" in found[1]
    assert found[2] == "change the record shop.example.com A 9.9.9.9 with the domain's DNS provider"


@pytest.mark.parametrize("found", [Lookup(failure="unknown"), Lookup(("8.8.8.8",))])
def test_a_rehearsal_needs_no_records(found: Lookup) -> None:
    """A server at a port of this machine is found by no record: what is true is said, and nothing is asked for."""
    told = dns.judge(Domain("shop.example.com", found), ("127.0.0.1",), certified=False, place="rehearsal")
    assert (told.level, told.fix) == ("ok", None)
    assert "DNS sends nobody" in told.what


@pytest.mark.parametrize(("place", "level"), [("rehearsal", "ok"), ("here", "ok"), ("elsewhere", "warning")])
def test_localhost_is_the_visitors_own_machine(place: dns.Place, level: str) -> None:
    """No record changes that: for a server elsewhere another name is needed."""
    unknown = Domain("shop.localhost", Lookup(failure="unknown"))
    found = dns.judge(unknown, ("9.9.9.9",), certified=False, place=place)
    assert found.level == level
    assert "record" not in f"{found.what} {found.fix}"
    assert dns.judge(unknown, (), certified=False, place=place).level == "ok", "it was not reached"


@pytest.mark.parametrize(
    ("name", "ours", "fix"),
    [
        ("shop.internal", ("10.0.0.2",), "add `10.0.0.2 shop.internal` to the network's own DNS"),
        (
            "shop.example.com",
            ("10.0.0.2",),
            "A with the server's public address (10.0.0.2 is one of a private",
        ),
        ("shop.example.com", ("9.9.9.9", "10.0.0.2"), "create the record shop.example.com A 9.9.9.9 with"),
    ],
)
def test_public_records_are_for_public_names_and_addresses(
    name: str, ours: tuple[str, ...], fix: str
) -> None:
    """A private name is for the network's own DNS; a private address is in no public record."""
    found = dns.judge(Domain(name, Lookup(failure="unknown")), ours, certified=False)
    assert fix in (found.fix or "")


def test_a_domain_that_leads_to_both() -> None:
    """A forgotten AAAA record sends some visitors, and the authority, to the old server."""
    level, what, fix = judged(("9.9.9.9", "2606:2800::1"), ours=("9.9.9.9",))
    assert level == "problem"
    assert "and to 2606:2800::1 as well" in what
    assert fix == "remove the record shop.example.com AAAA 2606:2800::1"


def test_a_cdn_in_front() -> None:
    """A CDN is no mistake, but it has to pass challenges on and to speak HTTPS to the server."""
    level, what, fix = judged(("104.16.1.1",), cdn="Cloudflare")
    assert (level, "Cloudflare (104.16.1.1)" in what) == ("warning", True)
    assert "Full (strict)" in (fix or "")
    assert judged(("104.16.1.1",), cdn="Cloudflare", certified=False)[2] == "nothing, if that is meant"


def test_a_server_behind_nat() -> None:
    """A public address cannot be held against inner ones alone."""
    level, what, _ = judged(("8.8.8.8",), ours=("10.0.0.2",))
    assert (level, "cannot be told" in what) == ("warning", True)


@pytest.mark.parametrize(
    ("failure", "certified", "level"),
    [
        ("unknown", True, "problem"),
        ("unknown", False, "warning"),
        ("late", True, "warning"),
        ("broken", True, "warning"),
    ],
)
def test_a_domain_that_does_not_resolve(failure: dns.Failure, certified: bool, level: str) -> None:
    """A name that does not exist is told from a resolver that does not answer."""
    assert judged((), failure=failure, certified=certified)[0] == level


def test_no_server_to_compare_with() -> None:
    """Where the server was not reached, it is only said where the domain leads."""
    assert judged(("8.8.8.8",), ours=()) == ("ok", "leads to 8.8.8.8", None)


@pytest.mark.parametrize(
    ("addresses", "cdn"),
    [
        (("104.16.1.1",), "Cloudflare"),
        (("2606:4700::1", "9.9.9.9"), "Cloudflare"),
        (("9.9.9.9",), None),
        ((), None),
    ],
)
def test_networks_of_cdns(addresses: tuple[str, ...], cdn: str | None) -> None:
    """Cloudflare publishes its networks."""
    assert dns.behind(addresses) == cdn


@pytest.mark.parametrize(
    ("headers", "cdn"),
    [
        ({"CF-RAY": "8a-FRA"}, "Cloudflare"),
        ({"Server": "cloudflare"}, "Cloudflare"),
        ({"X-Served-By": "cache-fra-1"}, "Fastly"),
        ({"X-Amz-Cf-Id": "x"}, "Amazon CloudFront"),
        ({"Server": "Caddy", "X-Served-By": "web-1"}, None),
    ],
)
def test_headers_of_cdns(headers: dict[str, str], cdn: str | None) -> None:
    """Others show by a header that is theirs alone."""
    assert dns.named_by(headers) == cdn


def test_names_are_looked_up_as_this_machine_does() -> None:
    """What /etc/hosts says counts, and a name that is none does not end in an exception."""
    assert "127.0.0.1" in asyncio.run(dns.look_up("localhost")).addresses
    assert asyncio.run(dns.look_up("a" * 70 + ".invalid")).failure is not None
