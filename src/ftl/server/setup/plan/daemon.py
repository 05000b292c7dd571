"""/etc/docker/daemon.json: what FTL would like in it, merged with what is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH = "/etc/docker/daemon.json"

# A container's log grows until the disk is full unless somebody says otherwise.
_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}
_LOG_DRIVER = "json-file"

_INSECURE = "--insecure-registry"

_WORDS = {
    "log rotation": ("log-driver", "log-opts"),
    "live-restore": ("live-restore",),
    "insecure registries": ("insecure-registries",),
}


def merged(
    content: bytes | None,
    arguments: Sequence[str] = (),
    *,
    swarm: bool = False,
    insecure: Sequence[str] = (),
    name: str,
) -> bytes | None:
    """The file as it should be; what is in it wins over what FTL would like.

    Args:
        content: The file; None: there is none.
        arguments: The running engine's command line: an engine does not start when a setting is in both.
        swarm: Whether it is in a swarm, where live-restore keeps it from starting.
        insecure: The registries that ftl.yaml names so.
        name: The server, for messages.

    Returns:
        None where nothing is missing.

    Raises:
        FtlError: What is there is not a JSON object.
    """
    settings = _parsed(content, name)
    before = json.dumps(settings)
    flags = _flags(arguments)
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
        added = [one for one in insecure if one not in registries]
        settings |= {"insecure-registries": [*registries, *added]} if added else {}
    if json.dumps(settings) == before:
        return None
    return (json.dumps(settings, indent=2) + "\n").encode()


def changed(before: bytes | None, after: bytes) -> tuple[str, ...]:
    """What `merged` changed, in words: "log rotation", "live-restore", "insecure registries"."""
    old, new = (json.loads(one) if one and one.strip() else {} for one in (before, after))
    return tuple(words for words, keys in _WORDS.items() if any(old.get(key) != new.get(key) for key in keys))


def unheard(arguments: Sequence[str], insecure: Sequence[str]) -> tuple[str, ...]:
    """The registries that daemon.json cannot name, because the engine's command line names some, and not these."""
    if _INSECURE not in _flags(arguments):
        return ()
    named = {argument.removeprefix(f"{_INSECURE}=") for argument in arguments}
    return tuple(one for one in insecure if one not in named)


def _flags(arguments: Sequence[str]) -> set[str]:
    return {argument.partition("=")[0] for argument in arguments}


def has_live_restore(content: bytes) -> bool:
    """Whether a file that was merged turns live-restore on."""
    return json.loads(content).get("live-restore") is True


def _parsed(content: bytes | None, name: str) -> dict[str, Any]:
    try:
        settings = json.loads(content) if content is not None and content.strip() else {}
    except ValueError as error:
        raise FtlError(
            f"{PATH} on {name} is not JSON, and is left as it is", cause=str(error), hint=_CORRECT
        ) from None
    if not isinstance(settings, dict):
        raise FtlError(f"{PATH} on {name} is no JSON object, and is left as it is", hint=_CORRECT)
    return settings


_CORRECT = "correct it (Docker would not start with it either), then run `ftl setup` again"
