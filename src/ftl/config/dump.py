"""The resolved form of a project, as `ftl config` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftl.config.variables.interpolation import MASK

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.config.yaml.marks import KeyPath

SSH_PORT = 22


def dump(project: Project, *, show_secrets: bool) -> dict[str, Any]:
    """Convert a project to plain values with the keys of ftl.yaml.

    Defaults are added, short forms expanded, and durations are numbers of seconds.

    Args:
        project: The result of `load`.
        show_secrets: False masks every value of env, passwords and tokens, and the values of variables in other
            places that may contain a secret (commands, hooks, build arguments).
    """
    plain = project.to_dict()
    plain["server"]["port"] = project.server.port or SSH_PORT
    masked: Mapping[KeyPath, str] = {} if show_secrets else project.masked
    shown: dict[str, Any] = _shown(plain, (), masked)
    if not show_secrets:
        for item in (*shown["services"], *shown["dependencies"]):
            item["env"] = dict.fromkeys(item["env"], MASK)
        for registry in shown["registries"]:
            registry |= {name: MASK for name in ("password", "token") if registry[name] is not None}
    return shown


def _shown(value: Any, path: KeyPath, masked: Mapping[KeyPath, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _shown(item, (*path, name), masked) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shown(item, (*path, index), masked) for index, item in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return masked.get(path, value)
