"""The crontab of a server is compared with the live jobs; without any, nothing is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.deploy.observe.cluster import observe_fleet
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.releases.store import ensure_store, write_notify
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.world import INFO

MARKS = {
    labels.PROJECT: "shop",
    labels.ROLE: labels.ROLE_JOB,
    labels.JOB: "nightly",
    labels.SCHEDULE: "15 3 * * *",
    labels.WHEN: "15 03 * * * both UTC 60",
}


@pytest.mark.parametrize(
    ("name", "answer", "asked", "differs"),
    [
        ("shop.job.nightly", b"lost\n", True, True),
        ("shop.job.nightly", b"outdated\n", True, True),
        ("shop.job.nightly", b"", True, False),
        ("shop.job.nightly.stopped", b"lost\n", False, False),
        ("shop.job.nightly.old-1", b"lost\n", False, False),
        ("", b"lost\n", False, False),
    ],
)
def test_the_crontab_is_compared_where_there_are_live_jobs(
    name: str, answer: bytes, asked: bool, differs: bool
) -> None:
    """Those that are stopped, or were replaced, have no line."""

    async def look() -> None:
        engine, machine = FakeEngine(images=["app"]), FakeMachine()
        machine.answer("compare", answer=CommandOutput(0, answer))
        if name:
            await engine.create(name, ContainerSpec(image="app", labels=MARKS))
        await engine.create("other.job.a", ContainerSpec("app", {**MARKS, labels.PROJECT: "other"}))
        info = replace(INFO, is_manager=False)
        seen = await observe_fleet(Fleet([Session("server", machine, engine, info)]), "shop", ())
        assert seen.crontab_differs is differs
        assert [b"shop.job.nightly" in (given or b"") for given in machine.inputs] == [True] * asked

    run(look())


@pytest.mark.parametrize(
    ("notify", "answer", "asked", "lost"),
    [
        (b"server s\nhost shop.example.com\n", b"lost\n", True, True),
        (b"server s\nhost shop.example.com\n", b"", True, False),
        (b"server s\njob nightly\n", b"lost\n", False, False),
    ],
)
def test_the_daily_check_is_missed_where_there_are_hosts_to_check(
    notify: bytes, answer: bytes, asked: bool, lost: bool
) -> None:
    """Also without jobs; where no certificate is checked nothing is asked."""

    async def look() -> None:
        engine, machine = FakeEngine(images=["app"]), FakeMachine()
        machine.answer("checks", answer=CommandOutput(0, answer))
        await ensure_store(engine, "app")
        await write_notify(engine, "shop", notify)
        info = replace(INFO, is_manager=False)
        seen = await observe_fleet(Fleet([Session("server", machine, engine, info)]), "shop", ())
        assert seen.check_lost is lost
        assert len(machine.commands) == asked

    run(look())
