"""What is said of a job on its server, by its containers and the time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.backup import SMALLER_STATUS
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.errors import UsageError
from ftl.host.job_runs import FOLDER, STORE, JobRun
from ftl.host.jobs import Crontab, JobState, _failed, find_job, read_jobs
from ftl.releases.file_copies import CONTAINER, ROOT
from ftl.releases.store import ensure_store
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.child import Completed

NEVER = "0001-01-01T00:00:00Z"


class Engine(FakeEngine):
    """An engine whose containers have the times that a test gives them."""

    def __init__(self) -> None:
        super().__init__(images=["web"])
        self.times: dict[str, tuple[str, str, int, bool]] = {}

    async def container(self, name: str) -> object:  # type: ignore[override]
        """The state with the test's times."""
        state = await super().container(name)
        if state is None:
            return None
        started, finished, code, running = self.times.get(state.name, (NEVER, NEVER, 0, False))
        return replace(state, started=started, finished=finished, exit_code=code, running=running)


def job(
    started: str = NEVER,
    finished: str = NEVER,
    code: int = 0,
    *,
    running: bool = False,
    now: str = "2026-03-02T12:00:00",
    old: tuple[str, str, int, bool] | None = None,
    created: str = "2026-03-01T00:00:00",
    suffix: str = "",
    stored: str = "",
    machine: FakeMachine | None = None,
    engine: Engine | None = None,
    limit: int = 1800,
) -> JobState:
    """The job nightly, due at 03:15; with the crontab of a machine."""
    engine = engine or Engine()
    label_map = {
        labels.PROJECT: "shop",
        labels.SERVICE: "web",
        labels.ROLE: labels.ROLE_JOB,
        labels.JOB: "nightly",
        labels.SCHEDULE: "15 3 * * *",
        labels.WHEN: f"15 03 * * * both UTC {limit}",
    }
    spec = ContainerSpec(image="web", labels=label_map, restart="no")
    asyncio.run(ensure_store(engine, "web"))
    asyncio.run(engine.put_archive(STORE, FOLDER, tar_archive({"shop/nightly.runs": stored.encode()})))
    names = [f"shop.job.nightly{suffix}", *(["shop.job.nightly.old-1"] if old else [])]
    for name in names:
        asyncio.run(engine.create(name, spec))
        engine.by_name[name].created = round(datetime.fromisoformat(created).replace(tzinfo=UTC).timestamp())
    engine.times[names[0]] = (started, finished, code, running)
    if old:
        engine.times["shop.job.nightly.old-1"] = old
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    crontab = Crontab(machine, "shop") if machine is not None else None
    (found,) = asyncio.run(read_jobs(engine, "shop", now=moment, crontab=crontab))
    return found


def test_a_stopped_job_is_not_due() -> None:
    """Its service was stopped, and it with it."""
    stopped = job(suffix=".stopped")
    assert (stopped.stopped, stopped.next, stopped.problem) == (True, "", "")
    failed = job("2026-03-01T03:15:00Z", "2026-03-01T03:16:00Z", 3, suffix=".stopped")
    assert failed.problem == "its last run ended with status 3"


def test_a_job_that_ran_is_well() -> None:
    """Its last run and the next one are shown."""
    found = job("2026-03-02T03:15:00.5Z", "2026-03-02T03:16:00.75Z")
    assert found.last is not None
    assert (found.last.seconds, found.last.exit_code, found.problem) == (60.25, 0, "")
    assert found.next == "2026-03-03T03:15:00Z"


@pytest.mark.parametrize(
    ("finished", "code", "words"),
    [("2026-03-02T03:16:00Z", 3, "status 3"), ("2026-03-02T03:45:02Z", 143, "timeout, after 1800 s")],
)
def test_a_failed_run_is_a_problem(finished: str, code: int, words: str) -> None:
    """With its status, or its timeout."""
    assert words in (job("2026-03-02T03:15:00Z", finished, code)).problem


def test_a_run_that_was_due_and_did_not_come_is_a_problem() -> None:
    """It counts from the time that the job was deployed, and with a grace."""
    assert "due, at 2026-03-02T03:15:00Z" in (job("2026-03-01T03:15:00Z", "2026-03-01T03:16:00Z")).problem
    assert "due" in (job()).problem
    assert (job(created="2026-03-02T03:20:00")).problem == ""
    assert (job("2026-03-01T03:15:00Z", "2026-03-01T03:16:00Z", now="2026-03-02T03:16:00")).problem == ""


def test_a_run_that_takes_longer_than_the_schedule_is_no_missing_run() -> None:
    """While it runs, and when it was still running at the time."""
    assert (job("2026-03-01T03:15:00Z", NEVER, running=True, limit=172_800)).problem == ""
    assert (job("2026-03-01T03:15:00Z", "2026-03-02T04:00:00Z")).problem == ""


