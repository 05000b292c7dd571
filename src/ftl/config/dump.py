"""The resolved form of a project, as `ftl config` prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from json import dumps
from typing import TYPE_CHECKING, Any

from ftl.config.variables.interpolation import MASK

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.config.yaml.locations import KeyPath

SSH_PORT = 22


def dump(project: Project, *, show_secrets: bool) -> dict[str, Any]:
    """Convert a project to plain values with the keys of ftl.yaml.

    Defaults are added, short forms expanded, and durations are numbers of seconds. Without `show_secrets` every value
    of env, passwords, tokens, URLs of `notify`, and the values of variables in other places that may contain a secret
    (commands, hooks, build arguments) are masked.
    """
    plain = project.to_dict()
    for server in (plain["server"], *plain.get("servers", ())):
        server["port"] = server["port"] or SSH_PORT
    if project.is_cluster:
        del plain["server"]  # the first of `servers`, for what needs one
        for dependency in plain["dependencies"]:
            dependency["on"] = dependency["on"] or project.servers[0].host
    masked: Mapping[KeyPath, str] = {} if show_secrets else project.masked
    shown: dict[str, Any] = _shown(plain, (), masked)
    if not show_secrets:
        for item in (*shown["services"], *shown["dependencies"]):
            item["env"] = dict.fromkeys(item["env"], MASK)
        for notification in shown["notify"]:
            notification["url"] = MASK
        for registry in shown["registries"]:
            registry |= {name: MASK for name in ("password", "token") if registry[name] is not None}
    return shown


def sensitive_values(project: Project) -> Iterator[str]:
    """Values of variables in places that may contain a secret, and of secrets that were fetched."""
    yield from project.secret_values.values()
    plain: Any = project.to_dict()
    for path in project.masked:
        value = plain
        for step in path:
            value = value[step]
        if isinstance(value, str):
            yield value


def origins(project: Project) -> dict[str, str]:
    """Places of the values that files and options give: `services.0.port` -> `ftl.yaml:7`."""
    places = {
        ".".join(map(str, path)): location.origin
        for path, location in project.locations.by_path.items()
        if path
    }
    return {path: place for path, place in places.items() if place}


def origin_lines(config: Any, places: Any) -> Iterator[str]:
    """Text for `ftl config --origin`: a line for each value that is given or has a default."""
    rows = [(places.get(path, "default"), path, value) for path, value in _leaves(config, "")]
    width = max(len(place) for place, _, _ in rows)
    yield from (f"{place:<{width}}  {path}: {_one_line(value)}" for place, path, value in rows)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Dotted path and value of everything that is no map or list, and not empty."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    elif value is not None:
        yield path, value
    for name, item in items:
        yield from _leaves(item, f"{path}.{name}" if path else str(name))


def _one_line(value: object) -> str:
    text = value if isinstance(value, str) else dumps(value)
    return dumps(text, ensure_ascii=False) if isinstance(value, str) and not text.isprintable() else text


def _shown(value: Any, path: KeyPath, masked: Mapping[KeyPath, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _shown(item, (*path, name), masked) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_shown(item, (*path, index), masked) for index, item in enumerate(value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return masked.get(path, value)
