"""Health of services in the status: what their containers answer, and how they ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import HealthCheck
from ftl.operations.views.units import Unit
from tests.support.clock import run
from tests.unit.deploy.world import project
from tests.unit.operations.stage import add
from tests.unit.operations.views.status_stage import WEB, WORKER, Server, failing

if TYPE_CHECKING:
    from ftl.engine.values import ContainerState


def test_a_healthy_service() -> None:
    """All replicas answer: its release is live, its image is named, the port inside is shown."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            await server.web("shop-web-r1-2")
            found = await server.status(project(WEB))
        web = found.units[0]
        assert (found.deployed, found.release, found.engine) == (True, "r1", "28.5.2")
        assert web == Unit(
            name="web",
            kind="service",
            release="r1",
            live=True,
            running=2,
            wanted=2,
            image="shop-web:r1",
            healthy=True,
            health="healthy",
            since="2026-01-02T03:04:05Z",
            ports=("8000",),
        )

    run(work())


@pytest.mark.parametrize(
    ("answer", "health"),
    [
        (failing("500 Oops"), "500 Oops"),
        (None, "connection refused"),
        (failing("301 Moved"), "301 Moved"),
    ],
)
def test_one_replica_that_fails_makes_the_service_unhealthy(answer: bytes | None, health: str) -> None:
    """The reason is shown; it still counts as running."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            await server.web("shop-web-r1-2", answer=answer)
            units = await server.units(project(WEB))
        web = units["web", "r1"]
        assert (web.running, web.healthy, web.health) == (2, False, health)

    run(work())


@pytest.mark.parametrize(
    ("changes", "health"),
    [
        ({"state": "exited", "exit_code": 3}, "exited (3)"),
        ({"state": "exited", "exit_code": 137, "oom_killed": True}, "out of memory"),
        ({"state": "restarting", "exit_code": 1}, "restarting (exited 1)"),
    ],
)
def test_a_container_that_is_down_is_shown_with_its_reason(changes: dict[str, object], health: str) -> None:
    """It is not probed, and not counted as running."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            await server.web("shop-web-r1-2")
            for name, value in changes.items():
                setattr(server.engine.by_name["shop-web-r1-2"], name, value)
            units = await server.units(project(WEB))
        web = units["web", "r1"]
        assert (web.running, web.wanted, web.healthy, web.health) == (1, 2, False, health)

    run(work())


def test_a_worker_that_runs_is_healthy_at_once() -> None:
    """Status does not wait for it to settle, as a deploy does."""

    async def work() -> None:
        async with Server() as server:
            await add(server.engine, "shop-worker-r1", "worker")
            units = await server.units(project(WORKER))
        assert (units["worker", "r1"].healthy, units["worker", "r1"].ports) == (True, ())

    run(work())


def test_a_slow_answer_is_given_up_after_three_seconds() -> None:
    """Whatever timeout the project allows: people wait for the table."""

    async def work() -> float:
        slow = replace(WEB, health_check=HealthCheck(path="/up", timeout=60), replicas=1)
        async with Server() as server:
            await server.web("shop-web-r1", answer=b"")
            units = await server.units(project(slow))
        assert units["web", "r1"].health == "no answer within 3 s"
        return asyncio.get_running_loop().time()

    assert run(work()) == pytest.approx(3, abs=0.1)


def test_a_container_that_is_removed_meanwhile() -> None:
    """It was listed, and is gone when it is looked at."""

    async def work() -> None:
        async with Server() as server:
            await add(server.engine, "shop-worker-r1", "worker")
            state = server.engine.container

            async def gone(name: str) -> None:
                await server.engine.remove(name, force=True)
                assert await state(name) is None

            server.engine.container = gone  # type: ignore[method-assign]
            units = await server.units(project(WORKER))
        assert (units["worker", "r1"].running, units["worker", "r1"].health) == (0, "removed")

    run(work())


def test_containers_are_checked_while_the_engine_still_reads_files() -> None:
    """Reading the records and the proxy's files may take as long as a round trip: the checks do not wait for it."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            inspected = asyncio.Event()
            state, files = server.engine.container, server.engine.get_archive

            async def inspect(name: str) -> ContainerState | None:
                if name == server.engine.by_name["shop-web-r1-1"].id:
                    inspected.set()
                return await state(name)

            async def read(container: str, path: str) -> dict[str, bytes] | None:
                await inspected.wait()
                return await files(container, path)

            server.engine.container = inspect  # type: ignore[method-assign]
            server.engine.get_archive = read  # type: ignore[method-assign]
            async with asyncio.timeout(5):
                units = await server.units(project(WEB))
        assert units["web", "r1"].healthy

    run(work())


def test_a_container_that_exits_again_and_again_is_not_healthy_between_two_exits() -> None:
    """Its restarts are told for ten minutes; the fake's containers have been up for two."""

    async def work() -> None:
        async with Server() as server:
            await server.web("shop-web-r1-1")
            await server.web("shop-web-r1-2")
            server.engine.by_name["shop-web-r1-2"].restarts = 4
            unit = (await server.units(project(WEB)))["web", "r1"]
            assert (unit.running, unit.healthy) == (2, False)
            assert unit.health == "it exits: restarted 4 times, 2 minutes ago"

    run(work())
