"""Release record: everything a rollback needs about one release. It contains secrets (env)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ftl.json_fields import as_strs, parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


ReleaseOutcome = Literal["started", "live", "failed", "interrupted", "replaced"]
"""`live` stays when another release replaces it; `replaced` where the project was removed."""


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A service as deployed by a release.

    Attributes:
        release: The release whose containers run it (an earlier one where nothing changed).
        image: The reference it runs.
        image_id: That image's id on the server.
        content: Its content id.
        config: The hash of its containers' configuration.
        pulled: The reference that the server pulled, by digest: `registry.example.com/shop/web@sha256:...`; empty
            where FTL sent the image.
        layers: Its diffIDs, lowest first, if FTL sent the image as an archive; empty otherwise.
    """

    release: str
    image: str
    image_id: str
    content: str
    config: str
    pulled: str = ""
    layers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DependencyRecord:
    """A dependency as a release left it.

    Attributes:
        image: The reference that ftl.yaml names.
        image_id: That image's id on the server.
        pulled: As for a service.
    """

    image: str
    image_id: str
    pulled: str = ""


@dataclass(frozen=True, slots=True)
class KeptLine:
    """A line of the log of a container that is gone.

    Attributes:
        container: The container's name without its project.
        time: RFC 3339 with nanoseconds, UTC.
    """

    service: str
    container: str
    stream: Literal["stdout", "stderr"]
    time: str
    text: str


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """One release of a project. It contains secrets: the definitions with their env.

    Attributes:
        outcome: "started" until it ends; a record that stays "started" was interrupted.
        started: Unix time in seconds.
        seconds: How long the deploy took, 0 while it runs.
        project: The resolved ftl.yaml (`ftl config --show-secrets`); empty in records of releases that are no longer
            kept for a rollback.
        subject: First line of the commit's message.
        bytes_sent: Bytes of images that went to the server for it.
        switched: When it went live, Unix time in seconds; 0 where it did not.
        rollback_of: The release that it restored.
        logs: The last lines of the containers of a failed release, by time.
        bad: Why nobody should go back to it, from `ftl releases --mark-bad`; empty for any other.
    """

    release: str
    outcome: ReleaseOutcome
    started: float
    seconds: float = 0.0
    by: str = ""
    commit: str | None = None
    version: str = ""
    error: str | None = None
    services: Mapping[str, ServiceRecord] = field(default_factory=dict)
    dependencies: Mapping[str, DependencyRecord] = field(default_factory=dict)
    project: Mapping[str, object] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""
    bytes_sent: int = 0
    switched: float = 0.0
    rollback_of: str | None = None
    bad: str = ""
    logs: tuple[KeptLine, ...] = ()

    @property
    def dirty(self) -> bool:
        """Whether it was deployed from a checkout with uncommitted changes."""
        return (self.commit or "").endswith("-dirty")

    @property
    def number(self) -> int:
        """12 for r12."""
        return release_number(self.release)

    def to_json(self) -> bytes:
        """The record as it is stored."""
        return json.dumps({"v": 1, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ReleaseRecord | None:
        """Read a stored record; None where the bytes are not a complete one (an interrupted write).

        Fields that this version does not know (a newer FTL wrote them) are ignored.
        """
        try:
            known = _known(cls, parse_json(data))
            services = {
                name: ServiceRecord(**_known(ServiceRecord, entry) | {"layers": as_strs(entry.get("layers"))})
                for name, entry in known.pop("services").items()
            }
            dependencies = {
                name: DependencyRecord(**_known(DependencyRecord, entry))
                for name, entry in known.pop("dependencies", {}).items()
            }
            logs = tuple(KeptLine(**_known(KeptLine, line)) for line in known.pop("logs", ()))
            return cls(services=services, dependencies=dependencies, logs=logs, **known)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def _known(
    kind: type[ReleaseRecord | ServiceRecord | DependencyRecord | KeptLine], stored: Mapping[str, Any]
) -> dict[str, Any]:
    names = {known.name for known in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}


def loaded_by_ftl(releases: Iterable[ReleaseRecord]) -> dict[str, bool]:
    """Image ID on the server -> whether FTL loaded it from an archive; others are left out."""
    loaded: dict[str, bool] = {}
    for service in (service for release in releases for service in release.services.values()):
        if service.image_id and (service.layers or service.pulled):
            loaded[service.image_id] = loaded.get(service.image_id, False) or bool(service.layers)
    return loaded


def pull_references(releases: Iterable[ReleaseRecord]) -> dict[str, str]:
    """Image ID on the server -> reference that live releases pulled it by; empty if FTL sent it."""
    references: dict[str, str] = {}
    for release in releases:
        if release.outcome == "live":
            references |= {service.image_id: service.pulled for service in release.services.values()}
            references |= {
                dependency.image_id: dependency.pulled for dependency in release.dependencies.values()
            }
    return references


def release_number(release: str) -> int:
    """12 for "r12"; 0 for any other text."""
    digits = release[1:]
    return int(digits) if release[:1] == "r" and digits.isdigit() else 0
