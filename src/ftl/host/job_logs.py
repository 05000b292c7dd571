"""Last lines of runs of jobs whose containers are gone, in the store of release records.

In a folder of their own: all files of a project's folder are read at each command. A power cut while they are written
may cost them, and nothing else: each line is read by itself.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.dataclass import dataclass
from ftl.engine.tarball import tar_archive
from ftl.engine.values import LogLine
from ftl.host.job_runs import FOLDER, RUNS, STORE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.common.json_fields import Json
    from ftl.engine.api import Engine

LINES = 100
"""Lines that are kept of a run."""

CHARACTERS = 500
"""Characters that are kept of a line."""

_LOGS = ".job-logs"
"""Folder of the store; no project has such a name."""


@dataclass(frozen=True, slots=True)
class RunLog:
    """The last lines of one run.

    Attributes:
        started: RFC 3339, from the engine.
        name: The container's name without its project.
        release: Its release; empty where it does not say.
    """

    started: str
    service: str
    container: str
    name: str
    release: str
    lines: tuple[LogLine, ...]


async def stored_run_logs(engine: Engine, project: str, job: str) -> list[RunLog]:
    """The logs of a job's last runs in containers that are gone, newest first. One API call."""
    files = await engine.get_archive(STORE, f"{FOLDER}/{_LOGS}/{project}/{_file(job)}") or {}
    logs = []
    for line in files.get(_file(job), b"").splitlines():
        try:
            logs.append(_parsed(as_object(parse_json(line))))
        except ValueError:
            continue
    return logs


async def store_run_logs(engine: Engine, project: str, job: str, new: Sequence[RunLog]) -> None:
    """Add logs to those of a job, of which the last `RUNS` stay."""
    found = await stored_run_logs(engine, project, job)
    by_start = {log.started: log for log in (*found, *new)}
    kept = [by_start[start] for start in sorted(by_start, reverse=True)][:RUNS]
    packed = (json.dumps(asdict(log), separators=(",", ":")).encode() for log in kept)
    await engine.put_archive(STORE, FOLDER, _archive(project, {job: b"\n".join(packed)}))


async def delete_run_logs(engine: Engine, project: str, jobs: Sequence[str]) -> None:
    """Empty the logs of jobs. Empty files say so: the engine's archive calls cannot remove one."""
    await engine.put_archive(STORE, FOLDER, _archive(project, dict.fromkeys(jobs, b"")))


def _archive(project: str, files: dict[str, bytes]) -> bytes:
    named = {f"{_LOGS}/{project}/{_file(job)}": data for job, data in files.items()}
    return tar_archive(named, mode=0o600, folder_mode=0o700)


def _file(job: str) -> str:
    return f"{job}.jsonl"


def _parsed(stored: Json) -> RunLog:
    lines = stored.get("lines")
    return RunLog(
        as_str(stored.get("started")),
        as_str(stored.get("service")),
        as_str(stored.get("container")),
        as_str(stored.get("name")),
        as_str(stored.get("release")),
        tuple(
            LogLine("stderr" if line[0] == "stderr" else "stdout", as_str(line[1]), as_str(line[2]))
            for line in (lines if isinstance(lines, list) else ())
            if isinstance(line, list) and len(line) == 3
        ),
    )
