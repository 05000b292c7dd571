"""The changes of a project, as `ftl audit` lists them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.views.audit import audit
from ftl.releases.audit import AuditEntry
from ftl.releases.store import ensure_store, write_audit
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO
from tests.unit.locks.managers import managers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ftl.ssh.machine import Machine


def test_a_server_that_is_no_manager_any_more_still_tells_what_was_changed() -> None:
    """Another one became the first of the file: until the next deploy it knows only of that setup."""
    first, former = FakeEngine(images=["web"], name="first"), FakeEngine(images=["web"], name="former")
    deployed, moved = (
        AuditEntry(time, "me@here", text, "r1", "done") for time, text in ((1.0, "deploy"), (2.0, "setup"))
    )

    @asynccontextmanager
    async def connect(_machines: Sequence[Machine], _emit: object) -> AsyncIterator[Fleet]:
        infos = (replace(INFO, node="first", is_manager=True), replace(INFO, node="former"))
        yield Fleet(
            [
                Session(one.name, FakeMachine(), one, info)
                for one, info in zip((first, former), infos, strict=True)
            ]
        )

    async def work() -> None:
        for engine, entry in ((first, moved), (former, deployed)):
            await ensure_store(engine, "web")
            await write_audit(engine, "shop", [entry])
        assert await audit("shop", [], lambda _event: None, connect=connect) == (moved, deployed)

    run(work())


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (("free", "free"), "interrupted"),
        (("free", "held ann@a"), "started"),
        (("failed", "free"), "interrupted"),
    ],
)
def test_a_change_is_under_way_while_any_manager_is_locked(answers: tuple[str, ...], outcome: str) -> None:
    """Who makes it may not reach the first one."""
    fleet = managers(*answers)

    @asynccontextmanager
    async def connect(_machines: Sequence[Machine], _emit: object) -> AsyncIterator[Fleet]:
        yield fleet

    async def work() -> str:
        await ensure_store(fleet.first.engine, "web")
        begun = AuditEntry(1.0, "ann@a", "deploy", "r1", "started")
        await write_audit(fleet.first.engine, "shop", [begun])
        (entry,) = await audit("shop", [], lambda _event: None, connect=connect)
        return entry.outcome

    assert run(work()) == outcome
