"""Kamal's proxy: port, routes and health check of a role or an accessory."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.config.yaml.tree import MappingNode, is_null
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover.compose.proxies.labels import labelled_routes
from ftl.onboarding.takeover.kamal.proxies.certificates import convert_certificate, report_tls
from ftl.onboarding.takeover.kamal.proxies.health_check import health_check_of
from ftl.onboarding.takeover.nodes import entries, is_valid, items, pairs, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_KNOWN = (
    "host",
    "hosts",
    "app_port",
    "ssl",
    "healthcheck",
    "path_prefix",
    "path_prefixes",
    "strip_path_prefix",
)
REMOVE_TRAEFIK = (
    "Traefik has the ports 80 and 443 of the server: run `kamal traefik remove` before the first deploy; labels of its "
    "routers are `routes`"
)
_ACME_EMAIL = re.compile(r"certificates?resolvers\.[^.]+\.acme\.email", re.IGNORECASE)
_LEFT_OUT = {
    "response_timeout": "the proxy waits for an answer as long as the app takes",
    "buffering": "the proxy passes requests and answers of any size on as they come: a limit is for the app to keep",
    "logging": "`ftl logs --proxy` prints each request",
    "ssl_redirect": "the proxy redirects HTTP to HTTPS where it has a certificate",
    "run": "the proxy has the ports 80 and 443, and is set up by the first deploy",
}
_FALSE = ("false", "no", "off")
_TRUSTED = (
    "Kamal passes X-Forwarded-* of any client on: write `proxy: {trusted_proxies: [...]}`, the address ranges of "
    "the load balancer or CDN in front; else X-Forwarded-Proto is http, and an app with force_ssl redirects for ever"
)


def convert_proxies(kamal: KamalConversion, own: Mapping[str, Node | None], primary: str) -> None:
    """Give the roles with a proxy routes: the primary one, and others that say so.

    `own` has each role with its own `proxy`, whose keys win over those of the whole file.
    """
    root = kamal.root.get("proxy")
    with_proxy = [role for role, node in own.items() if _has_proxy(node, root, is_primary=role == primary)]
    for role, node in own.items():
        if role not in with_proxy and node is not None:
            kamal.add(f"servers.{role}.proxy", Verdict.LEFT_OUT, "it is false: no requests go there", node)
    if not with_proxy:
        if root is not None:
            kamal.add("proxy", Verdict.LEFT_OUT, "no role has a proxy: none gets requests", root)
        return
    first = primary if primary in with_proxy else with_proxy[0]
    _first_proxy(kamal, first, own[first])
    for role in with_proxy:
        node = own[role]
        if role == first or node is None:
            continue
        keys = kamal.draft.services[service_name(role)]
        convert_proxy(kamal, keys, _together(root, node), f"servers.{role}.proxy")
        what = "port, routes and health_check"
        if keys["routes"] == kamal.draft.services[service_name(first)].get("routes"):
            del keys["routes"]
            what = (
                f"its requests are those of {first}, which gets them here: write `routes` with another host"
            )
            kamal.draft.note(service_name(role), f"proxy: {what}")
            kamal.add(f"servers.{role}.proxy", Verdict.NEEDS_YOU, what, node)
        else:
            kamal.add(f"servers.{role}.proxy", Verdict.CHANGED, what, node)


def _has_proxy(own: Node | None, root: Node | None, *, is_primary: bool) -> bool:
    """Whether requests go to a role: by default to the primary one alone."""
    if own is not None and not is_null(own):
        return text(own).lower() not in _FALSE
    return is_primary and text(root).lower() not in _FALSE


def _together(root: Node | None, own: Node | None) -> dict[str, Node]:
    """The keys of the file's proxy with those of a role over them; hosts of a role replace all others."""
    over = entries(own)
    hosts = ("host", "hosts") if over.keys() & {"host", "hosts"} else ()
    return {key: node for key, node in entries(root).items() if key not in hosts} | over


def _first_proxy(kamal: KamalConversion, role: str, own: Node | None) -> None:
    """Convert the proxy of the whole file, which is that of one role."""
    keys = kamal.draft.services[service_name(role)]
    root = kamal.root
    options = _together(root.get("proxy"), own)
    if not options and (root.get("traefik") is not None or root.get("healthcheck") is not None):
        _of_version_1(kamal, role, keys)
        return
    convert_proxy(kamal, keys, options, "proxy")
    kamal.add("proxy", Verdict.CHANGED, f"port, routes and health_check of {role}", root.get("proxy"))
    if own is not None:
        kamal.add(f"servers.{role}.proxy", Verdict.CHANGED, "port, routes and health_check", own)
    ssl = options.get("ssl")
    if isinstance(ssl, MappingNode):
        convert_certificate(kamal, service_name(role), ssl)
    elif text(ssl) != "true" and options:
        kamal.draft.top["proxy"] = {"tls": "off"}
        kamal.add("proxy.ssl", Verdict.CHANGED, "proxy.tls: off", ssl)
        if "forward_headers" not in options:  # Kamal's default without ssl is true
            kamal.add("proxy.forward_headers", Verdict.NEEDS_YOU, _TRUSTED, root.get("proxy"))
            kamal.draft.note(service_name(role), f"proxy.forward_headers: {_TRUSTED}")
    elif ssl is not None:
        kamal.add("proxy.ssl", Verdict.CHANGED, "the default of proxy.tls", ssl)


