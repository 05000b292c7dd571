"""A server whose clock is a year ahead: what is stored there is dated by its clock."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from ftl.cli.commands.preview import preview_row
from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.apply.steps import hooks
from ftl.deploy.apply.steps.watch import watch_release
from ftl.deploy.backend import DOCKER
from ftl.deploy.command_line import GivenCommand
from ftl.deploy.locked import locked
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.opening import open_operation
from ftl.deploy.operation import Operation, OperationRequest
from ftl.deploy.operation import run as run_operation
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.watch import WatchRelease
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.events import ignore
from ftl.host.fleet import Fleet
from ftl.host.jobs import read_jobs
from ftl.host.session import Session
from ftl.operations.views.logs.following import Follower
from ftl.operations.views.logs.query import LogQuery
from ftl.operations.views.logs.reading import LogServer, read_logs
from ftl.operations.views.previews import DeployedPreview
from ftl.operations.views.status import status
from ftl.releases.audit import AuditEntry, in_order, with_releases
from ftl.releases.preview import Preview
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, read_history, read_watch
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.apply.steps.test_hooks import context, hook
from tests.unit.deploy.model_machine import ModelMachine
from tests.unit.deploy.model_server import ModelEngine
from tests.unit.deploy.world import project
from tests.unit.operations.changes.test_lock_first import backend_of
from tests.unit.operations.stage import add, log, session_of

if TYPE_CHECKING:
    from ftl.deploy.apply.context import DeployContext
    from ftl.engine.api import Engine
    from ftl.operations.views.logs.query import LogEntry
    from ftl.releases.store import History

YEAR = 365 * 86400.0
AHEAD = replace(INFO, clock_ahead=YEAR)

SOURCE = Path(__file__).parents[2] / "src/ftl"

OWN = {
    "cli/commands/validate.py": "next times of jobs, which no server is asked for",
    "common/private_folder.py": "age of a folder here",
    "config/age/age_file.py": "age of a file here",
    "config/values/schedule.py": "the time of a day, which is no clock",
    "deploy/inputs.py": "begin of a command, before the server is known; `EngineInfo.time_of` makes it the server's",
    "engine/convert.py": "the difference itself",
    "engine/values.py": "the difference itself",
    "image/building/replaced.py": "no clock: `EngineInfo.now` in words",
    "operations/databases/backup_files.py": "names and ages of files here",
    "operations/databases/restore.py": "name of the state before",
    "operations/watchdog.py": "how long this machine slept",
    "server/doctor/facts.py": "the difference itself",
    "server/doctor/report.py": "corrected by the difference",
    "server/setup/observe/reader.py": "the difference itself",
    "ssh/connection.py": "since when a server does not answer, in a message",
    "ssh/multiplexing/kept.py": "age of a file here",
}
"""Modules that read this machine's clock, and what for."""


def test_no_other_module_reads_the_clock_of_this_machine() -> None:
    """A time that is stored on a server, or compared with one of a server's, is `EngineInfo.now`."""
    clock = re.compile(r"\btime\.time(_ns)?\(|\bdatetime\.(now|utcnow|today)\(|\btime\.strftime\(['\"]")
    readers = {
        path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if clock.search(path.read_text())
    }
    assert readers == OWN.keys()


def is_now(there: float) -> bool:
    """Whether it is the present by the clock of the server."""
    return abs(there - time.time() - YEAR) < 60


def deployed(engine: ModelEngine) -> History:
    """What is stored of a deploy."""
    web = Service(name="web", image="app:1")
    asked = Project(project=ProjectInfo(name="u"), server=Server(host="server"), services=(web,))
    request = PlanRequest(asked, purpose=NewRelease(adopt=True))
    inputs = PlanInputs(Author("me", time=AHEAD.time_of(time.time() - 5)), {})
    asking = OperationRequest.of(asked, Path(), DOCKER, GivenCommand("deploy"))
    operation = Operation(asking, asked, "me", lambda seen: make_plan(request, inputs, seen))

    async def work() -> History:
        session = Session("server", ModelMachine(engine), engine, AHEAD)
        observed = await observe(engine, AHEAD, "u", "server")
        await run_operation(operation, Fleet([session]), observed, emit=lambda _: None)
        return await read_history(engine, "u")

    return run(work())


