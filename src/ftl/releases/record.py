"""Release record: everything a rollback needs about one release. It contains secrets (env)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, replace
from typing import TYPE_CHECKING, Literal, get_args

from ftl.common.json_fields import (
    as_bool,
    as_float,
    as_int,
    as_object,
    as_objects,
    as_str,
    as_str_map,
    as_strs,
    parse_json,
)
from ftl.common.secret_texts import SecretTexts
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ftl.common.json_fields import Json

_MOST_DIGITS = 18

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
        hook: "pre" or "post" for the output of a hook; empty for a container's log.
    """

    service: str
    container: str
    stream: Literal["stdout", "stderr"]
    time: str
    text: str
    hook: str = ""


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
        logs: The last lines of its hooks, and of the containers of a failed release, by time.
        secrets: The values of secrets that its deploy fetched, to be masked in what later commands print.
        secret_texts: Service -> its env and files with secrets in them, by parts : what
            `ftl rollback --fresh-secrets` puts today's values into. None where the version did not record it.
        environment: Name of the environment that it was deployed in (`ftl -e staging`); empty: none.
        bad: Why nobody should go back to it, from `ftl releases --mark-bad`; empty for any other.
        hooks: Whether the hooks of the services that it started ran: not after `ftl deploy --no-hooks`, and not after a
            rollback without `--hooks`.
        pre_hooks: Services whose pre hooks have begun, whatever became of the release. None where the version did not
            record it.
        backup_folders: Folders on the server that its scheduled backups go to (`backups[].path`). They stay in the
            record of a removed project, whose backups stay too.
        changes: Number of times that it was changed after its release had ended. The copies of several managers are
            compared by it.
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
    environment: str = ""
    hooks: bool = True
    pre_hooks: tuple[str, ...] | None = None
    logs: tuple[KeptLine, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    backup_folders: tuple[str, ...] = ()
    secret_texts: Mapping[str, SecretTexts] | None = field(default=None, repr=False)
    changes: int = 0

    @property
    def dirty(self) -> bool:
        """Whether it was deployed from a checkout with uncommitted changes."""
        return (self.commit or "").endswith("-dirty")

    @property
    def number(self) -> int:
        """12 for r12."""
        return release_number(self.release)

    def sections(self, key: str) -> list[Json]:
        """The sections of a list of the recorded ftl.yaml: "services"."""
        return as_objects(self.project.get(key))

    def without_values(self) -> ReleaseRecord:
        """The record without values of the deploy, and without output of containers and hooks."""
        return replace(self, project={}, secrets=(), secret_texts=None, logs=())

    def to_json(self) -> bytes:
        """The record as it is stored."""
        return json.dumps({"v": 1, **asdict(self)}, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, data: bytes, *, release: str | None = None) -> ReleaseRecord | None:
        """Read a stored record; None where the bytes are not a complete one (an interrupted write).

        Fields that this version does not know (a newer FTL wrote them) are ignored; one of another type reads as
        missing. The release as the file's name has it counts more than what the bytes say.
        """
        try:
            stored = as_object(parse_json(data))
        except ValueError:
            return None
        name = as_str(stored.get("release")) if release is None else release
        if not all(
            (
                release is not None or isinstance(stored.get("release"), str),
                isinstance(stored.get("outcome"), str),
                isinstance(stored.get("started"), int | float),
                isinstance(stored.get("services"), Mapping),
            )
        ):
            return None
        return cls(
            release=name,
            outcome=_OUTCOMES.get(as_str(stored.get("outcome")), "started"),
            started=as_float(stored.get("started")),
            seconds=as_float(stored.get("seconds")),
            by=as_str(stored.get("by")),
            commit=_str_or_none(stored.get("commit")),
            version=as_str(stored.get("version")),
            error=_str_or_none(stored.get("error")),
            services={key: _service(entry) for key, entry in _entries(stored.get("services"))},
            dependencies={key: _dependency(entry) for key, entry in _entries(stored.get("dependencies"))},
            project=as_object(stored.get("project")),
            origin=as_str_map(stored.get("origin")),
            subject=as_str(stored.get("subject")),
            bytes_sent=as_int(stored.get("bytes_sent")),
            switched=as_float(stored.get("switched")),
            rollback_of=_str_or_none(stored.get("rollback_of")),
            bad=as_str(stored.get("bad")),
            environment=as_str(stored.get("environment")),
            # A rollback of a version that did not record it ran none, as a rule.
            hooks=as_bool(stored.get("hooks", stored.get("rollback_of") is None)),
            pre_hooks=as_strs(stored["pre_hooks"]) if isinstance(stored.get("pre_hooks"), list) else None,
            logs=tuple(_kept_line(line) for line in as_objects(stored.get("logs"))),
            secrets=as_strs(stored.get("secrets")),
            backup_folders=as_strs(stored.get("backup_folders")),
            secret_texts=_secret_texts(stored.get("secret_texts")),
            changes=as_int(stored.get("changes")),
        )


def is_unreadable(record: ReleaseRecord) -> bool:
    """Whether nothing is known of a release but its number: the file of its record is damaged."""
    return record.outcome == "started" and not record.started


def backup_folders_of(records: Iterable[ReleaseRecord]) -> tuple[str, ...]:
    """Folders of scheduled backups on the server, by a project's records. Pure.

    Those of earlier versions of FTL have them in their project alone.
    """
    records = [*records]
    by_project = (as_str(backup.get("path")) for record in records for backup in record.sections("backups"))
    folders = (*(folder for record in records for folder in record.backup_folders), *by_project)
    return tuple(dict.fromkeys(filter(None, folders)))


_OUTCOMES: dict[str, ReleaseOutcome] = {outcome: outcome for outcome in get_args(ReleaseOutcome)}


def _str_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _entries(value: object) -> list[tuple[str, Json]]:
    return [(key, as_object(entry)) for key, entry in as_object(value).items() if isinstance(entry, Mapping)]


def _service(stored: Json) -> ServiceRecord:
    return ServiceRecord(
        release=as_str(stored.get("release")),
        image=as_str(stored.get("image")),
        image_id=as_str(stored.get("image_id")),
        content=as_str(stored.get("content")),
        config=as_str(stored.get("config")),
        pulled=as_str(stored.get("pulled")),
        layers=as_strs(stored.get("layers")),
    )


def _secret_texts(stored: object) -> dict[str, SecretTexts] | None:
    if not isinstance(stored, Mapping):
        return None

    def parts(value: object) -> dict[str, tuple[str, ...]]:
        return {name: as_strs(each) for name, each in as_object(value).items()}

    return {
        service: SecretTexts(parts(texts.get("env")), parts(texts.get("files")))
        for service, texts in _entries(stored)
    }


def _dependency(stored: Json) -> DependencyRecord:
    return DependencyRecord(*(as_str(stored.get(name)) for name in ("image", "image_id", "pulled")))


def _kept_line(stored: Json) -> KeptLine:
    return KeptLine(
        service=as_str(stored.get("service")),
        container=as_str(stored.get("container")),
        stream="stderr" if stored.get("stream") == "stderr" else "stdout",
        time=as_str(stored.get("time")),
        text=as_str(stored.get("text")),
        hook=as_str(stored.get("hook")),
    )


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
    """12 for "r12"; 0 for any other text.

    `str.isdigit` holds for "²" too, and `int` refuses both that and more than 4300 digits.
    """
    digits = release[1:]
    if release[:1] != "r" or len(digits) > _MOST_DIGITS or not (digits.isascii() and digits.isdigit()):
        return 0
    return int(digits)


def stored_project(records: Sequence[ReleaseRecord]) -> Mapping[str, object]:
    """The resolved ftl.yaml of the live release, by the records of a project, oldest first.

    Empty without one, and while a deploy is under way or was interrupted: what it changes is between two releases.
    """
    if not records or records[-1].outcome == "started":
        return {}
    return next((record.project for record in reversed(records) if record.outcome == "live"), {})
