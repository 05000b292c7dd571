"""Routes by the labels of Traefik and caddy-docker-proxy and the variables of nginx-proxy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TRAEFIK_RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule")
_TRAEFIK_PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port")
_CADDY_HOSTS = re.compile(r"caddy(?:_\d+)?")
_CADDY_UPSTREAM = re.compile(r"caddy(?:_\d+)?\.reverse_proxy")


@dataclass(frozen=True, slots=True)
class LabelledRoutes:
    """Hosts with paths, the port and the contact, by labels or variables of another proxy."""

    routes: tuple[tuple[str, str], ...] = ()
    port: int | None = None
    email: str = ""


def labelled_routes(
    labels: Mapping[str, str | None], environment: Mapping[str, str | None], resolve: Callable[[str], str]
) -> LabelledRoutes:
    """Read the labels of Traefik and caddy-docker-proxy, and the variables of nginx-proxy."""
    routes: list[tuple[str, str]] = []
    port = ""
    for name, given in labels.items():
        value = resolve(given or "")
        if _TRAEFIK_RULE.fullmatch(name):
            routes += _traefik(value)
        elif _TRAEFIK_PORT.fullmatch(name):
            port = value
        elif _CADDY_HOSTS.fullmatch(name):
            hosts = (host.strip() for host in re.split(r"[,\s]+", value))
            routes += [(re.sub(r"^https?://", "", host), "/") for host in hosts if host]
        elif _CADDY_UPSTREAM.fullmatch(name) and (match := re.search(r"upstreams(?: https?)? (\d+)", value)):
            port = match[1]
    if virtual_host := environment.get("VIRTUAL_HOST"):
        routes += [(host.strip(), "/") for host in resolve(virtual_host).split(",") if host.strip()]
        port = port or resolve(environment.get("VIRTUAL_PORT") or "")
    email = resolve(environment.get("LETSENCRYPT_EMAIL") or "")
    return LabelledRoutes(tuple(dict.fromkeys(routes)), int(port) if port.isdecimal() else None, email)


def _traefik(rule: str) -> Iterator[tuple[str, str]]:
    """Hosts and paths of a rule: each host has each path."""
    paths = re.findall(r"Path(?:Prefix)?\(([^)]*)\)", rule)
    prefixes = [path for group in paths for path in re.findall(r"[`'\"](/[^`'\"]*)", group)] or ["/"]
    for group in re.findall(r"Host\(([^)]*)\)", rule):
        for quoted in re.findall(r"[`'\"]([^`'\"]+)", group):
            host = quoted.strip(" ,")
            yield from ((host, prefix) for prefix in prefixes if host)
