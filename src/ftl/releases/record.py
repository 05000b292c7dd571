"""Release record: what a rollback needs to know of one release. It holds secrets (env)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from ftl.json_fields import as_strs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


Outcome = Literal["started", "live", "failed"]


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A service as a release left it.

    Attributes:
        release: The release whose containers serve it (an earlier one where nothing changed).
        image: The reference it runs.
        image_id: That image's id on the server.
        content: Its content id.
        config: The hash of its containers' configuration.
        pulled: What the server pulled for it, by digest: `registry.example.com/shop/web@sha256:...`; empty where the
            image was sent.
        layers: Its diffIDs, lowest first, if FTL's own archive brought the image; empty where it came otherwise.
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
class ReleaseRecord:
    """One release of a project. It holds secrets: the definitions with their env.

    Attributes:
        outcome: "started" until it ends; a record that stays so was interrupted.
        started: Unix time in seconds; `seconds` is how long it took, 0 while it runs.
        project: The resolved ftl.yaml (`ftl config --show-secrets`).
    """

    release: str
    outcome: Outcome
    started: float
    seconds: float = 0.0
    by: str = ""
    commit: str | None = None
    version: str = ""
    error: str | None = None
    services: Mapping[str, ServiceRecord] = field(default_factory=dict)
    dependencies: Mapping[str, DependencyRecord] = field(default_factory=dict)
    project: Mapping[str, object] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """12 for r12."""
        return release_number(self.release)

    def to_json(self) -> bytes:
        """The bytes that are stored."""
        return json.dumps({"v": 1, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes) -> ReleaseRecord | None:
        """None where the bytes are no whole record (a write that was cut off).

        What a newer FTL writes beside what is known here is passed over.
        """
        try:
            known = _known(cls, json.loads(data))
            services = {
                name: ServiceRecord(**_known(ServiceRecord, entry) | {"layers": as_strs(entry.get("layers"))})
                for name, entry in known.pop("services").items()
            }
            dependencies = {
                name: DependencyRecord(**_known(DependencyRecord, entry))
                for name, entry in known.pop("dependencies", {}).items()
            }
            return cls(services=services, dependencies=dependencies, **known)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def _known(
    kind: type[ReleaseRecord | ServiceRecord | DependencyRecord], stored: Mapping[str, Any]
) -> dict[str, Any]:
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in stored.items() if name in names}


def brought(releases: Iterable[ReleaseRecord]) -> dict[str, bool]:
    """Image ID on the server -> whether FTL's own archive brought it. What records do not tell is not in it."""
    found: dict[str, bool] = {}
    for service in (one for release in releases for one in release.services.values()):
        if service.image_id and (service.layers or service.pulled):
            found[service.image_id] = found.get(service.image_id, False) or bool(service.layers)
    return found


def origins(releases: Iterable[ReleaseRecord]) -> dict[str, str]:
    """Image ID on the server -> what the last live release with it says it was pulled as; empty: it was sent."""
    found: dict[str, str] = {}
    for release in releases:
        if release.outcome == "live":
            found |= {one.image_id: one.pulled for one in release.services.values()}
            found |= {one.image_id: one.pulled for one in release.dependencies.values()}
    return found


def release_number(release: str) -> int:
    """12 for "r12"; 0 for what is no release name."""
    digits = release[1:]
    return int(digits) if release[:1] == "r" and digits.isdigit() else 0
