"""The wait for health: when it ends, how, and how often it probes. Virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ftl.events import Probed
from ftl.health.spec import SETTLE_SECONDS, HealthSpec
from tests.support.clock import run
from tests.support.fake_container import Behavior
from tests.unit.health.stage import NAME, OK, stage
from tests.unit.health.world import FAILING, HTTP, TCP, fail, later, now, wait


def test_a_container_that_answers_is_healthy_at_once() -> None:
    """One probe, and no wait."""

    async def work() -> None:
        made = await stage()
        async with made.listening(lambda: OK):
            probes = await wait(made, HTTP)
        assert probes == [Probed("web", NAME, "200", True, 0.0, HTTP.allowance)]
        assert now() == 0

    run(work())


def test_a_container_that_takes_its_time_is_waited_for() -> None:
    """Each probe is an event with its result; the wait ends soon after the container is ready."""

    async def work() -> None:
        made = await stage()
        async with made.listening(later(5.0)):
            probes = await wait(made, HTTP)
        assert {probe.outcome for probe in probes[:-1]} == {"503 Not Yet"}
        assert probes[-1].healthy
        assert 5.0 <= now() <= 6.0
        assert len(probes) < 15

    run(work())


def test_a_short_allowance_does_not_fail_a_container_that_passes() -> None:
    """Three retries of 200 ms are over before it has run long enough; it answers all the while."""

    async def work() -> None:
        made = await stage()
        async with made.listening(lambda: OK):
            probes = await wait(made, replace(HTTP, interval=0.2, retries=3, settle=SETTLE_SECONDS))
        assert probes[-1].healthy
        assert SETTLE_SECONDS <= now() <= SETTLE_SECONDS + 1

    run(work())


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({}, 10),
        ({"retries": 3}, 3),
        ({"interval": 0.5}, 5),
        ({"interval": 0.2, "retries": 5}, 1),
        ({"start_period": 20.0}, 30),
        ({"docker_check": 15.0}, 25),
    ],
)
def test_the_numbers_of_the_check_bound_the_wait(changes: dict[str, float], seconds: float) -> None:
    """It is given up after start_period + interval * retries, plus what Docker's own check may take."""
    spec = HealthSpec(**{"ports": (8000,), "path": "/up", "retries": 10, **changes})  # type: ignore[arg-type]

    async def work() -> None:
        made = await stage()
        async with made.listening(lambda: FAILING):
            error = await fail(made, spec)
        assert error.cause == "it answered 503 Not Yet: migrates"
        assert seconds <= now() <= seconds + spec.interval

    run(work())


def test_a_container_that_is_ready_within_its_start_period_is_healthy() -> None:
    """Its retries begin after that."""
    spec = replace(HTTP, retries=1, start_period=30)

    async def work() -> None:
        made = await stage()
        async with made.listening(later(29.0)):
            await wait(made, spec)
        assert now() >= 29

    run(work())


def test_a_silent_container_takes_the_timeout_for_each_probe() -> None:
    """The allowance counts seconds, not probes."""

    async def work() -> None:
        made = await stage()
        async with made.listening(lambda: None):
            error = await fail(made, HTTP)
        assert error.cause == "no answer within 2 s"
        assert HTTP.allowance <= now() <= HTTP.allowance + 2 + 1

    run(work())


def test_a_container_that_exits_ends_the_wait() -> None:
    """At the next inspection, with the exit code and the last log lines."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=3, seconds=2.0, log=("hello", "no database")), restart=False)
        error = await fail(made, HTTP)
        assert error.message == f"web did not become healthy: {NAME} ended"
        assert error.cause == "it exited with code 3"
        assert error.details == (f"the last 2 log lines of {NAME}:", "hello", "no database")
        assert error.place is not None
        assert error.place.service == "web"
        assert 2 <= now() <= 3

    run(work())


def test_a_container_that_the_engine_restarts_ends_the_wait() -> None:
    """One that exited does not count as starting, although it runs again by the next look."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=1, seconds=2.0))
        error = await fail(made, HTTP)
        assert error.cause == "it exited with code 1"

    run(work())


def test_a_restarting_container_is_explained_by_a_moment_when_it_is_down() -> None:
    """While it runs, the engine's state has no exit code (0), which would be the wrong one."""

    async def work() -> None:
        made = await stage()
        made.container.restarts = 1

        def crash() -> None:
            made.container.end(7)

        asyncio.get_running_loop().call_later(1.5, crash)
        async with made.listening(lambda: OK):  # one that answers between its crashes is not healthy
            error = await fail(made, HTTP)
        assert error.cause == "it exited with code 7"

    run(work())


def test_a_removed_container_ends_the_wait() -> None:
    """Something else removed it: there is no log to show."""

    async def work() -> None:
        made = await stage()
        await made.engine.remove(NAME, force=True)
        error = await fail(made, HTTP)
        assert "gone" in (error.cause or "")
        assert error.details == (f"{NAME} logged nothing",)

    run(work())


def test_a_failed_check_of_dockers_ends_the_wait() -> None:
    """Docker has retried it already."""

    async def work() -> None:
        made = await stage(Behavior(health="unhealthy"))
        error = await fail(made, replace(TCP, docker_check=60))
        assert (error.cause or "").startswith("Docker's health check failed")
        assert now() == 0

    run(work())


def test_dockers_check_is_waited_for() -> None:
    """Also where the port accepts connections already."""

    async def work() -> None:
        made = await stage(Behavior(health="starting"))

        def pass_() -> None:
            made.container.health = "healthy"

        asyncio.get_running_loop().call_later(12, pass_)
        async with made.listening(lambda: None):
            await wait(made, replace(TCP, docker_check=20))
        assert 12 <= now() <= 13

    run(work())


def test_a_worker_is_healthy_once_it_has_kept_running() -> None:
    """For a few seconds: one that cannot start has exited by then."""

    async def work() -> None:
        probes = await wait(await stage(), HealthSpec())
        assert {probe.outcome for probe in probes[:-1]} == {"running, started just now"}
        assert 3.5 <= now() <= 4.5

    run(work())


# --- exits ------------------------------------------------------------------------------------------


# --- causes that do not pass ------------------------------------------------------------------------
