"""Output of hooks, which the release records keep: their containers are gone. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.suggestions import select_names
from ftl.operations.views.logs.query import LogEntry
from ftl.releases.store import read_records

if TYPE_CHECKING:
    from ftl.engine.api import Engine
    from ftl.operations.views.logs.query import LogQuery
    from ftl.operations.views.logs.reading import Show


async def read_hooks(engine: Engine, query: LogQuery, show: Show) -> None:
    """Show the last lines of the hooks of all kept releases, by time, or those of one.

    The engine is that of a server with the release records; names of the query are services.

    Raises:
        UsageError: There is no such release.
    """
    records = await read_records(engine, query.project)
    query = query.at((await engine.info()).moment)
    if query.release is not None:
        select_names([query.release], [record.release for record in records], kind="release")
    entries = [
        LogEntry(line.service, line.container, "", record.release, line.stream, line.time, line.text)
        for record in records
        if query.release in (None, record.release)
        for line in record.logs
        if line.hook and line.service in query.names and query.spans(line.time)
    ]
    lines = sorted(filter(query.accepts, entries), key=lambda entry: entry.time)
    query.announce(entry.name for entry in lines)
    for entry in query.last(lines):
        show(entry)
