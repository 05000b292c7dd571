"""Kamal's servers: a service for each role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import SequenceNode
from ftl.onboarding.names import service_name
from ftl.onboarding.periodic import is_periodic
from ftl.onboarding.takeover.kamal.machines.addresses import hosts_of
from ftl.onboarding.takeover.kamal.machines.cron_roles import convert_cron_role
from ftl.onboarding.takeover.kamal.machines.crontabs import crontabs_of
from ftl.onboarding.takeover.kamal.options import convert_option
from ftl.onboarding.takeover.kamal.proxies.proxy import convert_proxies
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion
    from ftl.onboarding.takeover.schedules.crontab import CrontabFile

_OWN = ("hosts", "cmd", "env", "proxy")


def convert_roles(
    kamal: KamalConversion, build: dict[str, object], env: dict[str, object], volumes: list[str]
) -> None:
    """Convert the roles; the primary one has the proxy of the whole file."""
    node = kamal.root.get("servers")
    roles: dict[str, Node] = entries(node) or {"web": kamal.root}
    if isinstance(node, SequenceNode):
        roles = {"web": node}
    named = text(kamal.root.get("primary_role"))
    kamal.primary = named if named in roles else "web" if "web" in roles else next(iter(roles))
    crontabs = {
        role: found
        for role, value in roles.items()
        if value is not kamal.root and role != kamal.primary and (found := _crontabs(kamal, value, build))
    }
    kamal.roles = {role: value for role, value in roles.items() if role not in crontabs}
    hosts = [host for value in kamal.roles.values() for host in hosts_of(value)]
    if first := next(filter(None, hosts), ""):
        kamal.draft.server["host"] = kamal.texts.convert(first)
    for role, value in kamal.roles.items():
        _convert_role(kamal, role, value, build, env, volumes)
    own_proxies = {
        role: entries(value).get("proxy") if value is not kamal.root else None
        for role, value in kamal.roles.items()
    }
    convert_proxies(kamal, own_proxies, kamal.primary)
    for role, value in kamal.roles.items():
        _one_clock(kamal, role, value)
    for role, found in crontabs.items():
        convert_cron_role(kamal, role, roles[role], found)


def _crontabs(kamal: KamalConversion, node: Node, build: Mapping[str, object]) -> tuple[CrontabFile, ...]:
    command = entries(node).get("cmd")
    words = [kamal.texts.resolve(text(item)) for item in items(command)]
    return crontabs_of(words if isinstance(command, SequenceNode) else "".join(words), kamal.base, build)


def _convert_role(
    kamal: KamalConversion,
    role: str,
    node: Node,
    build: dict[str, object],
    env: dict[str, object],
    volumes: list[str],
) -> None:
    options = entries(node) if node is not kamal.root else {}
    keys: dict[str, object] = {"build": build if len(build) > 1 else build["context"]}
    if options.get("cmd") is not None:
        keys["command"] = kamal.command(options["cmd"])
    own = options.get("env")
    together = {**env, **kamal.env(own, f"servers.{role}.env")} if own is not None else env
    if together:
        keys["env"] = together
    if volumes:
        keys["volumes"] = volumes
    kamal.draft.services[service_name(role)] = keys
    kamal.add(f"servers.{role}", Verdict.CHANGED, f"the service {service_name(role)}", node)
    for name in options:
        if name not in _OWN:
            convert_option(kamal, keys, f"servers.{role}", name, options[name])


def _one_clock(kamal: KamalConversion, role: str, node: Node) -> None:
    """Let a process that starts work by the clock stop before its successor starts: two would start it twice."""
    name = service_name(role)
    keys = kamal.draft.services[name]
    given = keys.get("command", "")
    if "port" in keys or not is_periodic(role, given if isinstance(given, (str, tuple)) else ""):
        return
    keys["recreate"] = True
    what = f"the service {name}, with recreate: true: never two of it. Better: its lines as `jobs` of the project, "
    what += "which the server's cron starts in the live release"
    kamal.add(f"servers.{role}", Verdict.CHANGED, what, node)
