"""Network, privileges and devices of a Compose service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.read.compose_keys import SERVICE
from ftl.onboarding.takeover.nodes import entries, items, text

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion


def network_mode(conversion: ComposeConversion, key: str, node: Node) -> None:
    """The network: each project has a private one."""
    mode = conversion.resolve(text(node))
    own = "each container has its own network, so that two releases can run side by side"
    if mode in ("bridge", "default"):
        conversion.left_out(key, "each project has one private network")
    elif mode == "host":
        todo = "publish its ports with `forwards`, and reach the server as `host-gateway` of `extra_hosts`"
        conversion.todo(key, f"FTL has none: {own}; {todo}")
    elif mode == "none":
        conversion.todo(key, "FTL has none: each container is in the project's network")
    else:
        todo = "let the app use the other one as a proxy, or run both in one container"
        conversion.todo(key, f"FTL has none: {own}; {todo}")


def privileged(conversion: ComposeConversion, key: str, node: Node) -> None:
    """All privileges, which FTL gives to no container."""
    if conversion.resolve(text(node)) == "false":
        conversion.left_out(key, "it is the default")
    elif conversion.kind == "docker":
        todo = (
            "mount the server's engine, `/var/run/docker.sock:/var/run/docker.sock`, or use another machine"
        )
        conversion.todo(key, f"FTL has none, so Docker in Docker cannot run: {todo}")
    else:
        conversion.add_hint(key, SERVICE[key].hint)


def devices(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Device files of the server, in both forms."""
    kept: list[str] = []
    for index, item in enumerate(items(node)):
        long = entries(item)
        parts = (long.get("source"), long.get("target"), long.get("permissions"))
        device = ":".join(filter(None, map(conversion.text, parts))) or conversion.text(item)
        if device.startswith(("/", "$")):
            kept.append(device)
        else:
            todo = f"{device} is not a device file: write its files, like /dev/nvidia0"
            conversion.todo(f"{key}[{index}]", todo, item)
    if kept:
        conversion.keys[key] = kept
        conversion.taken(key)
