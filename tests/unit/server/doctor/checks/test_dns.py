"""Checks of the domains' DNS."""

from __future__ import annotations

import asyncio

import pytest

from ftl.server.doctor.checks import dns
from ftl.server.doctor.checks.dns import Domain, Lookup

SERVER = ("203.0.113.5", "10.0.0.2", "2a01:4f8::5")


def judged(
    addresses: tuple[str, ...],
    *,
    server: tuple[str, ...] = SERVER,
    by_acme: bool = True,
    cdn: str | None = None,
    error: dns.Unresolved | None = None,
) -> tuple[str, str, str | None]:
    """A domain's finding: level, sentence, fix."""
    found = dns.judge(Domain("shop.example.com", Lookup(addresses, error), cdn), server, by_acme=by_acme)
    return found.level, found.what, found.fix


def test_a_domain_that_resolves_to_the_server() -> None:
    """Every address of the domain is the server's."""
    assert judged(("203.0.113.5", "2a01:4f8::5")) == (
        "ok",
        "resolves to this server (203.0.113.5, 2a01:4f8::5)",
        None,
    )


@pytest.mark.parametrize(("by_acme", "level"), [(True, "problem"), (False, "warning")])
def test_a_domain_that_resolves_to_another_server(by_acme: bool, level: str) -> None:
    """A problem only if a CA must reach the server by it."""
    found = judged(("8.8.8.8",), server=("9.9.9.9",), by_acme=by_acme)
    assert found[0] == level
    assert "resolves to 8.8.8.8, and not to this server (9.9.9.9)" in found[1]
    assert found[2] == "change the record shop.example.com A 9.9.9.9 at the domain's DNS provider"


@pytest.mark.parametrize("lookup", [Lookup(error="unknown"), Lookup(("8.8.8.8",))])
def test_a_sandbox_needs_no_records(lookup: Lookup) -> None:
    """A server at a port of this machine is not found by DNS: the result is shown, and no fix."""
    found = dns.judge(Domain("shop.example.com", lookup), ("127.0.0.1",), by_acme=False, reach="loopback")
    assert (found.level, found.fix) == ("ok", None)
    assert "needs no DNS record" in found.what


@pytest.mark.parametrize(("reach", "level"), [("loopback", "ok"), ("local", "ok"), ("remote", "warning")])
def test_localhost_is_the_visitor_s_own_machine(reach: dns.ServerReach, level: str) -> None:
    """No record changes that: a remote server needs another name."""
    unknown = Domain("shop.localhost", Lookup(error="unknown"))
    found = dns.judge(unknown, ("9.9.9.9",), by_acme=False, reach=reach)
    assert found.level == level
    assert "record" not in f"{found.what} {found.fix}"
    assert dns.judge(unknown, (), by_acme=False, reach=reach).level == "ok", "it was not reached"


@pytest.mark.parametrize(
    ("name", "server", "fix"),
    [
        ("shop.internal", ("10.0.0.2",), "add `10.0.0.2 shop.internal` to the network's own DNS"),
        (
            "shop.example.com",
            ("10.0.0.2",),
            "A with the server's public address (10.0.0.2 is private",
        ),
        ("shop.example.com", ("9.9.9.9", "10.0.0.2"), "create the record shop.example.com A 9.9.9.9 at"),
    ],
)
def test_public_records_are_for_public_names_and_addresses(
    name: str, server: tuple[str, ...], fix: str
) -> None:
    """A private name belongs in the network's own DNS, and a private address in no public record."""
    found = dns.judge(Domain(name, Lookup(error="unknown")), server, by_acme=False)
    assert fix in (found.fix or "")


def test_a_domain_that_resolves_to_two_servers() -> None:
    """A forgotten AAAA record sends some visitors, and the CA, to the old server."""
    level, what, fix = judged(("9.9.9.9", "2606:2800::1"), server=("9.9.9.9",))
    assert level == "problem"
    assert "and also to 2606:2800::1" in what
    assert fix == "remove the record shop.example.com AAAA 2606:2800::1"


def test_a_cdn_in_front() -> None:
    """It has to forward challenges, and to use HTTPS to the server."""
    level, what, fix = judged(("104.16.1.1",), cdn="Cloudflare")
    assert (level, "Cloudflare (104.16.1.1)" in what) == ("warning", True)
    assert "Full (strict)" in (fix or "")
    assert judged(("104.16.1.1",), cdn="Cloudflare", by_acme=False)[2] == "nothing, if that is intended"


def test_a_server_behind_nat() -> None:
    """A public address cannot be compared with private ones only."""
    level, what, _ = judged(("8.8.8.8",), server=("10.0.0.2",))
    assert (level, "do not tell" in what) == ("warning", True)


@pytest.mark.parametrize(
    ("error", "by_acme", "level"),
    [
        ("unknown", True, "problem"),
        ("unknown", False, "warning"),
        ("late", True, "warning"),
        ("broken", True, "warning"),
    ],
)
def test_a_domain_that_does_not_resolve(error: dns.Unresolved, by_acme: bool, level: str) -> None:
    """A name that does not exist differs from a resolver that does not answer."""
    assert judged((), error=error, by_acme=by_acme)[0] == level


def test_no_server_to_compare_with() -> None:
    """If the server was not reached, only the domain's addresses are shown."""
    assert judged(("8.8.8.8",), server=()) == ("ok", "resolves to 8.8.8.8", None)


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
    assert dns.cdn_of_addresses(addresses) == cdn


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
    """Other CDNs are recognised by a header that only they send."""
    assert dns.cdn_of_headers(headers) == cdn


@pytest.mark.parametrize(
    ("answer", "cdn"),
    [
        (b"HTTP/1.1 301 Moved\r\nServer: cloudflare\r\nLocation: /\r\n\r\n", "Cloudflare"),
        (b"HTTP/1.1 200 OK\r\nServer: Caddy\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n", None),
        (b"", None),
    ],
    ids=["cdn", "other", "not-http", "too-long", "closed"],
)
def test_a_cdn_is_recognised_by_its_answer(answer: bytes, cdn: str | None) -> None:
    """The server that answers is asked for the headers of the name's page; whatever else it says, it is no CDN."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    async def work() -> str | None:
        server = await asyncio.start_server(serve, "127.0.0.1")
        async with server:
            return await dns.cdn_at("shop.example.com", "127.0.0.1", server.sockets[0].getsockname()[1])

    assert asyncio.run(work()) == cdn
    assert requests[0].startswith(b"HEAD / HTTP/1.1\r\nHost: shop.example.com\r\n")


def test_a_host_that_does_not_answer_is_no_cdn() -> None:
    """Nothing listens there."""
    assert asyncio.run(dns.cdn_at("shop.example.com", "127.0.0.1", 1)) is None


def test_names_are_looked_up_by_this_machine_s_resolver() -> None:
    """/etc/hosts counts, and an invalid name is not an exception."""
    assert "127.0.0.1" in asyncio.run(dns.look_up("localhost")).addresses
    assert asyncio.run(dns.look_up("a" * 70 + ".invalid")).error is not None
