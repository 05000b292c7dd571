"""Health check of a Compose service."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.config.values import addresses
from ftl.config.yaml.tree import MappingNode
from ftl.dataclass import dataclass
from ftl.onboarding.takeover.nodes import entries, is_valid, items, text
from ftl.onboarding.takeover.patience import seconds, waiting

if TYPE_CHECKING:
    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ComposeConversion

_LOCAL_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\$\{?HOSTNAME\}?)(?::(\d+))?(/[^\s'\"|;&)]*)?"
)

_INTERVAL, _RETRIES = 30.0, 3
"""Compose's defaults; the interval in seconds."""


@dataclass(frozen=True, slots=True)
class ComposeHealthCheck:
    """A health check: a path where it only requests one, else the command."""

    command: str | tuple[str, ...] | None = None
    path: str | None = None
    port: int | None = None
    disabled: bool = False


_READY = re.compile(r"\s*(?:/usr/(?:local/)?bin/)?pg_isready\b")
_TAIL = re.compile(r"\s*\|\|\s*exit\s+1\s*$")
_OF_A_SHELL = re.compile(r"[|&;<>()$`*?~#\n\\]")


def parse_check(node: Node | None) -> ComposeHealthCheck:
    """The test of a health check."""
    disabled = text(entries(node).get("disable")) == "true"
    test = entries(node).get("test")
    words = [text(item) for item in items(test)]
    if disabled or words[:1] == ["NONE"]:
        return ComposeHealthCheck(disabled=True)
    if not words:
        return ComposeHealthCheck()
    if not isinstance(test, MappingNode) and len(words) == 1 and words[0] not in ("CMD", "CMD-SHELL"):
        command: str | tuple[str, ...] = words[0]
    elif words[0] == "CMD-SHELL":
        command = " ".join(words[1:])
    else:
        command = tuple(words[1:]) if words[0] == "CMD" else tuple(words)
    line = command if isinstance(command, str) else " ".join(command)
    url = _LOCAL_URL.search(line)
    simple = re.match(r"\s*(?:curl|wget|/usr/bin/curl)\b", line) and not re.search(
        r"\|(?!\|)|&&|grep|--header|-H ", line
    )
    if url and simple:
        return ComposeHealthCheck(command, url[2] or "/", int(url[1]) if url[1] else None)
    return ComposeHealthCheck(command)


def _times(conversion: ComposeConversion, node: Node) -> dict[str, object]:
    """Times that a container may take: FTL asks more often than Compose, and so more times."""
    written = {name: conversion.resolve(text(value)) for name, value in entries(node).items()}
    kept: dict[str, object] = {
        name: written[name] for name in ("timeout", "start_period") if seconds(written.get(name, ""))
    }
    if not written.keys() & {"interval", "retries"}:
        return kept
    retries = int(written["retries"]) if written.get("retries", "").isdecimal() else _RETRIES
    return {**kept, **waiting((seconds(written.get("interval", "")) or _INTERVAL) * retries)}


def healthcheck(conversion: ComposeConversion, key: str, node: Node) -> None:
    """A health check: a path that FTL requests over the network, or a command in the container."""
    check = parse_check(node)
    if check.disabled:
        conversion.left_out(key, "it is disabled: the port must accept a connection")
        return
    if check.command is None:
        conversion.left_out(key, "it has no test")
        return
    port = conversion.keys.get("port")
    usable = check.path is not None and is_valid(addresses.probe_path, check.path)
    if usable and "protocol" not in conversion.keys and port is not None and check.port in (None, port):
        times = _times(conversion, node)
        conversion.keys["health_check"] = {"path": check.path, **times}
        named = "".join(f", {name}" for name in times)
        how = f"health_check.path{named}: a request over the network, each second until it passes"
        conversion.changed(key, how)
        return
    command = _without_shell(conversion, check.command)
    is_reaped = isinstance(command, str) and conversion.kind in _POSTGRES
    section: dict[str, object] = {
        "cmd": conversion.convert(command)
        if isinstance(command, str)
        else tuple(map(conversion.convert, command))
    }
    for name in ("interval", "timeout", "retries", "start_period"):
        written = conversion.resolve(text(entries(node).get(name)))
        if written and written not in ("0", "0s"):
            section[name] = written
    if "start_interval" in entries(node):
        conversion.left_out(f"{key}.start_interval", "FTL has none: the first check runs after `interval`")
    conversion.keys["container"] = conversion.mapping("container") | {"health_check": section}
    how = "container.health_check"
    if is_reaped:
        conversion.keys["init"] = True
        how += ", with `init: true`: without it, PostgreSQL takes a shell that was stopped for a crash"
    elif command is not check.command:
        how += ", without a shell: PostgreSQL takes one that was stopped for a crash"
    conversion.changed(key, how)


_POSTGRES = frozenset({"postgres", "postgis", "pgvector", "timescaledb", "timescaledb-ha"})


def _without_shell(conversion: ComposeConversion, command: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """A line with pg_isready as its words, where a shell adds nothing to them."""
    if not isinstance(command, str) or not _READY.match(command) or conversion.kind not in _POSTGRES:
        return command
    line = _TAIL.sub("", command)
    try:
        words = tuple(shlex.split(line))
    except ValueError:
        return command
    plain = conversion.resolve(line).replace("$$", "$")
    return command if _OF_A_SHELL.search(plain) or len(shlex.split(plain)) != len(words) else words
