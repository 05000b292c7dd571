"""Choice of the public service of a Compose file, where no label says which it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.keys.ports import HTTP
from ftl.onboarding.takeover.draft import add_items
from ftl.onboarding.takeover.nodes import is_valid
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import MappingNode
    from ftl.onboarding.takeover.compose.conversion import ConversionContext
    from ftl.onboarding.takeover.compose.port_forms import Port

_NAMES = ("web", "app", "frontend", "nginx", "proxy", "site", "server", "www", "client", "ui")


def main_host(context: ConversionContext, services: Mapping[str, MappingNode]) -> str | None:
    """The project's domain: the shortest host in labels, a tool's only if there is no other."""
    hosts: list[tuple[bool, int, int, int, str]] = []
    for key, node in services.items():
        if context.kinds[key] != "service":
            continue
        image = images.kind(context.images.get(key, ""))
        rank = _NAMES.index(key) if key in _NAMES else len(_NAMES)
        labelled = context.labelled(key, node)
        hosts += [
            (image in images.TOOLS, host.count("."), rank, len(hosts), host)
            for host in labelled.hosts
            if is_valid(addresses.domain, host)
        ]
    return min(hosts, default=(False, 0, 0, 0, None))[-1]


def choose_public(context: ConversionContext) -> None:
    """Give the route `/` to the most likely candidate; the others keep their published ports.

    Where a rule of another proxy was refused, the domain is of that service, and none gets it by its port.
    """
    services = context.draft.services
    others = dict(context.candidates)
    is_open = not context.refused and not any("routes" in keys for keys in services.values())
    if is_open and not others and not context.local and len(context.unnumbered) == 1:
        others = context.candidates = context.unnumbered.copy()
    if others and is_open:
        public = min(others, key=lambda key: _rank(context, key))
        services[context.names[public]]["routes"] = [{"path": "/"}]
        main = others.pop(public)
        _report(context, public, main, Verdict.CHANGED, f"port: {main.target} and the route /")
    for key in others:
        _keep_published(context, key)
    if not any("routes" in keys for keys in services.values()):
        for key, port in context.local.items():
            todo = f"only this machine could reach 127.0.0.1:{port.published}, and what proxy was in "
            todo += (
                "front of it. If the site is public, write `domain` of the project and `routes: [{path: /}]` "
            )
            todo += "of the service"
            if len(context.local) > 1:
                todo += ", with the path or `host` of each: two services cannot have the same"
            _report(context, key, port, Verdict.NEEDS_YOU, todo)
            context.draft.note(context.names[key], f"ports: {todo}\nroutes: [{{path: /}}]")
            context.draft.is_domain_asked = True


def _report(context: ConversionContext, key: str, port: Port, verdict: Verdict, what: str) -> None:
    location = port.item.location if port.item is not None else None
    context.draft.report.add(f"services.{key}.ports{port.place}", verdict, what, location)


def _rank(context: ConversionContext, key: str) -> tuple[bool, int, int, bool]:
    """Rank of a candidate: a tool is the last one, and a program that is built here is before others."""
    published = context.candidates[key].published or 0
    return (
        images.kind(context.images.get(key, "")) in images.TOOLS,
        HTTP.index(published) if published in HTTP[:2] else len(HTTP),
        _NAMES.index(key) if key in _NAMES else len(_NAMES),
        context.services[key].get("build") is None,
    )


def _keep_published(context: ConversionContext, key: str) -> None:
    name, port = context.names[key], context.candidates[key]
    keys = context.draft.services[name]
    if "routes" in keys:
        return
    route = "`routes: [{host: ..., path: /}]`"
    todo = f"it was public at port {port.published}: give it a route with another host, {route}"
    is_asked = bool(context.refused) and not any("routes" in each for each in context.draft.services.values())
    if is_asked:
        named = " and ".join(dict.fromkeys(context.refused))
        todo = f"the domain is not given to it by its port, since a rule of {named} was refused: {todo}"
    has_forward = port.published not in (80, 443) and not keys.get("replicas")
    if has_forward:
        add_items(keys, "forwards", port.forward)
    if is_asked or not has_forward:
        _report(context, key, port, Verdict.NEEDS_YOU, todo)
    else:
        _report(context, key, port, Verdict.CHANGED, "forwards, without TLS; a route with a host is better")
    context.draft.note(name, todo)
