"""Kamal's destinations: what is different in each, as an environment of FTL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.yaml.tree import MappingEntry, MappingNode
from ftl.onboarding.yaml_text import lines

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    return MappingNode(found, over.mark if over.entries else base.mark)


def overlay_text(source: str, name: str, base: Draft, other: Draft) -> str:
    """Text of ftl.NAME.yaml: what the draft of a destination has and that of deploy.yml has not."""
    out: dict[str, object] = {}
    if other.domain != base.domain:
        out["project"] = {"domain": other.domain}
    if server := _difference(base.server, other.server):
        out["server"] = server
    for key, before, after in (
        ("services", base.services, other.services),
        ("dependencies", base.dependencies, other.dependencies),
    ):
        if items := _difference(before, after):
            out[key] = items
    out |= _difference(base.top, other.top)
    head = f"# Taken over from {source} by `ftl init --from`: over ftl.yaml in `ftl -e {name}`."
    return "\n".join([head, *lines(out)]) + "\n"


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
