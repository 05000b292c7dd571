"""Scheduled backups of dependencies: the section of ftl.yaml."""

from __future__ import annotations

from dataclasses import field

from ftl.config.models import field_types
from ftl.config.models.field_types import ListOf, Scalar, Section, key, key_metadata
from ftl.config.values.scalars import InvalidValue
from ftl.dataclass import dataclass

DEFAULT_FOLDER = "/var/backups/ftl"
"""Folder of the backups of all projects on a server, unless ftl.yaml names another."""

JOB_PREFIX = "backup."
"""Beginning of the names of the jobs that make backups; no job of ftl.yaml has a dot."""

SMALLER_STATUS = 4
"""Exit status of such a job whose backup is much smaller than the previous ones."""


def _folder(text: str) -> str:
    """An absolute path on the server; the engine takes no colon in it."""
    if not text.startswith("/") or ":" in text:
        raise InvalidValue(
            f"`{text}` is not an absolute path on the server", hint="write one like /var/backups/ftl"
        )
    return text


SERVER_FOLDER = Scalar("path", _folder, {"type": "string", "pattern": "^/[^:]*$"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledBackup(Section):
    """`backups[]:` a dump of a dependency that the server makes on a schedule, and keeps."""

    dependency: str = field(metadata=key_metadata(field_types.NAME, "The database to back up."))
    schedule: str = field(
        metadata=key_metadata(
            field_types.SCHEDULE,
            "Minute, hour, day of month, month and day of week in UTC, as in crontab(5): `15 3 * * *`.",
        )
    )
    keep: int = key(
        field_types.COUNT, "Number of backups of each database to keep; older ones are removed.", 7
    )
    path: str = key(
        SERVER_FOLDER, "Folder on the server; a folder in it has the project's name.", DEFAULT_FOLDER
    )

    without: tuple[str, ...] = key(
        ListOf(field_types.TEXT),
        "Databases of PostgreSQL, MariaDB or MySQL that are left out: `[shop_cache]`. Not the one that the container's "
        "env names.",
        (),
    )

    @property
    def job(self) -> str:
        """Name of the job that makes it."""
        return f"{JOB_PREFIX}{self.dependency}"
