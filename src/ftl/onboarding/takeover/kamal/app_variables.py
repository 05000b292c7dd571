"""Variables that Kamal gives its containers, where the app reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.kamal.declared import secrets_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.onboarding.takeover.draft import Draft

_NAMES = re.compile(r"\bKAMAL_(?:VERSION|CONTAINER_NAME|HOST)\b")
_SUFFIXES = (
    ".sh",
    ".erb",
    ".haml",
    ".slim",
    ".rake",
    ".ru",
    ".html",
    ".conf",
    ".toml",
    "Dockerfile",
    "entrypoint",
)
_CONFIGURATION = re.compile(r"(?:config/)?deploy(?:\.[\w.-]+)?\.ya?ml")
_HAS_NO_NAME = (
    "FTL's containers have no such variable: have the app read HOSTNAME, the ID of the container; `ftl logs` names "
    "each by its service, release and number"
)


def variables_read(top: Path) -> dict[str, str]:
    """Kamal's variables in the app's files, with the first place of each.

    Args:
        top: The folder of the app; its own configuration of Kamal does not count.
    """
    found: dict[str, str] = {}
    for file, written in AppFolder(top).texts(_SUFFIXES):
        if "KAMAL_" not in written or _CONFIGURATION.fullmatch(file):
            continue
        for match in _NAMES.finditer(written):
            line = written.count("\n", 0, match.start()) + 1
            found.setdefault(match[0], f"{file}:{line}")
    return found


def give_variables(draft: Draft, read: Mapping[str, str], top: Path) -> None:
    """Give the services of the app's image what FTL knows, and report the rest.

    Args:
        draft: The draft, with its services.
        read: The variables, with a place each.
        top: The folder of the app.
    """
    services = {name: keys for name, keys in draft.services.items() if "build" in keys}
    for name, place in sorted(read.items()):
        if any(name in _env(keys) for keys in services.values()):
            continue
        key, users = f"{name} ({place})", ", ".join(services)
        host = draft.server.get("host")
        if name == "KAMAL_VERSION" and _is_repository(top):
            _give(draft, services, name, f"${{{name}}}")
            draft.top["secrets"] = {**secrets_of(draft), name: {"command": "git rev-parse HEAD"}}
            what = f"env of {users}, by `secrets` with `git rev-parse HEAD`: each commit replaces their containers, "
            draft.report.changed(key, f"{what}as in Kamal; remove it where the app can do without")
        elif name == "KAMAL_VERSION":
            todo = "FTL's containers have no such variable: write it into env, with a value that you change"
            _needs_you(draft, services, key, todo)
        elif name == "KAMAL_HOST" and not draft.servers and isinstance(host, str):
            _give(draft, services, name, host)
            draft.report.changed(key, f"env of {users}: the host of `server`")
        elif name == "KAMAL_HOST":
            _needs_you(draft, services, key, "env is the same on all servers: have the app read HOSTNAME")
        else:
            _needs_you(draft, services, key, _HAS_NO_NAME)


def _give(draft: Draft, services: Mapping[str, dict[str, object]], name: str, value: str) -> None:
    for service in services:
        keys = draft.services[service]
        keys["env"] = {**_env(keys), name: value}


def _needs_you(draft: Draft, services: Mapping[str, object], key: str, todo: str) -> None:
    draft.report.todo(key, todo)
    if services:
        draft.note(next(iter(services)), f"{key}: {todo}")


def _env(keys: Mapping[str, object]) -> dict[str, object]:
    env = keys.get("env")
    return env if isinstance(env, dict) else {}


def _is_repository(top: Path) -> bool:
    return any((folder / ".git").exists() for folder in (top, *top.parents))
