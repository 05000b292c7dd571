"""Addresses of Kamal's accessories in the app's environment, written as host names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import SequenceNode
from ftl.databases import IMAGE_PORTS
from ftl.dataclass import dataclass
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.addresses.hosts import replace_host
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion


@dataclass(frozen=True, slots=True)
class _Place:
    """An accessory at an address: the port that is published there, and the container's."""

    key: str
    name: str
    kind: str
    published: int | None
    port: int | None

    def is_named_by(self, variable: str) -> bool:
        """Whether a variable's name has the accessory's, or its image's."""
        return any(word.upper() in variable.upper() for word in (self.key, self.kind) if word)


def hosts_of(node: Node | None) -> list[str]:
    """Hosts of a role: a list, one host, or the `hosts` of its keys."""
    options = entries(node)
    listed = options.get("hosts") if options else node
    return [text(item) or next(iter(entries(item)), "") for item in items(listed)]


def write_addresses(kamal: KamalConversion) -> None:
    """Replace addresses of accessories by their names: nothing is published at them here."""
    servers = kamal.root.get("servers")
    roles: dict[str, Node] = {"web": servers} if isinstance(servers, SequenceNode) else entries(servers)
    own = {kamal.texts.resolve(host) for node in roles.values() for host in hosts_of(node)}
    at: dict[str, list[_Place]] = {}
    for key, node in entries(kamal.root.get("accessories")).items():
        for host in hosts_of_accessory(kamal, entries(node), roles):
            at.setdefault(host, []).append(_place(kamal, key, entries(node)))
    for address, places in at.items():
        for name, keys in (*kamal.draft.services.items(), *kamal.draft.dependencies.items()):
            _in_env(kamal, name, keys, address, places, alone=len(places) == 1 and address not in own)


def hosts_of_accessory(
    kamal: KamalConversion, options: dict[str, Node], roles: dict[str, Node]
) -> dict[str, None]:
    """The servers that an accessory is on, by its hosts or its roles."""
    named = [*items(options.get("host")), *items(options.get("hosts"))]
    found = [kamal.texts.resolve(text(item)) for item in named]
    for item in (*items(options.get("role")), *items(options.get("roles"))):
        found += [kamal.texts.resolve(host) for host in hosts_of(roles.get(text(item)))]
    return dict.fromkeys(host for host in found if host)


def _place(kamal: KamalConversion, key: str, options: dict[str, Node]) -> _Place:
    kind = images.kind(kamal.texts.resolve(text(options.get("image"))))
    numbers = [
        int(part) for part in kamal.texts.resolve(text(options.get("port"))).split(":") if part.isdecimal()
    ]
    port = numbers[-1] if numbers else IMAGE_PORTS.get(kind)
    return _Place(key, service_name(key), kind, numbers[-2] if len(numbers) > 1 else port, port)


def _in_env(
    kamal: KamalConversion,
    name: str,
    keys: dict[str, object],
    address: str,
    places: list[_Place],
    *,
    alone: bool,
) -> None:
    """Replace an address in the environment of one service: by its port, its variable's name, or as the only one."""
    env = keys.get("env")
    if not isinstance(env, dict):
        return
    start = rf"(?<![\w.-]){re.escape(address)}"
    pattern = rf"{start}(?![\w.-])"
    before = dict(env)
    for place in places:
        if place.published is not None:
            with_port = rf"{start}:{place.published}(?!\d)"
            env = {
                key: re.sub(with_port, f"{place.name}:{place.port}", str(value)) for key, value in env.items()
            }
    for variable, value in env.items():
        named = next((place for place in places if place.is_named_by(variable)), None)
        if named is not None and value == address:
            env[variable] = named.name
    keys["env"] = env
    if alone:
        replace_host(keys, address, places[0].name)
        env = keys["env"]
        assert isinstance(env, dict)
    for variable, value in env.items():
        row = f"env.{variable}" if name in kamal.draft.services else f"accessories.{name}.env.{variable}"
        node = kamal.root.get("env")
        if value != before[variable]:
            kamal.add(row, Verdict.CHANGED, f"{value}: accessories are reached by their names here", node)
        elif re.search(pattern, str(value)):
            names = " or ".join(place.name for place in places)
            todo = f"{variable} has the address {address}: write {names}, if it is that of the accessory"
            kamal.add(row, Verdict.NEEDS_YOU, todo, node)
            kamal.draft.note(name, f"env: {todo}")
        moved = [place for place in places if place.published != place.port]
        for place in moved if value != before[variable] else ():
            todo = f"its port is {place.port} here, not {place.published}: see that no variable has that one"
            kamal.add(f"accessories.{place.key}.port", Verdict.NEEDS_YOU, todo, kamal.root.get("accessories"))
