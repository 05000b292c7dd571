"""/etc/docker/daemon.json: FTL's recommended settings, merged with those on the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftl.common.json_fields import parse_json
from ftl.common.next_step import ftl
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/etc/docker/daemon.json"

# Without limits a container's log grows until the disk is full.
_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}
_LOG_DRIVER = "json-file"

_INSECURE = "--insecure-registry"

LIVE_RESTORE = "live-restore"

_TOPICS = {
    "log rotation": ("log-driver", "log-opts"),
    LIVE_RESTORE: ("live-restore",),
    "insecure registries": ("insecure-registries",),
}


def merged(
    content: bytes | None,
    arguments: Sequence[str] = (),
    *,
    swarm: bool = False,
    cluster: bool = False,
    insecure: Sequence[str] = (),
    name: str,
) -> bytes | None:
    """The desired file; settings on the server win over FTL's. None where nothing is missing.

    Args:
        content: The file on the server; None: there is none.
        arguments: The running engine's command line: an engine does not start when a setting is in both.
        swarm: Whether the engine is in a swarm, where it does not start with live-restore.
        cluster: Whether it is to join one: live-restore, which an earlier setup may have enabled, is disabled.
        insecure: The insecure registries of ftl.yaml.
        name: The server, for messages.

    Raises:
        FtlError: The file on the server is not a JSON object.
    """
    settings = _parsed(content, name)
    before = json.dumps(settings)
    flags = _flags(arguments)
    if cluster and settings.get("live-restore") is True:
        settings["live-restore"] = False
    if not swarm and "--live-restore" not in flags:
        settings.setdefault("live-restore", True)
    if not flags & {"--log-driver", "--log-opt"} and settings.get("log-driver", _LOG_DRIVER) == _LOG_DRIVER:
        settings.setdefault("log-driver", _LOG_DRIVER)
        options = settings.setdefault("log-opts", {})
        if isinstance(options, dict):
            for key, value in _LOG_OPTIONS.items():
                options.setdefault(key, value)
    registries = settings.get("insecure-registries", [])
    if insecure and _INSECURE not in flags and isinstance(registries, list):
        added = [registry for registry in insecure if registry not in registries]
        settings |= {"insecure-registries": [*registries, *added]} if added else {}
    if json.dumps(settings) == before:
        return None
    return (json.dumps(settings, indent=2) + "\n").encode()


def changed_topics(before: bytes | None, after: bytes) -> tuple[str, ...]:
    """The changed topics: "log rotation", "live-restore", "insecure registries"."""
    old, new = (parse_json(content) if content and content.strip() else {} for content in (before, after))
    return tuple(
        topic for topic, keys in _TOPICS.items() if any(old.get(key) != new.get(key) for key in keys)
    )


def missing_from_arguments(arguments: Sequence[str], insecure: Sequence[str]) -> tuple[str, ...]:
    """The registries that daemon.json cannot list: the engine's command line lists others."""
    if _INSECURE not in _flags(arguments):
        return ()
    listed = {argument.removeprefix(f"{_INSECURE}=") for argument in arguments}
    return tuple(registry for registry in insecure if registry not in listed)


def has_live_restore(content: bytes) -> bool:
    """Whether a merged file enables live-restore."""
    return parse_json(content).get("live-restore") is True


def _flags(arguments: Sequence[str]) -> set[str]:
    return {argument.partition("=")[0] for argument in arguments}


def _parsed(content: bytes | None, name: str) -> dict[str, Any]:
    hint = f"correct it (Docker does not start with it either), then run {ftl('setup')} again"
    try:
        settings = parse_json(content) if content is not None and content.strip() else {}
    except ValueError as error:
        raise FtlError(
            f"{PATH} on {name} is not JSON; it was not changed", cause=str(error), hint=hint
        ) from None
    if not isinstance(settings, dict):
        raise FtlError(f"{PATH} on {name} is not a JSON object; it was not changed", hint=hint)
    return settings
