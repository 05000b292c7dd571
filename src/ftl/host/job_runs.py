"""Runs of jobs that have ended, as the script that starts them stores them (job.sh)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.common.figures import utc_time
from ftl.dataclass import dataclass
from ftl.engine.convert import unix_seconds
from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ftl.engine.api import Engine
    from ftl.engine.values import ContainerState

RUNS = 10
"""Runs of a job that are listed; the script on the server stores as many."""

STORE = "ftl-state"
FOLDER = "/ftl"
"""Container of the release records and their folder in it (`ftl.releases.store`)."""

SUFFIX = ".runs"
OLD = ".old"
"""Endings of a job's file and of its older copy (`ftl.releases.file_copies`)."""


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that has ended; `started` is RFC 3339, `oom_killed`: it had too little memory."""

    started: str
    seconds: float
    exit_code: int
    oom_killed: bool = False

    @classmethod
    def of(cls, started: str, finished: str, exit_code: int, oom_killed: bool) -> JobRun:
        """A run by an engine's times.

        Raises:
            FtlError: They cannot be read.
        """
        seconds = (moment_of(finished) - moment_of(started)).total_seconds()
        return cls(started, round(max(0.0, seconds), 3), exit_code, oom_killed)

    def fields(self) -> dict[str, object]:
        """Its fields in `--json` output."""
        return {"started": self.started, "seconds": self.seconds, "exit_code": self.exit_code}


async def stored_runs(engine: Engine, project: str, job: str) -> list[JobRun]:
    """The last runs of a job, also of containers that are gone; newest first.

    One API call; two where the file is missing, or damaged as by a power cut.
    """
    data = b""
    for name in (f"{job}{SUFFIX}", f"{job}{SUFFIX}{OLD}"):
        files = await engine.get_archive(STORE, f"{FOLDER}/{project}/{name}") or {}
        data = files.get(name, b"")
        if data.endswith(b"\n"):
            break
    runs = []
    for line in data.decode("utf-8", "replace").splitlines():
        with suppress(ValueError, FtlError):
            started, finished, code, oom = line.split()
            runs.append(JobRun.of(started, finished, int(code), oom == "true"))
    return runs


async def delete_run_history(engine: Engine, project: str, jobs: Sequence[str]) -> None:
    """Remove the runs of jobs.

    Files without a run say so: the engine's archive calls cannot remove one.
    """
    files = {f"{project}/{job}{SUFFIX}{end}": b"\n" for job in jobs for end in ("", OLD)}
    await engine.put_archive(STORE, FOLDER, tar_archive(files, mode=0o600, folder_mode=0o700))


def has_run(state: ContainerState) -> bool:
    """Whether a container was ever started."""
    return bool(state.started) and not state.started.startswith("0001-")


def moment_of(timestamp: str) -> datetime:
    """An engine's time, which has nanoseconds.

    Raises:
        FtlError: It cannot be read.
    """
    seconds = unix_seconds(timestamp)
    if not seconds:
        raise FtlError(f"the engine wrote a time that cannot be read: {timestamp}")
    return utc_time(seconds)
