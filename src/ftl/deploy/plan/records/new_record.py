"""Record of the release that a plan makes. Pure."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from ftl.common.json_fields import as_str
from ftl.common.references import configured_reference, pull_reference
from ftl.common.secret_texts import SecretTexts
from ftl.deploy.plan.jobs import is_left_alone
from ftl.deploy.plan.reasons import DEPENDENCIES, JOBS, SERVICES, recorded_section
from ftl.engine import labels
from ftl.releases.record import DependencyRecord, ReleaseRecord, ServiceRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ftl.deploy.plan.diff import Diff
    from ftl.deploy.request import Author
    from ftl.engine.values import Container
    from ftl.releases.record import ReleaseOutcome


def release_record(diff: Diff, author: Author, outcome: ReleaseOutcome) -> ReleaseRecord:
    """Record of the release that is made; unchanged services keep their entries.

    Those are of the last live release.

    Where the records were lost, they are made from the running containers.
    """
    purpose = diff.request.purpose
    live = [record for record in diff.observed.releases if record.outcome == "live"]
    before = live[-1].services if live else {}
    configured = {service.name for service in diff.project.services}
    changed = {
        change.name: ServiceRecord(
            diff.release, diff.configured_image(change), "", change.source.content, change.desired.config
        )
        for change in diff.starting
    }
    adopted = {
        change.name: _record_of(change.live, change.current[0])
        for change in diff.services
        if not change.starts and change.live and change.name not in before
    }
    kept = {name: entry for name, entry in before.items() if name in configured}
    project = _recorded_project(diff)
    return ReleaseRecord(
        release=diff.release,
        outcome=outcome,
        started=author.time,
        by=author.name,
        commit=author.commit,
        version=author.version,
        services={**kept, **adopted, **changed},
        dependencies=_dependencies(diff, live[-1].dependencies if live else {}),
        project=project,
        origin=author.origin,
        subject=author.subject,
        rollback_of=purpose.restored or None,
        environment=diff.project.environment,
        hooks=diff.request.purpose.hooks,
        pre_hooks=(),
        secrets=_secrets(diff, project, live),
        secret_texts=_secret_texts(diff, live),
        backup_folders=tuple(sorted({as_str(section.get("path")) for section in project["backups"]})),
    )


def _secrets(diff: Diff, project: Mapping[str, Any], live: Sequence[ReleaseRecord]) -> tuple[str, ...]:
    """Values of secrets that the record holds anyway; also those of services that a partial deploy left alone.

    No others: an app does not print what it never got, and a password for a registry stays on this machine.
    """
    values = set(diff.project.secret_values.values())
    if diff.request.services and live:
        values.update(live[-1].secrets)
    texts = [*_texts(project)]
    return tuple(sorted(value for value in values if any(value in text for text in texts)))


def _secret_texts(diff: Diff, live: Sequence[ReleaseRecord]) -> Mapping[str, SecretTexts] | None:
    """The texts with secrets in them; of services that a partial deploy left alone, those of the live release."""
    own, only = diff.project.secret_texts, diff.request.services
    if own is None or not only:
        return own
    before = live[-1].secret_texts if live else {}
    if before is None:
        return None
    texts = {**before, **{name: own.get(name, SecretTexts()) for name in only}}
    configured = {service.name for service in diff.project.services}
    return {name: found for name, found in texts.items() if name in configured and found.names}


def _texts(value: object) -> Iterator[str]:
    """All texts in a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_texts, value.values()))
    elif isinstance(value, list | tuple):
        yield from chain.from_iterable(map(_texts, value))


def _recorded_project(diff: Diff) -> dict[str, Any]:
    """The resolved ftl.yaml for the record; what a partial deploy leaves alone keeps its recorded values."""
    # Nobody's password for a registry is kept on a server; a rollback needs none, and no URL of a notification.
    project = replace(diff.project, registries=(), notify=()).to_dict()
    only = diff.request.services
    if only:
        sections = [
            section if section["name"] in only else recorded_section(diff.observed, SERVICES, section["name"])
            for section in project["services"]
        ]
        project["services"] = [dict(section) for section in sections if section]
        known = [
            section if section["service"] in only else recorded_section(diff.observed, JOBS, section["name"])
            for section in project["jobs"]
        ]
        project["jobs"] = [dict(section) for section in known if section]
        kept = {change.name for change in diff.dependencies if not change.starts}
        recorded = {name: recorded_section(diff.observed, DEPENDENCIES, name) for name in kept}
        project["dependencies"] = [
            dict(recorded.get(section["name"]) or section) for section in project["dependencies"]
        ]
        project["backups"] = _backups(diff, project["backups"])
        for section in () if diff.project.servers else (*project["services"], *project["dependencies"]):
            section.pop("on", None)  # as `Project.to_dict` has it
    return project


def _backups(diff: Diff, sections: Sequence[Any]) -> list[Any]:
    """The sections of `backups` after a partial deploy: as recorded for dependencies that it leaves alone."""
    unchanged = {change.name for change in diff.dependencies if is_left_alone(diff.observed, change)}
    before = [dict(section) for section in diff.observed.live_sections("backups")]
    return [
        *(section for section in before if section.get("dependency") in unchanged),
        *(section for section in sections if section["dependency"] not in unchanged),
    ]


def _dependencies(diff: Diff, before: Mapping[str, DependencyRecord]) -> dict[str, DependencyRecord]:
    records = {}
    for change in diff.dependencies:
        name, image, running = change.name, change.dependency.image, change.current
        if change.is_away and name in before:
            records[name] = before[name]
        elif change.starts or running is None:
            records[name] = DependencyRecord(image, "")
        else:
            records[name] = before.get(name) or DependencyRecord(
                image, running.image_id, pull_reference(running.image)
            )
    return records


def _record_of(release: str, container: Container) -> ServiceRecord:
    image = container.image
    return ServiceRecord(
        release,
        configured_reference(image),
        container.image_id,
        container.labels[labels.CONTENT],
        container.labels[labels.CONFIG],
        pull_reference(image),
    )
