"""Kamal's accessories as dependencies; those that the proxy serves as services."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingNode
from ftl.databases import IMAGE_PORTS
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover import images
from ftl.onboarding.takeover.compose.keys.text_files import is_text
from ftl.onboarding.takeover.kamal.accessory_ports import convert_port
from ftl.onboarding.takeover.kamal.machines.addresses import hosts_of_accessory
from ftl.onboarding.takeover.kamal.options import convert_option
from ftl.onboarding.takeover.kamal.proxies.proxy import convert_proxy
from ftl.onboarding.takeover.kamal.volumes import parted, volumes_of
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import UNKNOWN_KEY, Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_LEFT_OUT = {
    "service": "its name here is its host name",
    "network": "each project has one private network",
    "registry": "the server pulls it with credentials of `docker login`, or of `registries`",
    **dict.fromkeys(("host", "hosts", "role", "roles", "tag", "tags"), "it runs on the project's server"),
}


def accessories(kamal: KamalConversion) -> None:
    """Convert all accessories."""
    for key, node in entries(kamal.root.get("accessories")).items():
        _accessory(kamal, key, node)


def _accessory(kamal: KamalConversion, key: str, node: Node) -> None:
    name, options = service_name(key), entries(node)
    image = kamal.text(options.get("image"))
    proxy = options.get("proxy")
    keys: dict[str, object] = {"image": image}
    if env := kamal.env(options.get("env"), f"accessories.{key}.env"):
        keys["env"] = env
    if volumes := _volumes(kamal, key, options):
        keys["volumes"] = volumes
    if isinstance(proxy, MappingNode):
        kamal.draft.services[name] = keys
        convert_proxy(kamal, keys, entries(proxy), f"accessories.{key}.proxy")
        kamal.add(f"accessories.{key}.proxy", Verdict.CHANGED, "port, routes and health_check", proxy)
    else:
        kamal.draft.dependencies[name] = keys
    _ports(kamal, keys, name, key, options)
    for option, value in options.items():
        place = f"accessories.{key}.{option}"
        match option:
            case "image" | "env" | "volumes" | "directories" | "proxy" | "port":
                continue
            case "cmd":
                keys["command"] = kamal.command(value)
                kamal.add(place, Verdict.CHANGED, "command", value)
            case "files":
                _files(kamal, keys, name, place, value)
            case "options" | "labels":
                convert_option(kamal, keys, f"accessories.{key}", option, value)
            case _ if option in _LEFT_OUT:
                kamal.add(place, Verdict.LEFT_OUT, _LEFT_OUT[option], value)
            case _:
                kamal.add(place, Verdict.NEEDS_YOU, UNKNOWN_KEY, value)


def _ports(
    kamal: KamalConversion, keys: dict[str, object], name: str, key: str, options: dict[str, Node]
) -> None:
    """Ports of a dependency: the one that Kamal publishes, or that of its image; a service has others."""
    own = None
    if text(node := options.get("port")):
        assert node is not None
        roles = entries(kamal.root.get("servers"))
        hosts = hosts_of_accessory(kamal, options, roles)
        own = convert_port(kamal, keys, name, f"accessories.{key}.port", node, hosts)
    known = own or IMAGE_PORTS.get(images.kind(str(keys["image"])))
    if known and name in kamal.draft.dependencies:
        keys["ports"] = [known]


def _volumes(kamal: KamalConversion, key: str, options: dict[str, Node]) -> list[str]:
    """Volumes, and in place of the folders that Kamal makes in the user's home, volumes."""
    name = service_name(key)
    volumes = volumes_of(kamal, f"accessories.{key}.volumes", options.get("volumes"), name)
    for item in items(options.get("directories")):
        long = entries(item)
        source, _, target = parted(kamal.text(item))
        source, target = kamal.text(long.get("local")) or source, kamal.text(long.get("remote")) or target
        target = parted(target)[0]
        if source.startswith("/"):
            volumes.append(f"{source}:{target}")
            continue
        volume = f"{name}_{re.sub(r'[^a-z0-9]+', '_', source.lower()).strip('_')}"
        volumes.append(f"{volume}:{target}")
        path = f"~/{kamal.draft.name}-{key}/{source}"
        copy = f"docker run --rm -v {path}:/from -v {kamal.project}_{volume}:/to busybox cp -a /from/. /to"
        todo = f"Kamal keeps it in {path} on the server: once it has stopped, copy it there into the volume, `{copy}`"
        kamal.add(f"accessories.{key}.directories", Verdict.NEEDS_YOU, todo, item)
        kamal.draft.note(name, f"directories: {todo}")
    return volumes


def _files(kamal: KamalConversion, keys: dict[str, object], name: str, path: str, node: Node) -> None:
    """Files that Kamal uploads for an accessory: text files become `files`."""
    files: list[dict[str, str]] = []
    for item in items(node) or (node,):
        long = entries(item)
        local, _, remote = parted(kamal.text(item))
        local = kamal.text(long.get("local")) or local
        remote = parted(kamal.text(long.get("remote")) or remote)[0]
        if local.endswith(".erb") or not remote or not is_text(kamal.base / local):
            todo = f"write {local or 'it'} as one of the `files` of {name}, without ERB"
            kamal.add(path, Verdict.NEEDS_YOU, todo, item)
            kamal.draft.note(name, f"files: {todo}")
            continue
        mode, owner = text(long.get("mode")), text(long.get("owner"))
        how = {"mode": mode} if re.fullmatch(r"0?[0-7]{3}", mode) else {}
        how |= {"owner": owner} if re.fullmatch(r"\d+:\d+", owner) else {}
        files.append({"path": remote, "source": local, **how})
        named = owner and "owner" not in how
        todo = f"files: write the numbers of {owner} as `owner`"
        kamal.add(path, Verdict.NEEDS_YOU if named else Verdict.CHANGED, todo if named else "files", item)
    if files:
        keys["files"] = files
