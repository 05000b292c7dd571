"""Replicas, limits, privileges and the life of a Compose service's containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.read.compose_keys import DEPLOY_HINTS, SERVICE
from ftl.onboarding.takeover.compose.keys.labels import labels
from ftl.onboarding.takeover.compose.keys.one_time import ENDS
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import UNKNOWN_TO_COMPOSE, Verdict

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion


_LIMITS = {"mem_limit": "memory", "cpus": "cpus", "pids_limit": "pids"}


def deploy(conversion: ComposeConversion, key: str, node: Node) -> None:
    """The section for Swarm, of which Compose reads some keys, too."""
    for name, value in entries(node).items():
        match name:
            case "replicas":
                scale(conversion, f"{key}.replicas", value)
            case "resources":
                _resources(conversion, value)
            case "labels":
                labels(conversion, key, value)
            case _:
                conversion.add_hint(f"{key}.{name}", DEPLOY_HINTS.get(name, UNKNOWN_TO_COMPOSE), value)


def scale(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Number of replicas."""
    written = conversion.resolve(text(node))
    if conversion.is_dependency or written == "1":
        conversion.left_out(key, "there is one container of it")
    elif conversion.keys.get("forwards"):
        conversion.todo(key, "replicas cannot share the server's ports in forwards: choose one of the two")
    elif written.isdecimal():
        conversion.keys["replicas"] = int(written)
        conversion.changed(key, "replicas")
    else:
        conversion.todo(key, f"`{written}` is not a number: write `replicas`")


def _resources(conversion: ComposeConversion, node: Node) -> None:
    for group, value in entries(node).items():
        if group != "limits":
            conversion.left_out(f"deploy.resources.{group}", "FTL has limits only", value)
        if devices := entries(value).get("devices"):
            conversion.add_hint(f"deploy.resources.{group}.devices", SERVICE["gpus"].hint, devices)
    limits = entries(entries(node).get("limits"))
    names = [name for name in _LIMITS.values() if name in limits]
    if names:
        values = {name: conversion.text(limits[name]) for name in names}
        conversion.keys["resources"] = conversion.mapping("resources") | values
        conversion.changed("deploy.resources.limits", "resources")


def limit(conversion: ComposeConversion, key: str, node: Node) -> None:
    """A limit at the level of the other keys, as in version 2 of Compose's format."""
    value = {_LIMITS[key]: conversion.text(node)}
    conversion.keys["resources"] = conversion.mapping("resources") | value
    conversion.changed(key, "resources")


def ulimits(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Limits of processes."""
    conversion.keys["container"] = conversion.mapping("container") | {"ulimits": conversion.plain(node)}
    conversion.changed(key, "container.ulimits")


def stop_grace_period(conversion: ComposeConversion, key: str, node: Node) -> None:
    """Time between the stop signal and SIGKILL."""
    conversion.keys["stop_timeout"] = conversion.text(node)
    conversion.changed(key, "stop_timeout")


def restart(conversion: ComposeConversion, key: str, node: Node) -> None:
    """The restart policy; `always` is the default."""
    written = conversion.resolve(text(node))
    if written in ("always", "unless-stopped", ""):
        is_other = written == "unless-stopped"
        what = (
            "`always` is FTL's default: it starts them also after a crash of the engine" if is_other else ""
        )
        conversion.left_out(key, what or "it is the default")
    else:
        conversion.keys["restart"] = written
        is_once = written == "no" and not conversion.is_dependency
        conversion.add(key, Verdict.NEEDS_YOU if is_once else Verdict.TAKEN, ENDS if is_once else "")


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
