"""Fresh secrets: today's values in the texts of a release that have secrets in them."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from ftl.aio import in_thread
from ftl.common.secret_texts import SecretTexts
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from ftl.config.models.project import Project, Service
    from ftl.releases.record import ReleaseRecord


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Today's ftl.yaml, read only for the secrets that a release needs.

    Attributes:
        fetch: Values of those of these secrets that it declares. Blocks; raises an FtlError where one has none.
        project: The project as it is today, with all of its secrets. Blocks; raises an FtlError.
    """

    fetch: Callable[[Collection[str]], Mapping[str, str]]
    project: Callable[[], Project]


@dataclass(frozen=True, slots=True)
class FreshSecrets:
    """Values that were fetched for a rollback.

    Attributes:
        values: Of the secrets, by name.
        env: Service -> today's env, for a release whose record does not say where secrets are.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


async def fetch_fresh(source: SecretSource, restored: ReleaseRecord) -> FreshSecrets:
    """Fetch the secrets that a release needs.

    Raises:
        FtlError: A secret of it has no value, or ftl.yaml is wrong.
    """
    if restored.secret_texts is None:
        today = await in_thread(source.project, None)
        return FreshSecrets(today.secret_values, {service.name: service.env for service in today.services})
    names = _names(restored.secret_texts)
    return FreshSecrets(await in_thread(lambda: source.fetch(names), None) if names else {})


def refreshed(service: Service, restored: ReleaseRecord, fresh: FreshSecrets) -> Service:
    """A recorded service with today's values of its secrets; all else stays as recorded. Pure."""
    if restored.secret_texts is None:
        today = fresh.env.get(service.name, {})
        return replace(service, env={name: today.get(name, value) for name, value in service.env.items()})
    texts = restored.secret_texts.get(service.name, SecretTexts())
    env = {name: _text(texts.env.get(name, ()), fresh.values, value) for name, value in service.env.items()}
    files = tuple(
        replace(file, content=_text(texts.files.get(file.path, ()), fresh.values, file.content))
        for file in service.files
    )
    return replace(service, env=env, files=files)


def fresh_notes(restored: ReleaseRecord, fresh: FreshSecrets) -> Iterator[str]:
    """Notes about values that are not fresh, and about plain ones that are."""
    if restored.secret_texts is None:
        yield (
            f"FTL {restored.version or '0.1.0'} deployed {restored.release}, and did not record which values are "
            "secrets: all env has today's values, and files stay as recorded"
        )
        return
    names = _names(restored.secret_texts)
    if not names:
        yield f"no env and no file of {restored.release} has a secret in it: all of it is as recorded"
    elif gone := [name for name in names if name not in fresh.values]:
        yield f"ftl.yaml no longer has the secrets {', '.join(gone)}: their values are as recorded"


def _names(texts: Mapping[str, SecretTexts]) -> list[str]:
    return sorted({name for each in texts.values() for name in each.names})


def _text(parts: Sequence[str], values: Mapping[str, str], recorded: str) -> str:
    """A text with today's values of its secrets; as recorded where one of them has none, or it has no secrets."""
    names = parts[1::2]
    if not names or not all(name in values for name in names):
        return recorded
    return "".join(values[part] if index % 2 else part for index, part in enumerate(parts))