def test_what_a_deploy_stores() -> None:
    """The release's begin, its switch and its duration, and its line in the audit."""
    history = deployed(ModelEngine())
    (record,), (entry,) = history.records, history.audit
    assert record.outcome == "live"
    assert is_now(record.switched)
    assert 5 <= record.seconds < 60
    assert is_now(entry.time)


def test_the_begin_of_a_change() -> None:
    """It is taken before the server is known."""
    engine = ModelEngine()
    session = Session("server", ModelMachine(engine), engine, AHEAD)

    async def work() -> float:
        request = OperationRequest(
            "u", Server(host="server"), Path(), backend_of(session), GivenCommand("deploy"), dry_run=True
        )
        async with open_operation(request, [session.machine], ignore) as change:
            return change.by.time

    assert is_now(asyncio.run(work()))


def test_a_change_without_a_plan() -> None:
    """`ftl restore` and `ftl jobs run` have their lines by the same clock."""

    async def work() -> float:
        engine, machine = FakeEngine(images=["web"], info=AHEAD), FakeMachine()
        machine.answer("ftl-deploy-lock take", answer=CommandOutput(stdout=b"mine\n", stays=True))
        await ensure_store(engine, "web")
        session = Session("server", machine, engine, AHEAD)
        async with locked(
            Fleet([session]),
            "shop",
            command=GivenCommand("restore", ("db",)),
            by="me@b",
            emit=lambda _: None,
        ):
            pass
        (entry,) = (await read_history(engine, "shop")).audit
        return entry.time

    assert is_now(run(work()))


def test_the_end_of_a_watch() -> None:
    """`ftl status` counts down to it, and the next deploy knows by it whether the watch was interrupted."""

    async def work() -> float:
        engine = FakeEngine(images=["caddy:2"], info=AHEAD)
        await ensure_store(engine, "caddy:2")
        there = context(engine, [])
        session = Session("server", FakeMachine(), engine, AHEAD)
        session.machine.answer("ftl-watch", answer=CommandOutput(stdout=b"watching\n"))  # type: ignore[attr-defined]
        there = replace(there, session=session, fleet=Fleet([session]))
        await watch_release(
            there, WatchRelease("shop", "r2", "r1", "me@here", 300.0, (), stop=10.0, drain=30.0)
        )
        watch = await read_watch(engine, "shop", "r2")
        assert watch is not None
        return watch.until

    assert is_now(run(work()) - 300)


async def ran(there: DeployContext) -> None:
    """Run a local hook."""
    await hooks.run_hook(there, hook("local", "echo up"))


def test_lines_of_a_local_hook(tmp_path: Path) -> None:
    """They stand among those of containers, which the engine dates."""
    engine = FakeEngine(info=AHEAD)
    session = Session("server", FakeMachine(), engine, AHEAD)
    there = replace(context(engine, [], tmp_path), session=session, fleet=Fleet([session]))
    asyncio.run(ran(there))
    (line,) = there.hook_lines
    assert is_now(datetime.fromisoformat(line.time).timestamp())


