"""Several hosts of Kamal: `servers` with the roles, and `on` of what runs there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.models.server import WEB
from ftl.config.values import addresses
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover.kamal.machines.addresses import hosts_of
from ftl.onboarding.takeover.nodes import entries, is_valid, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion


def write_servers(kamal: KamalConversion) -> None:
    """Write several hosts as `servers`, with one container on each host of a role, as in Kamal.

    What cannot be on several is a thing to do, and the first host is written alone.
    """
    hosts = {service_name(role): _hosts(kamal, node) for role, node in kamal.roles.items()}
    every = [*dict.fromkeys(host for given in hosts.values() for host in given)]
    if len(every) < 2:
        return
    listed = kamal.root.get("servers")
    if obstacle := _obstacle(kamal, hosts, every):
        written = ", ".join(
            f"{{host: {host}, roles: [{', '.join(_roles(kamal, hosts, host))}]}}" for host in every
        )
        todo = f"only {every[0]} is written, since {obstacle}: for all, write `servers: [{written}]` in place of "
        todo += "`server`, and `on: ROLE` of the services"
        kamal.add("servers", Verdict.NEEDS_YOU, todo, listed)
        return
    of_all = {key: value for key, value in kamal.draft.server.items() if key != "host"}
    kamal.draft.server = {}
    kamal.draft.servers = [{"host": host, "roles": _roles(kamal, hosts, host), **of_all} for host in every]
    for role, given in hosts.items():
        kamal.draft.services[role]["on"] = role
        if len(given) > 1:
            kamal.draft.services[role]["replicas"] = len(given)
    for key, node in entries(kamal.root.get("accessories")).items():
        _place(kamal, key, entries(node), hosts)
    todo = "`servers`, and `on` of the services: `ftl setup` makes one cluster of them. Where they have a private "
    todo += "network, write `private_address` of each"
    kamal.add("servers", Verdict.NEEDS_YOU, todo, listed)


def _hosts(kamal: KamalConversion, node: Node) -> list[str]:
    return [host for host in dict.fromkeys(map(kamal.texts.convert, hosts_of(node))) if host]


def _roles(kamal: KamalConversion, hosts: Mapping[str, list[str]], host: str) -> list[str]:
    """Roles of a host; where requests arrive, one is `web`."""
    roles = [role for role, given in hosts.items() if host in given]
    is_public = any("routes" in kamal.draft.services[role] for role in roles)
    return [WEB, *roles] if is_public and WEB not in roles else roles


def _obstacle(kamal: KamalConversion, hosts: Mapping[str, list[str]], every: list[str]) -> str:
    """The reason why not all hosts can be written; empty without one."""
    if unknown := [host for host in every if not is_valid(addresses.ssh_host, host)]:
        return f"{unknown[0]} has a value that is not known here"
    places: dict[str, set[str]] = {}
    for role, given in hosts.items():
        keys = kamal.draft.services[role]
        for source in _sources(keys.get("volumes")):
            places.setdefault(source, set()).update(given)
        if keys.get("forwards") and len(given) > 1:
            return f"{role} has ports of the server"
    shared = next((source for source, found in places.items() if len(found) > 1), "")
    return f"the volume {shared} can be on one server alone" if shared else ""


def _sources(volumes: object) -> list[str]:
    """Names of volumes; paths of the server are on each."""
    given = volumes if isinstance(volumes, list) else []
    return [source for item in given if not (source := str(item).partition(":")[0]).startswith("/")]


def _place(
    kamal: KamalConversion, key: str, options: Mapping[str, Node], hosts: Mapping[str, list[str]]
) -> None:
    """Write where an accessory is: its host, or the first one of its roles."""
    name = service_name(key)
    named = [kamal.text(item) for option in ("host", "hosts") for item in items(options.get(option))]
    for option in ("role", "roles"):
        for item in items(options.get(option)):
            named += hosts.get(service_name(text(item)), [])
    keys = kamal.draft.dependencies.get(name) or kamal.draft.services.get(name)
    if not named or keys is None:
        return
    keys["on"] = named[0]
    known = [str(server["host"]) for server in kamal.draft.servers]
    if named[0] not in known:
        kamal.draft.servers.append({"host": named[0], "roles": [name], **_access(kamal)})
    if len(dict.fromkeys(named)) > 1:
        todo = f"one of it runs, on {named[0]}: Kamal runs one on each of {', '.join(dict.fromkeys(named))}"
        kamal.add(f"accessories.{key}.hosts", Verdict.NEEDS_YOU, todo)
        kamal.draft.note(name, todo)


def _access(kamal: KamalConversion) -> dict[str, object]:
    return {key: value for key, value in kamal.draft.servers[0].items() if key not in ("host", "roles")}
