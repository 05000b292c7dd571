"""URLs of this machine in the environment: the public address in place of a published port."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.compose.port_forms import parse_ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.config.yaml.tree import MappingNode
    from ftl.onboarding.takeover.compose.conversion import ConversionContext
    from ftl.onboarding.takeover.compose.port_forms import Port

_URL = re.compile(r"\b(?:https?|wss?)://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::(\d+))?(?![\w.:-])")


_LISTENED = re.compile(r"LISTEN|(?:^|_)BIND(?:$|_)|^ASPNETCORE_URLS$|^OLLAMA_HOST$")
"""Variables with an address that the program itself listens on."""


def write_urls(context: ConversionContext, services: Mapping[str, MappingNode]) -> None:
    """Replace URLs of ports on this machine: on a server they lead to the container itself."""
    published = dict(_published(context, services))
    draft = context.draft
    for key, name in context.names.items():
        keys = draft.services.get(name) or draft.dependencies.get(name)
        for place, values in _values(keys) if keys is not None else ():
            for variable, value in list(values.items()):
                if _LISTENED.search(variable) and "ADVERTISED" not in variable:
                    continue
                values[variable] = _converted(context, published, key, f"{place}: {variable}", str(value))


def _published(
    context: ConversionContext, services: Mapping[str, MappingNode]
) -> Iterator[tuple[int, tuple[str, Port]]]:
    for key, node in services.items():
        for port in parse_ports(node.get("ports"), context.texts.resolve)[0]:
            if port.published is not None and port.protocol == "tcp":
                yield port.published, (key, port)


def _values(keys: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Mappings of variables, by where they are in Compose."""
    build = keys.get("build")
    for place, values in (
        ("environment", keys.get("env")),
        ("build.args", build.get("args") if isinstance(build, dict) else None),
    ):
        if isinstance(values, dict):
            yield place, values


def _converted(
    context: ConversionContext, published: Mapping[int, tuple[str, Port]], key: str, place: str, value: str
) -> str:
    """A value with the project's domain for the URLs of the public service; others need the user."""
    draft = context.draft
    row = f"services.{key}.{place}"

    def public(match: re.Match[str]) -> str:
        number = int(match[1] or (443 if match[0].startswith(("https", "wss")) else 80))
        if number not in published:
            return match[0]
        user, port = published[number]
        host = _host(context, user)
        secure = "wss" if match[0].startswith("ws") else "https"
        if host is not None and draft.domain:
            what = f"{secure}://{host}, the public address of {user}"
            draft.report.changed(row, what, context.places.get(key))
            return f"{secure}://{host}"
        inner = f"http://{context.names[user]}:{port.target} for containers" if user in context.names else ""
        where = f"its public address ({secure}://...) for browsers" + (f", {inner}" if inner else "")
        todo = f"{match[0]} leads to the container itself on a server: write {where}"
        draft.report.todo(row, todo, context.places.get(key))
        draft.note(context.names[key], f"{place}: {todo}")
        return match[0]

    return _URL.sub(public, value)


def _host(context: ConversionContext, key: str) -> str | None:
    """The host at which a service has all paths."""
    keys = context.draft.services.get(context.names.get(key, ""), {})
    routes = keys.get("routes")
    for route in routes if isinstance(routes, list) else ():
        if route.get("path") == "/":
            return str(route.get("host") or context.draft.domain or "")
    return None