def test_a_job_that_missed_its_run() -> None:
    """It was due half a day ago by the server's clock, and comes again in half a day."""
    now = datetime.fromtimestamp(AHEAD.now, UTC)
    due = now - timedelta(hours=12)
    marks = {
        labels.PROJECT: "shop",
        labels.SERVICE: "web",
        labels.ROLE: labels.ROLE_JOB,
        labels.JOB: "nightly",
        labels.SCHEDULE: f"{due.minute} {due.hour} * * *",
        labels.WHEN: f"{due.minute:02} {due.hour:02} * * * both UTC 1800",
    }

    async def work() -> tuple[str, str]:
        engine = FakeEngine(images=["web"], info=AHEAD)
        await ensure_store(engine, "web")
        await engine.create("shop.job.nightly", ContainerSpec(image="web", labels=marks, restart="no"))
        engine.by_name["shop.job.nightly"].created = round((now - timedelta(hours=30)).timestamp())
        (found,) = await read_jobs(cast("Engine", engine), "shop")
        return found.next[:16], found.problem

    assert run(work()) == (
        f"{now + timedelta(hours=12):%Y-%m-%dT%H:%M}",
        f"it did not run when it was due, at {due:%Y-%m-%dT%H:%M}:00Z",
    )


def test_ages_in_a_status() -> None:
    """They are counted from the look, by the server's clock; `--json` has the times alone."""

    async def work() -> None:
        engine = FakeEngine(info=AHEAD)
        await add(engine, "shop-web-r1", "web")
        found = await status(project(), Fleet([Session("server", FakeMachine(), engine, AHEAD)]))
        assert is_now(found.now)
        assert "now" not in found.fields()

    run(work())


def test_the_end_of_a_preview() -> None:
    """Neither early nor late: by the clock that its server ends it by."""
    preview = Preview(int(AHEAD.now + 7260), AHEAD.now - 3660, "op", "sh")
    row = preview_row(DeployedPreview("sh-op", preview, 1), AHEAD.now)
    assert row[:3] == ("op", "1 h", "2 h")
    for since, ends in ((60, "is being removed"), (3600, "overdue")):
        over = replace(preview, until=int(AHEAD.now) - since)
        assert preview_row(DeployedPreview("sh-op", over, 1), AHEAD.now)[2] == ends


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize(
    ("since", "until", "expected"), [(600, None, "bc"), (None, 600, "a"), (1200, 600, "a"), (60, None, "c")]
)
def test_a_duration_of_logs(follows: bool, since: int | None, until: int | None, expected: str) -> None:
    """`--since 10m` are the ten minutes before the server's present."""
    if follows and until is not None:
        return  # refused by the command
    shown: list[LogEntry] = []
    server_now = datetime(2026, 1, 2, 3, 14, 30, tzinfo=UTC)

    async def work() -> None:
        info = replace(INFO, clock_ahead=server_now.timestamp() - time.time())
        engine = FakeEngine(info=info)
        await add(engine, "shop-web-r1", "web")
        for before, text in ((900, "a"), (300, "b"), (30, "c")):
            log(engine, "shop-web-r1", 0, text)
            moment = f"{server_now - timedelta(seconds=before):%Y-%m-%dT%H:%M:%S}.000000000Z"
            engine.by_name["shop-web-r1"].log[-1] = (
                engine.by_name["shop-web-r1"].log[-1]._replace(time=moment)
            )
        query = LogQuery("shop", ("web",), since=_before(since), until=_before(until))
        if not follows:
            await read_logs([LogServer(engine)], query, shown.append, print)
            return
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await Follower(query, shown.append, print).follow(session_of(engine))

    run(work())
    assert "".join(entry.text for entry in shown) == expected


def _before(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def test_the_order_of_the_audit() -> None:
    """That in which changes were made, also where an earlier version has stored the time of a machine a year off."""
    wrong = AuditEntry(YEAR, "ana@laptop", "deploy", "r2", "done")
    right = AuditEntry(20.0, "bob@laptop", "restart", "r2", "started")
    missing = ReleaseRecord("r1", "live", 10.0)
    found = with_releases((wrong, right), [missing])
    assert [entry.release for entry in found] == ["r1", "r2", "r2"]
    assert found[-1] == right, "the last is what may be under way"
    watch = AuditEntry(15.0, "ana@laptop", "watch r2", "r1", "done")
    assert in_order((replace(wrong, time=10.0), right), [watch])[1] == watch