@pytest.mark.parametrize(("now", "overdue"), [("2026-03-02T03:46:00", False), ("2026-03-02T03:48:00", True)])
def test_a_run_that_goes_on_after_its_timeout_is_a_problem(now: str, overdue: bool) -> None:
    """Also of an earlier release: what would have stopped it was killed."""
    since = "2026-03-02T03:15:00Z"
    words = "it has been running for longer than its timeout, 1800 s: its next run ends this one"
    problem = words if overdue else ""
    assert job(since, NEVER, running=True, now=now).problem == problem
    assert job(old=(since, NEVER, 0, True), created="2026-03-02T03:20:00", now=now).problem == problem


def test_the_last_run_may_be_that_of_a_replaced_container() -> None:
    """A deploy does not make a job forget that it failed; one that still runs counts as running."""
    failed = job(
        old=("2026-03-02T03:15:00Z", "2026-03-02T03:16:00Z", 4, False), created="2026-03-02T04:00:00"
    )
    assert "status 4" in failed.problem
    running = job(old=("2026-03-02T03:15:00Z", NEVER, 0, True), created="2026-03-02T04:00:00")
    assert running.running


FAILED = "2026-03-01T03:15:00.5Z 2026-03-01T03:15:02.5Z 3 false"
LACKED = "2026-02-28T03:15:00Z 2026-02-28T03:16:00Z 137 true"


def test_the_last_run_is_known_while_the_next_one_is_under_way() -> None:
    """The engine has forgotten it; a line that cannot be read counts for nothing."""
    found = job(
        "2026-03-02T03:15:00Z", NEVER, running=True, stored=f"{FAILED}\nmoon 3\n{LACKED}\n", limit=86_400
    )
    assert (found.running, found.since) == (True, "2026-03-02T03:15:00Z")
    assert [run.exit_code for run in found.runs] == [3, 137]
    fields = found.fields()
    assert fields["last"] == {"started": "2026-03-01T03:15:00.5Z", "seconds": 2.0, "exit_code": 3}
    assert (fields["running_since"], fields["problem"]) == (
        "2026-03-02T03:15:00Z",
        "its last run ended with status 3",
    )


def test_a_deploy_does_not_make_a_job_forget_its_runs() -> None:
    """Its containers are new; a run that the engine knows, too, is told of once."""
    found = job(created="2026-03-02T12:00:00", stored=f"{LACKED}\n")
    assert found.last is not None
    assert "out of memory" in found.problem
    times = FAILED.split()
    again = job(times[0], times[1], 3, stored=f"{FAILED}\n{LACKED}\n")
    assert [run.exit_code for run in again.runs] == [3, 137]


def test_runs_are_stored_among_the_release_records() -> None:
    """Whose place `ftl.host` names by itself."""
    assert (STORE, FOLDER) == (CONTAINER, ROOT)


def test_an_unknown_job_is_refused_with_a_similar_name() -> None:
    """As everywhere."""
    with pytest.raises(UsageError, match="there is no job `nightyl`") as caught:
        find_job([job()], "nightyl", "shop")
    assert caught.value.hint == "did you mean `nightly`?"


@pytest.mark.parametrize(
    ("answer", "suffix", "problem"),
    [(b"lost\n", "", True), (b"outdated\n", "", False), (b"", "", False), (b"lost\n", ".stopped", False)],
)
def test_a_job_that_no_line_of_the_crontab_starts_has_a_problem(
    answer: bytes, suffix: str, problem: bool
) -> None:
    """An older script starts it, too; a stopped job has no line."""
    machine = FakeMachine()
    machine.answer("compare", answer=CommandOutput(0, answer))
    found = job(suffix=suffix, machine=machine)
    assert found.problem.endswith("does not start it: deploy again") is problem
    lines = [b"15 3 * * *|0,15,30,45 * * * *|shop.job.nightly\n"] if not suffix else []
    assert machine.inputs == lines


def test_the_crontab_is_asked_for_while_the_containers_are_inspected() -> None:
    """Neither waits for the other."""
    order: list[str] = []

    class Asked(Engine):
        async def container(self, name: str) -> object:  # type: ignore[override]
            order.append("inspect begins")
            for _ in range(5):
                await asyncio.sleep(0)
            order.append("inspect ends")
            return await super().container(name)

    class Server(FakeMachine):
        async def run(
            self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
        ) -> Completed:
            order.append("crontab begins")
            for _ in range(5):
                await asyncio.sleep(0)
            order.append("crontab ends")
            return await super().run(argv, stdin=stdin, timeout=timeout)

    job(machine=Server(), engine=Asked())
    assert set(order[-4:-2]) == {"crontab begins", "inspect begins"}


def test_a_much_smaller_backup_has_its_sentence() -> None:
    """Of a job with another name the status says what its app means."""
    other = job("2026-03-02T03:15:00Z", "2026-03-02T03:16:00Z", SMALLER_STATUS)
    assert other.problem == "its last run ended with status 4"
    run = JobRun("2026-03-02T03:15:00Z", 60, SMALLER_STATUS)
    assert "less than half of the bytes of the previous one" in _failed(run, 1800, "backup.db")
