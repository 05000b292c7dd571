"""Reasons for a replacement, in terms of ftl.yaml: names of variables, never values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import Json, as_object, as_strs
from ftl.config.models.project import Dependency, Job, Service
from ftl.config.models.server import ClusterServer, servers_on
from ftl.databases import INITIALISED_BY
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ftl.deploy.observe.state import Observed

NOT_PART_OF_A_CONTAINER = {
    "name",
    "build",
    "image",
    "routes",
    "health_check",
    "hooks",
    "secrets",
    "replicas",
    "depends_on",
    "drain_timeout",
}
"""Keys of a service that may change without a new container, or are reported by themselves."""

_LISTED = 6


@dataclass(frozen=True, slots=True)
class SectionList:
    """A list of ftl.yaml whose sections have names, as a record keeps them.

    Attributes:
        model: What a section of it is read as: an older FTL has not recorded every key of it.
    """

    key: str
    model: type[Service | Dependency | Job]


SERVICES = SectionList("services", Service)
DEPENDENCIES = SectionList("dependencies", Dependency)
JOBS = SectionList("jobs", Job)


def new_configuration(before: Json, after: Mapping[str, object]) -> str:
    """Reason for a changed configuration: "new configuration: env COLOUR, command".

    Compared are the section of the last live release's record, empty where it is lost, and that of ftl.yaml now.
    """
    changes = list(_changes(before, after)) if before else []
    more = f" and {len(changes) - _LISTED} more" if len(changes) > _LISTED else ""
    return f"new configuration: {', '.join(changes[:_LISTED])}{more}" if changes else "new configuration"


def _changes(before: Json, after: Mapping[str, object]) -> Iterator[str]:
    env_before, env_after = as_object(before.get("env")), as_object(after.get("env"))
    for name in sorted({*env_before, *env_after}):
        if name not in env_before:
            yield f"env {name} added"
        elif name not in env_after:
            yield f"env {name} removed"
        elif env_before[name] != env_after[name]:
            yield f"env {name}"
    for key in sorted({*before, *after} - NOT_PART_OF_A_CONTAINER - {"env", "env_file"}):
        # An older FTL has not recorded every key.
        if key in before and key in after and before[key] != after[key]:
            yield key


def changed_dependency(before: Json, after: Mapping[str, object]) -> str:
    """Reason for a changed dependency: "new image: postgres:16 -> postgres:17".

    What else has changed follows it: "; new configuration: env COLOUR".
    """
    image_before, image_after = before.get("image"), after.get("image")
    if not image_before or not image_after or image_before == image_after:
        return new_configuration(before, after)
    image = f"new image: {image_before} -> {image_after}"
    after = {**after, "image": image_before}
    return f"{image}; {new_configuration(before, after)}" if any(_changes(before, after)) else image


def new_image(before: str | None, after: str | None) -> str:
    """Reason for a changed image: "new image: commit 1a2b3c4 -> 5d6e7f8".

    Two images of one commit, which had uncommitted changes, have no reason in it.
    """
    before, after = (before or "")[:7], (after or "")[:7]
    if before and after and before != after:
        return f"new image: commit {before} -> {after}"
    return "new image"


def recorded_section(observed: Observed, sections: SectionList, name: str) -> Json:
    """Section of ftl.yaml in the last live release's record, or empty.

    Keys that the FTL that wrote it did not know have their defaults.
    """
    entries = observed.live_sections(sections.key)
    entry = next((entry for entry in entries if entry.get("name") == name), None)
    return sections.model.from_dict(entry).to_dict() if entry is not None else {}


def recorded_server(observed: Observed, sections: SectionList, name: str) -> str:
    """Server of a cluster where the last live release's record places something, or empty."""
    section = recorded_section(observed, sections, name)
    if not section:
        return ""
    on = section.get("on") or ()
    servers = map(ClusterServer.from_dict, observed.live_sections("servers"))
    return next(iter(servers_on(servers, (on,) if isinstance(on, str) else as_strs(on))), "")


def read_only_at_first(before: Json, after: Mapping[str, object]) -> list[str]:
    """Changed variables of a dependency that its existing data will not notice."""
    env_before, env_after = as_object(before.get("env")), as_object(after.get("env"))
    changed = [name for name in env_after if env_before.get(name) != env_after[name]] if before else []
    return [name for name in sorted(changed) if name.startswith(INITIALISED_BY)]
