"""Keys of Kamal about containers: of a role, of an accessory, and options of Docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.read.compose_keys import SERVICE
from ftl.onboarding.names import service_name
from ftl.onboarding.takeover.draft import add_items
from ftl.onboarding.takeover.kamal.volumes import parted, volumes_of
from ftl.onboarding.takeover.nodes import entries, items
from ftl.onboarding.takeover.report import Verdict, by_hint

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_LIMITS = {"memory": "memory", "cpus": "cpus", "pids-limit": "pids"}
_SAME_OPTIONS = {
    "user": "user",
    "workdir": "working_dir",
    "shm-size": "shm_size",
    "stop-signal": "stop_signal",
    "stop-timeout": "stop_timeout",
    "restart": "restart",
    "init": "init",
    "read-only": "read_only",
}


_LISTS = {
    "add-host": "extra_hosts",
    "cap-add": "cap_add",
    "cap-drop": "cap_drop",
    "device": "devices",
    "tmpfs": "tmpfs",
}


_HEALTH = {
    "health-cmd": "cmd",
    "health-interval": "interval",
    "health-timeout": "timeout",
    "health-retries": "retries",
    "health-start-period": "start_period",
}
_NAMES_IN_COMPOSE = {
    "net": "network_mode",
    "network": "network_mode",
    "network-alias": "networks",
    "cpuset-cpus": "cpuset",
    "memory-reservation": "mem_reservation",
    "memory-swap": "memswap_limit",
    "memory-swappiness": "mem_swappiness",
    "userns": "userns_mode",
    "link": "links",
}
_HOST_NETWORK = (
    "FTL has none: publish its ports with `forwards`, and reach the server as `host-gateway` of `extra_hosts`"
)


def convert_option(kamal: KamalConversion, keys: dict[str, object], path: str, name: str, node: Node) -> None:
    """A key of a role or an accessory that is about its containers."""
    match name:
        case "labels" | "logging":
            keys[name] = kamal.plain(node)
            kamal.add(f"{path}.{name}", Verdict.TAKEN, node=node)
        case "stop_timeout" | "stop_wait_time":
            keys["stop_timeout"] = kamal.text(node)
            kamal.add(f"{path}.{name}", Verdict.CHANGED, "stop_timeout", node)
        case "asset_path":
            report_assets(kamal, path.rpartition(".")[2], f"{path}.{name}", node)
        case "options":
            docker_options(kamal, keys, f"{path}.{name}", node)
        case _:
            todo = "write the same keys of the service, where FTL has them"
            kamal.add(f"{path}.{name}", Verdict.NEEDS_YOU, todo, node)


def report_assets(kamal: KamalConversion, role: str, key: str, node: Node) -> None:
    """Report the fate of old pages, whose assets Kamal kept, and how to keep them here."""
    folder = parted(kamal.text(node))[0].rstrip("/")
    if not folder:
        kamal.add(key, Verdict.LEFT_OUT, "it is empty", node)
        return
    from ftl.onboarding.takeover.kamal.proxies.assets import lines_that_keep

    name = service_name(role)
    gone = "a page from before a deploy gets 404 for an asset that only the old release has, until it is loaded again"
    todo = f"{gone}. To keep them as Kamal did: {lines_that_keep(kamal, folder)} of {name}, or a CDN"
    kamal.add(key, Verdict.NEEDS_YOU, todo, node)
    kamal.draft.note(name, f"{key}: {todo}")


def _add_pairs(keys: dict[str, object], option: str, own: dict[str, str]) -> None:
    """Add labels, or limits of processes: `nofile=SOFT:HARD`."""
    if option == "label":
        given = keys.get("labels")
        keys["labels"] = {**(given if isinstance(given, dict) else {}), **own}
        return
    limits: dict[str, object] = {}
    for name, value in own.items():
        soft, colon, hard = value.partition(":")
        limits[name] = {"soft": soft, "hard": hard} if colon else value
    container = keys.get("container")
    keys["container"] = {**(container if isinstance(container, dict) else {}), "ulimits": limits}


def docker_options(kamal: KamalConversion, keys: dict[str, object], path: str, node: Node) -> None:
    """Options of `docker run`: those for which ftl.yaml has a key."""
    for name, value in entries(node).items():
        limit = _LIMITS.get(name)
        if limit is not None:
            resources = keys.setdefault("resources", {})
            assert isinstance(resources, dict)
            resources[limit] = kamal.text(value)
            kamal.add(f"{path}.{name}", Verdict.CHANGED, f"resources.{limit}", value)
        elif name in _SAME_OPTIONS:
            keys[_SAME_OPTIONS[name]] = kamal.text(value)
            kamal.add(f"{path}.{name}", Verdict.CHANGED, _SAME_OPTIONS[name], value)
        elif name in _LISTS:
            keys[_LISTS[name]] = [kamal.text(item) for item in items(value)]
            kamal.add(f"{path}.{name}", Verdict.CHANGED, _LISTS[name], value)
        elif name in ("label", "ulimit"):
            pairs = (kamal.text(item).partition("=") for item in items(value))
            own = {key: part for key, _, part in pairs}
            _add_pairs(keys, name, own)
            kamal.add(
                f"{path}.{name}",
                Verdict.CHANGED,
                "labels" if name == "label" else "container.ulimits",
                value,
            )
        elif name == "volume":
            add_items(keys, "volumes", *volumes_of(kamal, f"{path}.volume", value))
        elif name in ("publish", "env-file") and not path.startswith("accessories."):
            own_key = "forwards" if name == "publish" else "env_file"
            keys[own_key] = [kamal.text(item) for item in items(value)]
            how = "forwards: 80 and 443 are the proxy's" if name == "publish" else "env_file, of this machine"
            kamal.add(f"{path}.{name}", Verdict.CHANGED, how, value)
        elif name in _HEALTH:
            given = keys.get("container")
            container = given if isinstance(given, dict) else {}
            check = {**container.get("health_check", {}), _HEALTH[name]: kamal.text(value)}
            keys["container"] = {**container, "health_check": check}
            kamal.add(f"{path}.{name}", Verdict.CHANGED, f"container.health_check.{_HEALTH[name]}", value)
        else:
            kamal.add(f"{path}.{name}", *_answer(name, kamal.text(value)), value)


def _answer(name: str, value: str) -> tuple[Verdict, str]:
    """Verdict on an option that FTL has not: that on Compose's key of the same meaning."""
    key = _NAMES_IN_COMPOSE.get(name, name.replace("-", "_"))
    if key == "network_mode" and value == "host":
        return Verdict.NEEDS_YOU, _HOST_NETWORK
    hint = SERVICE[key].hint if key in SERVICE else ""
    return by_hint(hint or f"write the key of the service for `docker run --{name}`, where FTL has one")