def convert_proxy(
    kamal: KamalConversion, keys: dict[str, object], options: dict[str, Node], path: str
) -> None:
    """Write port, routes and health check into a service; the first host is the domain."""
    given = [text(item) for item in items(options.get("hosts"))] or [text(options.get("host"))]
    hosts = [
        host.strip()
        for value in given
        for host in kamal.texts.resolve(value).split(",")
        if is_valid(addresses.route_host, host.strip())
    ]
    if not hosts and any(given):
        named = ", ".join(given)
        todo = f"`{named}` is empty as the variables are here: write it as `domain` of the project"
        kamal.add(f"{path}.hosts", Verdict.NEEDS_YOU, todo, options.get("hosts") or options.get("host"))
    keys["port"] = kamal.text(options.get("app_port")) or "80"
    domains = [
        *(host for host in hosts if is_valid(addresses.domain, host)),
        *(host.removeprefix("*.") for host in hosts),
    ]
    if path.startswith("accessories.") and any("routes" in each for each in kamal.draft.services.values()):
        domains = []  # the app's own routes are those of the domain, which no host of Kamal's file names
    main = kamal.draft.domain = kamal.draft.domain or next(iter(domains), None)
    prefixes = [
        prefix.strip()
        for value in (options.get("path_prefix"), *items(options.get("path_prefixes")))
        for prefix in text(value).split(",")
        if prefix.strip()
    ]
    # kamal-proxy strips the prefix unless it is told not to
    strip = {"strip_prefix": True} if prefixes and text(options.get("strip_path_prefix")) != "false" else {}
    if (stripping := options.get("strip_path_prefix")) is not None:
        kamal.add(f"{path}.strip_path_prefix", Verdict.CHANGED, "strip_prefix of the routes", stripping)
    hosts_or_none: list[str | None] = [*hosts] or [main]
    keys["routes"] = [
        {"path": prefix, **strip, **({} if host == main else {"host": host})}
        for host in hosts_or_none
        for prefix in (prefixes or ["/"])
    ]
    if path != "proxy":
        report_tls(kamal, f"{path}.ssl", options.get("ssl"))
    keys["health_check"] = health_check_of(kamal, options.get("healthcheck"), f"{path}.healthcheck")
    for key, value in options.items():
        if key == "forward_headers" and text(value) == "true":
            kamal.add(f"{path}.{key}", Verdict.NEEDS_YOU, _TRUSTED, value)
        elif key not in _KNOWN:
            kamal.add(f"{path}.{key}", Verdict.LEFT_OUT, _LEFT_OUT.get(key, "FTL's proxy decides"), value)


def _of_version_1(kamal: KamalConversion, role: str, keys: dict[str, object]) -> None:
    """Port and health check of Kamal 1, which had Traefik, and routes by its labels."""
    kamal.add("traefik", Verdict.NEEDS_YOU, REMOVE_TRAEFIK, kamal.root.get("traefik"))
    for name, value in entries(entries(kamal.root.get("traefik")).get("args")).items():
        if _ACME_EMAIL.fullmatch(name) and (email := kamal.texts.resolve(text(value))):
            kamal.draft.email = email
            kamal.add("traefik.args: acme.email", Verdict.CHANGED, "project.email", value)
    check = entries(kamal.root.get("healthcheck"))
    labels = pairs(kamal.root.get("labels")) | pairs(
        entries(entries(kamal.root.get("servers")).get(role)).get("labels")
    )
    labelled = labelled_routes(labels, {}, kamal.texts.resolve)
    routes = labelled.routes
    domains = [host for host in labelled.hosts if is_valid(addresses.domain, host)]
    kamal.draft.domain = domains[0] if domains else None
    keys["port"] = kamal.text(check.get("port")) or str(labelled.port or 3000)
    keys["health_check"] = health_check_of(kamal, kamal.root.get("healthcheck"), "healthcheck")
    keys["routes"] = [
        {"path": path} | ({} if host == kamal.draft.domain else {"host": host}) for host, path in routes
    ] or ([] if labelled.refused else [{"path": "/"}])
    for name, reason in labelled.refused.items():
        todo = f"no route, since its rule has {reason}: write `routes` with what may be public"
        kamal.add(f"labels: {name}", Verdict.NEEDS_YOU, todo)
        kamal.draft.note(service_name(role), todo)
    if not keys["routes"]:
        del keys["routes"]
    if check:
        kamal.add(
            "healthcheck", Verdict.CHANGED, f"port and health_check of {role}", kamal.root.get("healthcheck")
        )
    for owner in (*kamal.draft.services.values(), kamal.draft.top):
        own = owner.get("labels")
        if isinstance(own, dict):
            owner["labels"] = {name: value for name, value in own.items() if not name.startswith("traefik.")}
            if not owner["labels"]:
                del owner["labels"]
