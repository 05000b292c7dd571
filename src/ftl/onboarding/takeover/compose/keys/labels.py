"""Labels of a Compose service."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.nodes import pairs

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion


_MIDDLEWARE = re.compile(r"traefik\.http\.middlewares\.[^.]+\.(\w+)", re.IGNORECASE)
_USED = re.compile(r"traefik\.http\.routers\.[^.]+\.middlewares$", re.IGNORECASE)
_PROTECTED_BY_CADDY = re.compile(r"caddy(?:_\d+)?\.(basic_?auth|forward_auth)")
_PROTECTION = frozenset({"basicauth", "digestauth", "forwardauth", "ipallowlist", "ipwhitelist"})
_DONE_BY_FTL = frozenset({"redirectscheme", "compress", "chain", "retry"})


def labels(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Convert labels, without those of another proxy."""
    routing = [name for name in pairs(node) if name.startswith(("traefik.", "caddy"))]
    others = {name: value or "" for name, value in pairs(node).items() if name not in routing}
    if any(name.startswith("ofelia.") for name in others):
        conversion.todo(key, "scheduled jobs of ofelia: write them as `jobs` of the project")
    elif others:
        conversion.keys["labels"] = {name: conversion.convert(value) for name, value in others.items()}
        conversion.taken(key)
    labelled = conversion.labelled
    if routing and (labelled.routes or labelled.refused):
        if labelled.routes:
            conversion.changed(key, "routes")
        _middlewares(conversion, key, routing, node)
    elif routing:
        reason = "traefik.enable is false: it has no routes" if labelled.is_off else "FTL has its own proxy"
        conversion.left_out(key, reason)
    for name in routing:
        if name in labelled.refused:
            what = f"no route, since its rule has {labelled.refused[name]}: write `routes` with what may be public"
            conversion.todo(f"{key}: {name}", what, node)
    for host in labelled.refused if routing else ():
        if host not in routing:
            todo = f"write a route for each host: {labelled.refused[host]}"
            conversion.todo(f"{key}: {host}", todo, node)
    for name, todo in labelled.untaken.items() if routing else ():
        conversion.todo(f"{key}: {name}", todo, node)


def _middlewares(conversion: ComposeConversion, key: str, routing: list[str], node: Node) -> None:
    """Tasks of the other proxy in addition to routing, unless FTL's does them, too."""
    kinds: dict[str, None] = {}
    for name in routing:
        if match := _MIDDLEWARE.match(name):
            kinds[match[1].lower()] = None
        elif match := _PROTECTED_BY_CADDY.match(name):
            kinds["basicauth" if match[1].startswith("basic") else "forwardauth"] = None
        elif _USED.match(name) and "@file" in (conversion.labels.get(name) or ""):
            kinds["middlewares of a file"] = None
    for kind in kinds:
        if kind in _PROTECTION:
            todo = (
                "protected it, and FTL's proxy does not: let the app ask for a password before you deploy it"
            )
            conversion.todo(f"{key}: {kind}", todo, node)
        elif kind == "stripprefix":
            labelled = conversion.labelled
            if labelled.stripped and not labelled.has_other_prefixes:
                conversion.changed(f"{key}: {kind}", "strip_prefix of its routes", node)
            else:
                todo = "write `strip_prefix: true` at a route with the path that is taken away"
                conversion.todo(f"{key}: {kind}", todo, node)
        elif kind not in _DONE_BY_FTL:
            conversion.todo(f"{key}: {kind}", "FTL's proxy has none: let the app do it", node)
