"""Secrets in logs: their values are in the records of the releases, not on this machine."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.common.redact import redacted
from ftl.engine.tarball import tar_archive
from ftl.errors import ServerError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.views.logs.access import AccessFollower
from ftl.operations.views.logs.following import Follower
from ftl.operations.views.logs.masking import (
    mask_secrets_by_a_manager,
    mask_secrets_of_cluster,
    mask_secrets_of_servers,
)
from ftl.operations.views.logs.query import LogEntry, LogQuery
from ftl.operations.views.logs.reading import LogServer, read_logs
from ftl.releases.file_copies import CONTAINER
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import compact, ensure_store, read_records, write_record
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import project
from tests.unit.operations.stage import PROJECT, add, log, session_of
from tests.unit.operations.views.logs.test_access import ENTRY
from tests.unit.operations.views.logs.test_access import Log as AccessLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

R1 = ReleaseRecord("r1", "live", 1.0, secrets=("s3cret-one/+",))
R2 = ReleaseRecord("r2", "live", 2.0, secrets=("s3cret-two",))


async def shop() -> FakeEngine:
    """A service at r1 that logs its secret, as a URL has it."""
    engine = FakeEngine()
    await add(engine, "shop-web-r1", "web")
    await ensure_store(engine, "shop-web:r1")
    await write_record(engine, PROJECT, R1)
    log(engine, "shop-web-r1", 1, "db://u:s3cret-one%2F%2B@db")
    return engine


def test_values_of_the_releases_are_masked_in_logs() -> None:
    """`ftl logs` fetches no secret; it reads the records beside the list of containers."""
    engine = run(shop())
    shown: list[str] = []
    query = LogQuery(PROJECT, ("web",))
    run(read_logs([LogServer(engine)], query, lambda entry: shown.append(redacted(entry.text)), print))
    assert shown == ["db://u:********@db"]


def test_values_of_a_release_that_is_deployed_meanwhile_are_masked() -> None:
    """Following goes on across a deploy, which may bring another value."""

    async def follow() -> list[str]:
        engine = await shop()
        shown: list[str] = []

        def show(entry: LogEntry) -> None:
            shown.append(redacted(entry.text))

        task = asyncio.ensure_future(
            Follower(LogQuery(PROJECT, ("web",)), show, print).follow(session_of(engine))
        )
        await asyncio.sleep(0.5)
        await write_record(engine, PROJECT, R2)
        await add(engine, "shop-web-r2", "web", release="r2")
        log(engine, "shop-web-r2", 5, "it is s3cret-two")
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return shown

    assert run(follow())[-1] == "it is ********"


def test_paths_of_a_release_that_is_switched_to_meanwhile_are_masked() -> None:
    """An app may put a token into a path; the release came after `ftl logs -f --proxy`."""

    async def follow() -> list[str]:
        access = AccessLog(replace(ENTRY, path="/old", time=1.0))
        await access.start()
        await ensure_store(access.engine, "caddy:2")
        await write_record(access.engine, PROJECT, R1)
        shown: list[str] = []

        def show(entry: LogEntry) -> None:
            shown.append(redacted(entry.text))

        follower = AccessFollower(LogQuery(PROJECT, ("web",)), show, print)
        task = asyncio.ensure_future(follower.follow(access.session))
        await asyncio.sleep(1.5)
        await write_record(access.engine, PROJECT, replace(R2, secrets=("s3cret-in-a-path",)))
        live = tar_archive({f"live/{PROJECT}.web": b"web-r2"})
        await access.engine.put_archive("ftl-proxy", "/config", live)
        access.entries.append(replace(ENTRY, path="/hook/s3cret-in-a-path", time=2.0))
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return shown

    lines = run(follow())
    assert [line.split()[2] for line in lines] == ["shop.example.com/old", "shop.example.com/hook/********"]


def test_values_are_not_kept_longer_than_the_env_of_a_release() -> None:
    """A release that nobody goes back to has no secrets in its summary."""

    async def summed_up() -> tuple[ReleaseRecord, ...]:
        engine = await shop()
        await compact(engine, PROJECT, [replace(R1, project={"name": "shop"})])
        return await read_records(engine, PROJECT)

    records = run(summed_up())
    assert [record.release for record in records] == ["r1"]
    assert "s3cret" not in repr(records)


def session(engine: FakeEngine, name: str, *, manager: bool) -> Session:
    """A server of a cluster."""
    return Session(name, FakeMachine(name), engine, replace(INFO, node=name, is_manager=manager))


@pytest.mark.parametrize("pruned", [False, True])
def test_a_worker_s_logs_are_masked_by_the_records_of_a_manager(pruned: bool) -> None:
    """Also where `docker container prune` took the store's container: the records are in its volume."""
    secret = "s3cret-pruned" if pruned else "s3cret-kept"

    async def mask() -> list[str]:
        manager, warnings = await shop(), list[str]()
        await write_record(manager, PROJECT, replace(R2, secrets=(secret,)))
        if pruned:
            await manager.remove(CONTAINER, force=True)
        assert secret in redacted(secret)
        fleet = Fleet([session(FakeEngine(), "b", manager=False), session(manager, "a", manager=True)])
        await mask_secrets_of_cluster(fleet, PROJECT, warnings.append)
        return warnings

    assert run(mask()) == []
    assert secret not in redacted(f"it is {secret}")


