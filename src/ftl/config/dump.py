"""The resolved form of a project, as `ftl config` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ftl.config.variables import MASK

if TYPE_CHECKING:
    from ftl.config.models.project import Project

SSH_PORT = 22


def dump(project: Project, *, show_secrets: bool) -> dict[str, Any]:
    """A project as plain values with the file's key names: defaults filled in, short forms expanded.

    Durations are numbers of seconds.

    Args:
        project: What `load` returned.
        show_secrets: False masks every value of env, passwords and tokens and, in other places that may hold a
            secret (commands, hooks, build arguments), what came from variables.
    """
    plain = project.to_dict()
    plain["server"]["port"] = project.server.port or SSH_PORT
    masked: Mapping[str, str] = {} if show_secrets else project.masked
    shown: dict[str, Any] = _shown(plain, (), masked)
    if not show_secrets:
        for item in (*shown["services"], *shown["dependencies"]):
            item["env"] = dict.fromkeys(item["env"], MASK)
        for registry in shown["registries"]:
            registry |= {name: MASK for name in ("password", "token") if registry[name] is not None}
    return shown


def _shown(value: Any, way: tuple[str, ...], masked: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _shown(one, (*way, name), masked) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shown(one, (*way, str(index)), masked) for index, one in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return masked.get(".".join(way), value)
