"""What a server knows of a project without its ftl.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Project, Server, Service
from ftl.config.models.server import ClusterServer
from ftl.engine import labels
from ftl.engine.specs import Publish
from ftl.errors import FtlError, UsageError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.deployed import (
    deployed_project,
    with_deployed_dependencies,
    with_recorded_dependency,
)
from ftl.operations.views.logs.known_names import deployed_names
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import ensure_store, write_record
from ftl.tunnels.tunnels import Tunnel, plan_tunnels
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.support.fake_images import INFO
from tests.support.fake_machine import FakeMachine
from tests.unit.operations.stage import PROJECT, add

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseOutcome

SHOP = Project.bare(PROJECT, Server(host="here", user="me"))
DB = Dependency(name="db", image="postgres:16", ports=(5432,), env={"POSTGRES_PASSWORD": "a-secret"})
QUEUE = Dependency(name="queue", image="rabbitmq:3", ports=(5672,))
WEB = Service(name="web", image="web:1", replicas=2)


async def server(name: str = "here", *recorded: tuple[str, ReleaseOutcome, Project]) -> Session:
    """A server with these release records."""
    engine = FakeEngine(images=["caddy:2"])
    await ensure_store(engine, "caddy:2")
    for number, (release, outcome, project) in enumerate(recorded, 1):
        made = replace(project, server=Server(host="there"))
        record = ReleaseRecord(
            release, outcome, float(number), project=made.to_dict() if made.services else {}
        )
        await write_record(engine, PROJECT, record)
    return Session(name, FakeMachine(name), engine, INFO)


def engine_of(session: Session) -> FakeEngine:
    """Its engine."""
    assert isinstance(session.engine, FakeEngine)
    return session.engine


def with_units(*dependencies: Dependency) -> Project:
    """The project with `web` and these."""
    return replace(SHOP, services=(WEB,), dependencies=dependencies)


@pytest.mark.parametrize(
    ("recorded", "names"),
    [
        ((), []),
        ((("r1", "live", with_units(DB)), ("r2", "live", with_units(QUEUE))), ["queue"]),
        ((("r1", "live", with_units(DB)), ("r2", "failed", with_units(QUEUE))), ["db"]),
        ((("r1", "failed", with_units(DB)), ("r2", "started", with_units(QUEUE))), ["queue"]),
        ((("r1", "live", with_units(DB)), ("r2", "live", SHOP)), ["db"]),
    ],
)
def test_the_live_release_says_what_was_deployed(
    recorded: tuple[tuple[str, ReleaseOutcome, Project], ...], names: list[str]
) -> None:
    """Without one the newest; a record without a project, as of a release that is not kept, says nothing."""

    async def work() -> None:
        session = await server("here", *recorded)
        found = await deployed_project(session.engine, SHOP)
        assert [each.name for each in found.dependencies] == names
        assert found.server == SHOP.server, "as this machine reaches it"
        assert [each.replicas for each in found.services] == ([2] if recorded else [])

    run(work())


def test_a_dependency_is_found_in_the_newest_record_that_has_it() -> None:
    """It may have been taken out of ftl.yaml since; with its env, which a throwaway of it needs."""

    async def work() -> None:
        old = replace(DB, image="postgres:15")
        recorded = [("r1", old), ("r2", DB), ("r3", QUEUE)]
        session = await server("here", *((name, "live", with_units(one)) for name, one in recorded))
        found = await with_recorded_dependency(session.engine, SHOP, "db")
        assert found.dependencies == (DB,)
        with pytest.raises(FtlError, match="says how cache was deployed"):
            await with_recorded_dependency(session.engine, SHOP, "cache")

    run(work())


def test_tunnels_lead_to_what_was_deployed_and_what_is_left() -> None:
    """A dependency that no record has is found by its container, with the ports that it publishes."""

    async def work() -> None:
        session = await server("here", ("r1", "live", with_units(QUEUE)), ("r2", "live", with_units(DB)))
        engine = engine_of(session)
        ports = (Publish(9200, 49200, "127.0.0.1"), Publish(9300, 49300, "127.0.0.1"))
        await add(engine, "shop-queue", "queue", role=labels.ROLE_DEPENDENCY)
        await add(engine, "shop-search", "search", role=labels.ROLE_DEPENDENCY, publish=ports)
        await add(engine, "shop-search.old-0123456789ab", "search", role=labels.ROLE_DEPENDENCY)
        await add(engine, "shop-web-r2", "web", publish=(Publish(80, 8080),))
        found = await with_deployed_dependencies(Fleet([session]), SHOP)
        assert plan_tunnels(found) == (
            Tunnel("db", 5432, 5432),
            Tunnel("queue", 5672, 5672),
            Tunnel("search", 9200, 9200),
            Tunnel("search", 9300, 9300),
        )
        with pytest.raises(UsageError, match="there is no dependency `serch`"):
            plan_tunnels(found, ["serch"])

    run(work())


def test_of_several_servers_each_dependency_has_its_own() -> None:
    """That where its container is, wherever its record says."""

    async def work() -> None:
        servers = tuple(ClusterServer(host=host) for host in ("a", "b"))
        shop = replace(SHOP, servers=servers)
        recorded = replace(with_units(DB, replace(QUEUE, on="a")), servers=servers)
        first, second = await server("a", ("r1", "live", recorded)), await server("b")
        await add(engine_of(second), "shop-queue", "queue", role=labels.ROLE_DEPENDENCY)
        found = await with_deployed_dependencies(Fleet([first, second]), shop)
        assert {each.name: found.server_for(each) for each in found.dependencies} == {"db": "a", "queue": "b"}

    run(work())


def test_nothing_is_there() -> None:
    """The project's name may be misspelt: a command says so, and shows no empty list."""

    async def work() -> None:
        fleet = Fleet([await server()])
        with pytest.raises(FtlError, match="shop is not deployed on here"):
            await with_deployed_dependencies(fleet, SHOP)
        with pytest.raises(FtlError, match="shop is not deployed on here"):
            await deployed_names(fleet, SHOP, jobs=False)

    run(work())


def test_logs_are_those_of_the_live_release_and_of_what_is_left() -> None:
    """Services, then dependencies, then other containers; jobs by themselves."""

    async def work() -> None:
        session = await server("here", ("r1", "live", with_units(DB)))
        await add(engine_of(session), "shop-old-r1", "old")
        await add(engine_of(session), "shop-web-r1", "web")
        job = {labels.JOB: "nightly"}
        await add(engine_of(session), "shop.job.nightly", "web", role=labels.ROLE_JOB, more=job)
        fleet = Fleet([session])
        assert await deployed_names(fleet, SHOP, jobs=False) == ("web", "db", "old")
        assert await deployed_names(fleet, SHOP, jobs=True) == ("nightly",)

    run(work())


def test_a_record_of_a_newer_version_hides_no_older_one() -> None:
    """It is an error only where it is the newest."""

    async def work() -> None:
        session = await server("here", ("r1", "live", with_units(DB)), ("r2", "live", with_units(QUEUE)))
        odd = ReleaseRecord("r1", "live", 1.0, project={"project": {"name": PROJECT}, "services": 3})
        await write_record(session.engine, PROJECT, odd)
        found = await with_deployed_dependencies(Fleet([session]), SHOP)
        assert [each.name for each in found.dependencies] == ["queue"]
        await write_record(session.engine, PROJECT, replace(odd, release="r3"))
        with pytest.raises(FtlError, match="the record of r3 cannot be read"):
            await deployed_project(session.engine, SHOP)

    run(work())