def test_one_server_is_no_cluster_without_managers() -> None:
    """Its records mask what `ftl backup` and `ftl restore` print, without a word about managers."""
    secret, warnings = "s3cret-of-one-server", list[str]()

    async def mask() -> None:
        engine = await shop()
        await write_record(engine, PROJECT, replace(R2, secrets=(secret,)))
        fleet = Fleet([session(engine, "a", manager=False)])
        await mask_secrets_of_servers(fleet, project(), warnings.append)

    run(mask())
    assert warnings == []
    assert secret not in redacted(f"it is {secret}")


@pytest.mark.parametrize(
    ("manager", "why"), [(False, "no manager of the cluster answers"), (True, "b has no release records")]
)
def test_where_no_records_can_be_read_it_is_said(manager: bool, why: str) -> None:
    """The lines are shown, secrets among them."""
    warnings: list[str] = []
    fleet = Fleet([session(FakeEngine(), "b", manager=manager)])
    run(mask_secrets_of_cluster(fleet, PROJECT, warnings.append))
    assert warnings == [f"secrets are not masked: {why}"]


@pytest.mark.parametrize("manager", [True, False])
def test_a_part_of_a_cluster_is_masked_by_its_own_manager_or_by_all_servers(manager: bool) -> None:
    """`ftl logs --proxy` asks the servers with a proxy, and the managers may be others."""

    async def mask() -> tuple[bool, list[str]]:
        asked, warnings = False, list[str]()

        async def otherwise() -> None:
            nonlocal asked
            asked = True

        fleet = Fleet([session(await shop(), "a", manager=manager)])
        await mask_secrets_of_cluster(fleet, PROJECT, warnings.append, otherwise=otherwise)
        return asked, warnings

    assert run(mask()) == (not manager, [])


def test_no_more_servers_are_connected_to_than_it_takes_to_mask() -> None:
    """A worker has no records, a server that is down tells nothing; after the first manager none is asked."""
    connected: list[str] = []

    def way(name: str, server: Session | None) -> Callable[[], AbstractAsyncContextManager[Session]]:
        @asynccontextmanager
        async def connect() -> AsyncIterator[Session]:
            connected.append(name)
            if server is None:
                raise ServerError(f"{name} does not answer")
            yield server

        return connect

    async def mask() -> list[str]:
        manager, warnings = await shop(), list[str]()
        await write_record(manager, PROJECT, replace(R2, secrets=("s3cret-of-a-manager",)))
        servers = {
            "worker": session(FakeEngine(), "worker", manager=False),
            "down": None,
            "first": session(manager, "first", manager=True),
            "second": session(FakeEngine(), "second", manager=True),
        }
        ways = [way(name, server) for name, server in servers.items()]
        await mask_secrets_by_a_manager(ways, PROJECT, warnings.append)
        assert warnings == []
        await mask_secrets_by_a_manager(ways[:2], PROJECT, warnings.append)
        return warnings

    assert run(mask()) == ["secrets are not masked: down does not answer"]
    assert connected == ["worker", "down", "first", "worker", "down"]
    assert "s3cret-of-a-manager" not in redacted("it is s3cret-of-a-manager")


def test_a_release_that_comes_to_a_worker_is_masked_by_who_has_its_record() -> None:
    """The worker has no records: following asks a manager when a container of another release appears."""

    async def follow() -> int:
        engine, asked = await shop(), 0

        async def mask() -> None:
            nonlocal asked
            asked += 1

        follower = Follower(LogQuery(PROJECT, ("web",)), lambda _: None, print, mask=mask)
        task = asyncio.ensure_future(follower.follow(session_of(engine)))
        await asyncio.sleep(1.5)
        assert asked == 0
        await add(engine, "shop-web-r2", "web", release="r2")
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return asked

    assert run(follow()) == 1


def test_the_first_release_on_a_worker_that_had_no_container_is_masked() -> None:
    """Following begins before anything of the project runs there."""

    async def follow() -> int:
        engine, asked = FakeEngine(), 0

        async def mask() -> None:
            nonlocal asked
            asked += 1

        query = LogQuery(PROJECT, ("web",))
        follower = Follower(query, lambda _: None, print, anywhere=lambda _: True, mask=mask)
        task = asyncio.ensure_future(follower.follow(session_of(engine)))
        await asyncio.sleep(1.5)
        assert asked == 0
        await add(engine, "shop-web-r1", "web", release="r1")
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.wait({task})
        return asked

    assert run(follow()) == 1
