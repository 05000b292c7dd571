"""The last lines of runs of jobs whose containers a deploy removes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.common.redact import redact
from ftl.deploy.apply.kept_runs import SECONDS
from ftl.deploy.apply.steps.jobs import delete_run_history, remove_jobs
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.jobs import DeleteRunHistory, RemoveJobs
from ftl.engine import labels
from ftl.engine.tarball import tar_archive
from ftl.engine.values import LogLine
from ftl.errors import EngineError
from ftl.host.job_logs import CHARACTERS, LINES, RunLog, stored_run_logs
from ftl.host.job_runs import FOLDER, STORE
from ftl.releases.store import ensure_store, read_history
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.apply.steps.test_restart_policies import deploy_context
from tests.unit.deploy.world import container, project
from tests.unit.operations.stage import add, log

OLD = "shop.job.nightly.old-1"
LAST = "2026-01-02T03:04:05Z"
"""When a container of the fake engine was started last."""

EARLIER = "2026-01-02T03:04:01.5Z"


async def server(*names: str, ran: bool = True) -> FakeEngine:
    """A server with containers of the job nightly; one run that is known began before the last."""
    engine = FakeEngine(images=["shop-web:r1"])
    await ensure_store(engine, "shop-web:r1")
    runs = f"{EARLIER} {EARLIER} 3 false\n".encode()
    await engine.put_archive(STORE, FOLDER, tar_archive({"shop/nightly.runs": runs}))
    for name in names:
        await add(
            engine, name, "web", role=labels.ROLE_JOB, more={labels.JOB: "nightly", labels.RELEASE: "r1"}
        )
        engine.by_name[name].state = "exited" if ran else "created"
        engine.by_name[name].created = 1_700_000_000
    return engine


def removed(engine: FakeEngine, *names: str) -> None:
    """Remove these containers, as the step of a deploy does."""
    boxes = tuple(
        replace(
            container(project(), "web", "r1")[0],
            id=engine.by_name[name].id,
            name=name,
            labels=engine.by_name[name].spec.labels,
            created=1_700_000_000,
        )
        for name in names
    )
    step = RemoveJobs(tuple(ContainerRef(box.id, box.name) for box in boxes))

    async def work() -> None:
        await remove_jobs(deploy_context(engine, *boxes), step)

    run(work())


def kept(engine: FakeEngine) -> list[RunLog]:
    """What the server keeps, newest first."""
    return run(stored_run_logs(engine, "shop", "nightly"))


def test_the_lines_of_each_run_are_kept() -> None:
    """Also those of runs before the last one in the same container, and apart from the records of releases."""
    engine = run(server(OLD))
    identity = engine.by_name[OLD].id
    log(engine, OLD, 2, "no space", "stderr")
    log(engine, OLD, 6, "done")
    removed(engine, OLD)
    assert OLD not in engine.by_name
    of = ("web", identity, "job.nightly.old-1", "r1")
    assert kept(engine) == [
        RunLog(LAST, *of, (LogLine("stdout", "2026-01-02T03:04:06.000000000Z", "done"),)),
        RunLog(EARLIER, *of, (LogLine("stderr", "2026-01-02T03:04:02.000000000Z", "no space"),)),
    ]
    history = run(read_history(engine, "shop"))
    assert (history.jobs, history.records) == (("nightly",), ())


def test_what_is_kept_is_bounded_and_has_no_secrets() -> None:
    """The last lines of a run, and the beginning of each; a run before it keeps its own."""
    redact(["hunter2-hunter2"])
    engine = run(server(OLD))
    log(engine, OLD, 2, "the password is hunter2-hunter2")
    engine.by_name[OLD].log += [
        LogLine("stdout", f"2026-01-02T03:04:06.{number:09}Z", "x" * 10_000) for number in range(500)
    ]
    removed(engine, OLD)
    last, earlier = kept(engine)
    assert (len(last.lines), {len(line.text) for line in last.lines}) == (LINES, {CHARACTERS})
    assert last.lines[-1].time.endswith("000000499Z")
    assert [line.text for line in earlier.lines] == ["the password is ********"]


def test_a_container_that_never_ran_leaves_nothing() -> None:
    """Nothing is read or written for it."""
    engine = run(server(OLD, ran=False))
    before = len(engine.calls)
    removed(engine, OLD)
    assert OLD not in engine.by_name
    assert [call.split()[0] for call in engine.calls[before:] if "log" in call or "put" in call] == []
    assert kept(engine) == []


@pytest.mark.parametrize("failing", ["logs", "put_archive", "container"])
def test_a_log_that_cannot_be_kept_does_not_fail_the_deploy(failing: str) -> None:
    """Its driver may keep none. The container goes all the same."""
    engine = run(server(OLD))
    engine.fail(failing, EngineError("configured logging driver does not support reading"))
    removed(engine, OLD)
    assert OLD not in engine.by_name
    assert SECONDS <= 10


def test_they_go_with_the_project() -> None:
    """`ftl remove` deletes what was said of runs."""
    engine = run(server(OLD))
    log(engine, OLD, 6, "done")
    removed(engine, OLD)
    assert kept(engine)

    async def work() -> None:
        await delete_run_history(deploy_context(engine), DeleteRunHistory("shop", ("nightly",)))

    run(work())
    assert kept(engine) == []
