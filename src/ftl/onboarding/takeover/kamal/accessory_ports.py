"""Ports of Kamal's accessories, which it publishes on the server under a fixed number."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.compose.port_forms import parse_ports
from ftl.onboarding.takeover.draft import add_items
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.port_forms import Port
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion


def convert_port(
    kamal: KamalConversion, keys: dict[str, object], name: str, place: str, node: Node, hosts: Iterable[str]
) -> int | None:
    """Report the port, and return the container's, where a dependency can have it.

    Args:
        kamal: The conversion.
        keys: The keys of the service or dependency.
        name: Its name.
        place: The key in Kamal's file.
        node: Its value: `5432`, `5432:5432`, `127.0.0.1:5432:5432`.
        hosts: The servers that it is on: an app with one of these in its env is who uses the port.
    """
    parsed, unread = parse_ports(node, kamal.texts.resolve)
    if not parsed or unread:
        written = next(iter(unread.values()), "")
        todo = f"`{written}` is not a port: write its number in the container as `ports`"
        kamal.add(place, Verdict.NEEDS_YOU, todo, node)
        return None
    first = parsed[0]
    port = first if first.published is not None else replace(first, published=first.target)
    if name in kamal.draft.services:
        _of_service(kamal, keys, place, node, port)
        return None
    if port.protocol != "tcp":
        todo = _as_service(name, port, f"`ports` of a dependency are TCP, and {port.forward} is not")
        kamal.add(place, Verdict.NEEDS_YOU, todo, node)
        kamal.draft.note(name, f"port: {todo}")
        return None
    reached = f"the project reaches it as {name}:{port.target}, you by `ftl tunnels {name}`"
    if port.is_loopback or any(_is_in_env(kamal, host) for host in hosts):
        how = f"ports; {reached}. On 127.0.0.1 of the server it has a free port, no longer {port.published}"
        kamal.add(place, Verdict.CHANGED, how, node)
    else:
        where = f"on {port.address}" if port.address else "on all addresses of the server"
        todo = _as_service(name, port, f"Kamal published port {port.published} {where}; here {reached}")
        kamal.add(place, Verdict.NEEDS_YOU, todo, node)
        kamal.draft.note(name, f"port: {todo}")
    return port.target


def _is_in_env(kamal: KamalConversion, host: str) -> bool:
    envs = [keys.get("env") for keys in kamal.draft.services.values()]
    return any(host in str(value) for env in envs if isinstance(env, dict) for value in env.values())


def _as_service(name: str, port: Port, reason: str) -> str:
    forward = f'forwards: ["{port.forward}"]'
    keys = f"`{forward}` and `recreate: true`"
    return f"{reason}. If another machine uses that port, write {name} as one of the `services`, with {keys}"


def _of_service(kamal: KamalConversion, keys: dict[str, object], place: str, node: Node, port: Port) -> None:
    if port.published in (80, 443):
        what = "the proxy listens there, and sends its requests to the service"
        kamal.add(place, Verdict.CHANGED, what, node)
        return
    add_items(keys, "forwards", port.forward)
    kamal.add(place, Verdict.CHANGED, "forwards", node)
