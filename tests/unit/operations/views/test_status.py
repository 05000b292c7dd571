"""The status of a project: its live release, its watch, its jobs, and a change under way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.engine.tarball import tar_archive
from ftl.errors import EngineError
from ftl.operations.views.status import LiveRelease, StatusFacts, WatchStatus, status
from ftl.proxy.project_site import site_of
from ftl.releases.audit import AuditEntry
from ftl.releases.store import ensure_store, write_audit, write_record, write_watch
from ftl.releases.watch import ReleaseWatch
from tests.support.clock import run
from tests.support.fake_container import Behavior
from tests.support.fake_machine import CommandOutput
from tests.unit.deploy.cluster import cluster, observed
from tests.unit.deploy.world import project, record, service
from tests.unit.locks.managers import managers
from tests.unit.operations.stage import add
from tests.unit.operations.views.status_stage import DB, WEB, WORKER, Server


def test_a_project_that_was_never_deployed() -> None:
    """All that ftl.yaml names is listed, as not running."""

    async def work() -> None:
        async with Server() as server:
            found = await server.status(project(WEB, WORKER, dependencies=(DB,)))
        assert not found.deployed
        assert found.release is None
        assert [(unit.name, unit.running, unit.wanted, unit.health) for unit in found.units] == [
            ("web", 0, 2, "not running"),
            ("worker", 0, 1, "not running"),
            ("db", 0, 1, "not running"),
        ]
        assert {unit.healthy for unit in found.units} == {None}

    run(work())


def test_the_live_release_is_named_with_its_commit_and_author() -> None:
    """From its record, whatever this machine's checkout is at."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await ensure_store(server.engine, "shop-web:r1")
            made = replace(
                record("r1", "live", web="r1"),
                commit="0123abcd",
                subject="Fix the cart",
                by="ann@laptop",
                switched=1767322800.0,
            )
            await write_record(server.engine, "shop", made)
            found = await server.status(project(replace(WEB, replicas=1)))
        assert found.live == LiveRelease(
            "r1", "2026-01-02T03:00:00Z", "ann@laptop", "0123abcd", "Fix the cart"
        )

    run(work())


def test_an_engine_that_fails_is_an_error() -> None:
    """A table with holes would look like an answer."""

    async def work() -> None:
        async with Server() as server:
            server.engine.behaviors["shop-web:r1"] = Behavior()
            server.engine.fail("containers")
            with pytest.raises(EngineError):
                await server.status(project(WEB))

    run(work())


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("runs", [True, False])
def test_a_watch_is_shown_and_whether_the_server_still_keeps_it(runs: bool, later: bool) -> None:
    """The script on the server is looked for: after a reboot nothing watches any more.

    A later release of another service changes nothing.
    """

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await server.web("shop-web-r2", "r2")
            await ensure_store(server.engine, "shop-web:r1")
            await write_record(server.engine, "shop", record("r1", "live", web="r1"))
            await write_record(server.engine, "shop", record("r2", "live", web="r2"))
            await write_watch(server.engine, "shop", ReleaseWatch("r2", "r1", "ann@laptop", 1767322800.0))
            if later:
                await add(server.engine, "shop-worker-r3", "worker", release="r3")
                await write_record(server.engine, "shop", record("r3", "live", web="r2", worker="r3"))
            server.machine.answer("ftl-status", "shop", "r2", answer=CommandOutput(0 if runs else 1))
            found = await server.status(project(replace(WEB, replicas=1)))
        assert found.watch == WatchStatus("r2", "r1", "2026-01-02T03:00:00Z", interrupted=not runs)

    run(work())


@pytest.mark.parametrize("outcome", ["live", "started"])
def test_jobs_whose_containers_were_pruned_are_a_problem(outcome: str) -> None:
    """Cron has nothing to start, which no run would show; while a release is under way nothing is missed."""
    jobs = {
        "jobs": [{"name": "nightly", "service": "web", "schedule": "@daily"}],
        "backups": [{"dependency": "db", "schedule": "0 3 * * *"}],
    }

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            await ensure_store(server.engine, "shop-web:r1")
            await write_record(server.engine, "shop", replace(record("r1", web="r1"), project=jobs))
            if outcome == "started":
                await write_record(server.engine, "shop", replace(record("r2", "started"), project=jobs))
            found = await server.status(project(WEB))
            on_a_manager = {**jobs, "servers": [{"host": "a"}, {"host": "shop.example.com"}]}
            await ensure_store(server.engine, "shop-web:r1")
            await write_record(server.engine, "shop", replace(record("r3", web="r3"), project=on_a_manager))
            narrowed = await server.status(project(WEB))
        assert narrowed.jobs == ()  # the first server of the cluster has them
        expected = [("nightly", "web"), ("backup.db", "db")] if outcome == "live" else []
        assert [(job.name, job.service) for job in found.jobs] == expected
        assert all("its container is gone" in job.problem for job in found.jobs)

    run(work())


@pytest.mark.parametrize("others", [(), ("blog",)])
def test_a_project_alone_with_routes_also_answers_by_the_servers_address(others: tuple[str, ...]) -> None:
    """A sandbox is reached so."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await server.proxy()
            site = site_of(project(service()))
            sites = {
                f"ftl/sites/{name}.json": replace(site, project=name).to_json().encode()
                for name in ("shop", *others)
            }
            await server.engine.put_archive("ftl-proxy", "/config", tar_archive(sites))
            assert (await server.status(project(WEB))).by_address == (not others)

    run(work())


@pytest.mark.parametrize(
    ("answer", "changing"),
    [
        ("free", None),
        ("held ann", "has been locked by ann"),
        (
            "goes-on the server (takes back the deploy of ann)",
            "is still being changed by the server (takes back",
        ),
        ("failed there is no `flock` on the server", None),
    ],
)
def test_a_change_that_the_server_continues_has_not_broken_off(answer: str, changing: str | None) -> None:
    """Its FTL is gone, and nobody has to do anything yet; once nobody has the lock, it has."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await ensure_store(server.engine, "shop-web:r1")
            entry = AuditEntry(0.0, "ann@laptop", "deploy", "r2", "started")
            await write_audit(server.engine, "shop", (entry,))
            server.machine.answer("ftl-deploy-lock look", answer=CommandOutput(0, f"{answer}\n".encode()))
            found = await server.status(project(WEB))
        assert (found.changing or "").startswith(changing or "")
        assert (found.changing is None, found.broke_off) == (changing is None, changing is None)

    run(work())


@pytest.mark.parametrize(
    ("answers", "changing"), [(("free", "held ann@a"), "has been locked by ann@a"), (("free", "free"), None)]
)
def test_whoever_has_the_lock_of_another_manager_changes_the_project(
    answers: tuple[str, ...], changing: str | None
) -> None:
    """He may not reach the first one."""
    asked = cluster()
    entry = AuditEntry(0.0, "ann@laptop", "deploy", "r2", "started")
    seen = StatusFacts(replace(observed(asked), audit=(entry,)), {}, ())
    found = run(status(asked, managers(*answers), seen))
    assert (found.changing, found.broke_off) == (changing, changing is None)


def test_nobody_is_asked_for_the_lock_after_a_change_that_has_ended() -> None:
    """One answer of the server less, each time."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1")
            await server.status(project(WEB))
            assert not any("ftl-deploy-lock" in command for command in server.machine.commands)

    run(work())
