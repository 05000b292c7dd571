"""Host names that only Compose's containers have, written as names of services."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.takeover.nodes import entries, items, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.config.yaml.tree import Node
    from ftl.onboarding.takeover.compose.conversion import ConversionContext

_FOR_HOSTS = re.compile(r"HOST|URL|URI|ADDR|SERVER|ENDPOINT|BROKER|NODES|UPSTREAM|DSN", re.IGNORECASE)
"""Variables whose values have host names without a port, too."""


def write_hosts(context: ConversionContext, services: Mapping[str, Node]) -> None:
    """Replace names that only Compose's containers have: `container_name`, `hostname`, aliases."""
    others = _other_names(context, services)
    draft = context.draft
    for key, name in context.names.items():
        keys = draft.services.get(name) or draft.dependencies.get(name)
        if keys is None:
            continue
        for host, own in others.items():
            if host == own:
                continue
            if replace_host(keys, host, own):
                what = f"{own}, the host name here"
                draft.report.changed(f"services.{key}: {host}", what, context.places.get(key))
            for file in _files_that_name(context, keys, host):
                todo = f"{file} names the host {host}: write {own}"
                draft.report.todo(f"services.{key}: {host}", todo, context.places.get(key))
                draft.note(name, todo)


def _other_names(context: ConversionContext, services: Mapping[str, Node]) -> dict[str, str]:
    """Another name of a service -> its name here, where it is not the name of another one."""
    found: dict[str, str] = {}
    for key, name in context.names.items():
        options = entries(services[key])
        given = [
            key,
            *(context.texts.resolve(text(options.get(option))) for option in ("container_name", "hostname")),
        ]
        for network in entries(options.get("networks")).values():
            given += [context.texts.resolve(text(item)) for item in items(entries(network).get("aliases"))]
        found |= {other: name for other in given if other and context.kinds[key] in ("service", "dependency")}
    for options in map(entries, services.values()):
        for item in items(options.get("links")):
            linked, _, alias = context.texts.resolve(text(item)).partition(":")
            if alias and context.kinds.get(linked) in ("service", "dependency"):
                found[alias] = context.names[linked]
    return {
        other: name for other, name in found.items() if other == name or other not in context.names.values()
    }


def replace_host(keys: dict[str, object], host: str, own: str) -> bool:
    """Replace a host in the variables and commands of a service; True if one was found."""
    before = dict(keys)
    env = keys.get("env")
    if isinstance(env, dict):
        keys["env"] = {
            name: _in_text(value, host, own, alone=bool(_FOR_HOSTS.search(name)))
            for name, value in env.items()
        }
    for key in ("command", "entrypoint"):
        words = keys.get(key)
        if isinstance(words, str):
            keys[key] = _in_text(words, host, own, alone=False)
        elif isinstance(words, tuple):
            keys[key] = tuple(_in_text(word, host, own, alone=False) for word in words)
    return keys != before


def _in_text(value: object, host: str, own: str, *, alone: bool) -> str:
    return _pattern(host, alone=alone).sub(lambda _: own, str(value))


def _pattern(host: str, *, alone: bool) -> re.Pattern[str]:
    """A host behind `//`, `@` or `tcp(`, or before a port; alone, too, where only a host can be.

    Before an `@` it is the name of a user.
    """
    end = r"(?![\w.-])" if alone else r"(?=:\d)"
    start = r"""(?:^|(?<=[,=\s"']))"""
    name = re.escape(host)
    behind = rf"(?:(?<=@)|(?<=@tcp\()){name}(?![\w.-])"
    first = rf"(?<=//){name}(?![\w.-])(?![^/?#\s]*@)"
    return re.compile(rf"{behind}|{first}|{start}{name}{end}(?![^/?#\s,]*@)")


def _files_that_name(context: ConversionContext, keys: Mapping[str, object], host: str) -> list[str]:
    """Env files with a host that has another name here."""
    listed = keys.get("env_file", ())
    files = [listed] if isinstance(listed, str) else listed
    assert isinstance(files, (list, tuple))
    folder = AppFolder(context.base)
    return [file for file in files if _is_named(folder.read(str(file)), host)]


def _is_named(env_file: str, host: str) -> bool:
    for line in env_file.splitlines():
        name, _, value = line.partition("=")
        if not line.lstrip().startswith("#") and _pattern(host, alone=bool(_FOR_HOSTS.search(name))).search(
            value
        ):
            return True
    return False
