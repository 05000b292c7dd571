"""Output of hooks: kept with a release's record, and shown by `ftl logs --hooks`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from ftl.common.redact import redact
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.kept_logs import HOOKS
from ftl.deploy.apply.steps.hooks import run_hook
from ftl.deploy.apply.steps.records import write_record
from ftl.deploy.plan.steps.containers import RunHook
from ftl.deploy.plan.steps.records import WriteRecord
from ftl.engine.specs import ContainerSpec
from ftl.errors import HookFailed, UsageError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.views.logs.hooks import read_hooks
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.releases import store
from ftl.releases.record import KeptLine, ReleaseRecord, ServiceRecord
from tests.support.clock import run
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = ReleaseRecord("r2", "live", 1.0)


def step(when: Literal["pre", "post"], where: Literal["local", "remote"], command: str) -> RunHook:
    """A hook of web at r2."""
    spec = ContainerSpec(image="", labels={}, restart="no")
    return RunHook("web", when, where, command, spec, "shop-web:r2", f"shop-web-r2-{when}")


async def released(post: str) -> FakeEngine:
    """A server on which a release went live, with hooks before and after its switch."""
    engine = FakeEngine(images=["shop-web:r2"])
    engine.behaviors["shop-web:r2"] = Behavior(exit_code=0, log=("migrated 3 tables", "with s3cret-token"))
    await store.ensure_store(engine, "shop-web:r2")
    asked = project()
    session = Session("shop.example.com", FakeMachine(), engine, INFO)
    context = DeployContext(
        asked, Path(), Fleet([session]), session, server(asked), "r2", print, RunClients(asked, Path())
    )
    await run_hook(context, step("pre", "remote", "migrate"))
    await write_record(context, WriteRecord("shop", RECORD, decides=True))
    with suppress(HookFailed):
        await run_hook(context, step("post", "local", post))
    return engine


def shown(engine: FakeEngine, **options: object) -> list[LogEntry]:
    """What `ftl logs --hooks` shows."""
    entries: list[LogEntry] = []
    query = LogQuery("shop", ("web",), **options)  # type: ignore[arg-type]
    run(read_hooks(engine, query, entries.append))
    return entries


@pytest.mark.parametrize("post", ["echo warmed up", "echo warmed up; exit 3"])
def test_what_hooks_print_is_kept_with_the_release(post: str) -> None:
    """Before the switch and after it, on the server and here, whether they succeed or fail; secrets as a mask."""
    redact(["s3cret-token"])
    engine = asyncio.run(released(post))
    lines = [(entry.name, entry.release, entry.text) for entry in shown(engine)]
    assert sorted(lines) == [
        ("web-r2-post", "r2", "warmed up"),
        ("web-r2-pre", "r2", "migrated 3 tables"),
        ("web-r2-pre", "r2", "with ********"),
    ]
    (record,) = run(store.read_records(engine, "shop"))
    assert (record.outcome, record.release) == ("live", "r2")


def kept(records: Callable[[KeptLine], list[ReleaseRecord]]) -> FakeEngine:
    """A server with these records."""

    async def stored() -> FakeEngine:
        engine = FakeEngine(images=["app"])
        await store.ensure_store(engine, "app")
        line = KeptLine("web", "web-r1-pre", "stdout", "2026-01-02T03:04:05.000000000Z", "one", "pre")
        for record in records(line):
            await store.write_record(engine, "shop", record)
        return engine

    return run(stored())


def test_lines_are_chosen_by_release_time_and_text() -> None:
    """As those of containers; the log of a failed release's container is not the output of a hook."""

    def records(line: KeptLine) -> list[ReleaseRecord]:
        later = replace(line, container="web-r2-pre", time="2026-01-02T04:00:00.000000000Z", text="two")
        other = replace(line, service="api", text="of api")
        log = replace(later, hook="", text="a log")
        first = ReleaseRecord("r1", "live", 1.0, logs=(line, other))
        return [ReleaseRecord("r2", "failed", 2.0, logs=(later, log)), first]

    engine = kept(records)
    assert [entry.text for entry in shown(engine)] == ["one", "two"]
    assert [entry.text for entry in shown(engine, tail=1)] == ["two"]
    assert [entry.text for entry in shown(engine, release="r1")] == ["one"]
    assert [entry.text for entry in shown(engine, since="2026-01-02T03:30:00Z")] == ["two"]
    assert [entry.text for entry in shown(engine, until="2026-01-02T03:30:00Z")] == ["one"]
    assert [entry.text for entry in shown(engine, matches="two".__eq__)] == ["two"]
    with pytest.raises(UsageError, match="r9"):
        shown(engine, release="r9")


def test_only_the_last_lines_are_kept() -> None:
    """The records are read at each command."""

    async def chatty() -> tuple[KeptLine, ...]:
        engine = FakeEngine(images=["shop-web:r2"])
        await store.ensure_store(engine, "shop-web:r2")
        asked = project()
        session = Session("shop.example.com", FakeMachine(), engine, INFO)
        resources = RunClients(asked, Path())
        context = DeployContext(
            asked, Path(), Fleet([session]), session, server(asked), "r2", lambda _: None, resources
        )
        for _ in range(3):
            await run_hook(context, step("pre", "local", "seq 1000"))
        await write_record(context, WriteRecord("shop", RECORD, decides=True))
        return context.recorded["r2"].logs

    lines = asyncio.run(chatty())
    assert len(lines) == HOOKS
    assert lines[-1].text == "1000"


def test_hooks_that_printed_nothing_are_named() -> None:
    """Services without hooks were named as if they had some."""
    asked = {
        "services": [{"name": "web", "hooks": {"pre": {"remote": "true"}, "post": None}}, {"name": "api"}]
    }

    def records(_: KeptLine) -> list[ReleaseRecord]:
        own = {name: ServiceRecord("r1", name, "", "", "") for name in ("web", "api")}
        return [ReleaseRecord("r1", "live", 1.0, services=own, project=asked, pre_hooks=("web",))]

    engine = kept(records)
    query = LogQuery("shop", ("web", "api"))
    assert run(read_hooks(engine, query, print)) == "nothing was printed by the pre hook of web (r1)"
    query = replace(query, names=("api",))
    assert run(read_hooks(engine, query, print)) == "no hook of api has run in the kept releases"
