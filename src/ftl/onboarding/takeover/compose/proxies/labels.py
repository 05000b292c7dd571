"""Routes by the labels of Traefik and caddy-docker-proxy and the variables of nginx-proxy."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.dataclass import dataclass
from ftl.onboarding.takeover.compose.proxies.traefik import parse_rule, stripped_prefixes, untaken
from ftl.onboarding.takeover.nodes import entries, is_valid, pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ftl.config.yaml.tree import MappingNode

_TRAEFIK_RULE = re.compile(r"traefik\.http\.routers\.([^.]+)\.rule", re.IGNORECASE)
_TRAEFIK_PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port", re.IGNORECASE)
_TRAEFIK_HEALTH = re.compile(
    r"traefik\.http\.services\.[^.]+\.loadbalancer\.healthcheck\.path", re.IGNORECASE
)
_CADDY_HOSTS = re.compile(r"caddy(?:_\d+)?")
_CADDY_UPSTREAM = re.compile(r"caddy(?:_\d+)?\.reverse_proxy")


@dataclass(frozen=True, slots=True)
class LabelledRoutes:
    """Hosts with paths, the port and the contact, by labels or variables of another proxy.

    Attributes:
        hosts: Hosts of all rules, also of those that are refused.
        refused: Label -> what of its rule FTL's proxy cannot do: who may reach the service, the user decides.
        untaken: What else its labels say and FTL's proxy has not -> what to do.
        stripped: Routes whose path the app does not see.
        has_other_prefixes: A prefix that is taken away is no path of a route.
        health: Path of the health check.
        is_off: Traefik ignores the service.
    """

    routes: tuple[tuple[str, str], ...] = ()
    port: int | None = None
    email: str = ""
    hosts: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    untaken: Mapping[str, str] = field(default_factory=dict)
    stripped: frozenset[tuple[str, str]] = frozenset()
    has_other_prefixes: bool = False
    health: str = ""
    is_off: bool = False


def labels_of(node: MappingNode) -> dict[str, str | None]:
    """Labels of a service of Compose, with those for Swarm."""
    return pairs(node.get("labels")) | pairs(entries(node.get("deploy")).get("labels"))


def routes_of(node: MappingNode, resolve: Callable[[str], str]) -> LabelledRoutes:
    """Routes of a service of Compose by its labels and variables."""
    return labelled_routes(labels_of(node), pairs(node.get("environment")), resolve)


def labelled_routes(
    labels: Mapping[str, str | None], environment: Mapping[str, str | None], resolve: Callable[[str], str]
) -> LabelledRoutes:
    """Read the labels of Traefik and caddy-docker-proxy, and the variables of nginx-proxy."""
    routes: list[tuple[str, str]] = []
    hosts: list[str] = []
    refused: dict[str, str] = {}
    port = health = ""
    resolved = {name: resolve(given or "") for name, given in labels.items()}
    prefixes = stripped_prefixes(resolved)
    stripped: set[tuple[str, str]] = set()
    has_other_prefixes = False
    is_off = resolved.get("traefik.enable", "").lower() == "false"
    for name, value in resolved.items():
        if is_off and name.startswith("traefik."):
            continue
        if named_rule := _TRAEFIK_RULE.fullmatch(name):
            rule = parse_rule(value)
            own = prefixes.get(named_rule[1].lower(), set())
            stripped |= {route for route in rule.routes if route[1].rstrip("/") in own}
            has_other_prefixes |= not own <= {path.rstrip("/") for _, path in rule.routes}
            routes += rule.routes
            hosts += rule.hosts
            if rule.refused:
                refused[name] = rule.refused
        elif _TRAEFIK_PORT.fullmatch(name):
            port = value
        elif _TRAEFIK_HEALTH.fullmatch(name):
            health = value
        elif _CADDY_HOSTS.fullmatch(name):
            named = (host.strip() for host in re.split(r"[,\s]+", value))
            routes += [(re.sub(r"^https?://", "", host), "/") for host in named if host]
        elif _CADDY_UPSTREAM.fullmatch(name) and (match := re.search(r"upstreams(?: https?)? (\d+)", value)):
            port = match[1]
    if virtual_host := environment.get("VIRTUAL_HOST"):
        routes += [(host.strip(), "/") for host in resolve(virtual_host).split(",") if host.strip()]
        port = port or resolve(environment.get("VIRTUAL_PORT") or "")
    email = resolve(environment.get("LETSENCRYPT_EMAIL") or "")
    for host, _ in routes:
        if not is_valid(addresses.route_host, host):
            refused[host] = f"`{host}`, which is not a single host"
    return LabelledRoutes(
        tuple(route for route in dict.fromkeys(routes) if route[0] not in refused),
        int(port) if port.isdecimal() else None,
        email,
        tuple(host for host in dict.fromkeys((*(host for host, _ in routes), *hosts)) if host not in refused),
        refused,
        {} if is_off else dict(untaken(resolved)),
        frozenset(stripped),
        has_other_prefixes,
        health,
        is_off,
    )
