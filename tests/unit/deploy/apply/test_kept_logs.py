"""The last lines of containers that are about to be removed."""

from __future__ import annotations

from pathlib import Path

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.kept_logs import CHARACTERS, LINES, last_lines
from ftl.engine.values import LogLine
from ftl.errors import EngineError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.releases.record import KeptLine, ReleaseRecord
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server
from tests.unit.operations.stage import add, log


def kept(engine: FakeEngine, *created: str) -> tuple[KeptLine, ...]:
    """What is kept after a run that created these containers."""
    asked = project()
    session = Session("shop.example.com", FakeMachine(), engine, INFO)
    context = DeployContext(
        asked,
        Path(),
        Fleet([session]),
        session,
        server(asked),
        "r2",
        lambda _: None,
        RunClients(asked, Path()),
    )
    context.created |= {name: engine.by_name[name].id for name in created}
    return run(last_lines(context))


async def two() -> FakeEngine:
    """A container of the live release and one of a new one."""
    engine = FakeEngine()
    await add(engine, "shop-web-r1", "web")
    await add(engine, "shop-web-r2", "web", release="r2")
    log(engine, "shop-web-r1", 1, "still here")
    return engine


def test_only_what_the_run_created_is_kept() -> None:
    """By time, with the container that will be gone, and so it is in the record."""
    engine = run(two())
    log(engine, "shop-web-r2", 2, "starting")
    log(engine, "shop-web-r2", 3, "no database", "stderr")
    lines = kept(engine, "shop-web-r2")
    assert [(line.service, line.container, line.stream, line.text) for line in lines] == [
        ("web", "web-r2", "stdout", "starting"),
        ("web", "web-r2", "stderr", "no database"),
    ]
    record = ReleaseRecord("r2", "failed", 0.0, logs=lines)
    assert ReleaseRecord.from_json(record.to_json()) == record


def test_what_is_kept_is_bounded() -> None:
    """The last lines, and the beginning of each."""
    engine = run(two())
    target = engine.by_name["shop-web-r2"].log
    target += [LogLine("stdout", f"2026-01-02T03:04:05.{number:09}Z", "x" * 10_000) for number in range(1000)]
    lines = kept(engine, "shop-web-r2")
    assert (len(lines), {len(line.text) for line in lines}) == (LINES, {CHARACTERS})
    assert lines[-1].time.endswith("000000999Z")


def test_a_server_that_does_not_answer_keeps_nothing() -> None:
    """The failure that is under way is the one to report."""
    engine = run(two())
    engine.fail("containers", EngineError("gone"))
    assert kept(engine, "shop-web-r2") == ()
