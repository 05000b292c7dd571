"""Kamal's destinations: the differences of each, as an environment of FTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingEntry, MappingNode
from ftl.onboarding.yaml_text import CommentLine, lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.onboarding.takeover.draft import Draft


def merged(base: MappingNode, over: MappingNode) -> MappingNode:
    """Merge a destination's file over deploy.yml as Kamal does: only mappings by key."""
    found = dict(base.entries)
    for key, entry in over.entries.items():
        before = found.get(key)
        value = entry.value
        if before is not None and isinstance(value, MappingNode) and isinstance(before.value, MappingNode):
            value = merged(before.value, value)
        found[key] = MappingEntry(entry.key, value)
    return MappingNode(found, over.location if over.entries else base.location)


def overlay_text(source: str, name: str, base: Draft, other: Draft, notes: Sequence[str]) -> str:
    """Text of ftl.NAME.yaml: what the draft of a destination has and that of deploy.yml has not.

    The notes are what is still to be done.
    """
    out: dict[str, object] = {}
    if other.domain != base.domain:
        out["project"] = {"domain": other.domain}
    if server := _difference(base.server, other.server) if other.server else {}:
        out["server"] = server
    if other.servers and other.servers != base.servers:
        out["servers"] = other.servers
    for key, before, after in (
        ("services", base.services, other.services),
        ("dependencies", base.dependencies, other.dependencies),
        ("jobs", base.jobs, other.jobs),
    ):
        if items := _difference(before, after):
            out[key] = items
    out |= _difference(_without_secrets(base), _without_secrets(other))
    if secrets := _other_sources(base.top.get("secrets"), other.top.get("secrets")):
        out["secrets"] = secrets
    head = f"# Taken over from {source} by `ftl init --from`: over ftl.yaml in `ftl -e {name}`."
    todo = {f"#{index}": CommentLine(f"TO DO {note}") for index, note in enumerate(notes)}
    return "\n".join([head, *lines({**todo, **out})]) + "\n"


def _without_secrets(draft: Draft) -> dict[str, object]:
    return {key: value for key, value in draft.top.items() if key != "secrets"}


def _other_sources(base: object, other: object) -> dict[str, object]:
    """Secrets with another source, which takes the place of the first; null for those without one."""
    before, after = (each if isinstance(each, dict) else {} for each in (base, other))
    changed = {name: source for name, source in after.items() if before.get(name) != source}
    return changed | {name: None for name in before if name not in after}


def _difference(base: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    """Keys whose values differ; null for those that are gone."""
    found: dict[str, object] = {}
    for key, value in other.items():
        before, after = _by_name(key, base.get(key)), _by_name(key, value)
        if isinstance(before, dict) and isinstance(after, dict):
            if inner := _difference(before, after):
                found[key] = inner
        elif before != after or key not in base:
            found[key] = after
    return found | {key: None for key in base if key not in other}


def _by_name(key: str, value: object) -> object:
    """A list that an overlay changes item by item, as the map in which it may be written."""
    if key == "files" and isinstance(value, list):
        return {item["path"]: {name: text for name, text in item.items() if name != "path"} for item in value}
    if key == "extra_hosts" and isinstance(value, list):
        addresses: dict[str, list[str]] = {}
        for name, _, address in (line.partition(":") for line in value):
            addresses.setdefault(name, []).append(address)
        return addresses
    return value
