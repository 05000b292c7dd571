"""The wait for health: when it ends, how, and how often it probes. Virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.errors import Unhealthy
from ftl.events import Probed
from ftl.health.spec import SETTLE_SECONDS, HealthSpec
from ftl.health.wait import wait_healthy
from tests.support.clock import run
from tests.support.fake_engine import Behavior
from tests.support.fake_machine import Answer
from tests.unit.health.stage import IMAGE, NAME, OK, Stage, stage
from tests.unit.test_proc_net import HEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.events import Event

HTTP = HealthSpec(ports=(8000,), path="/up", interval=1, timeout=2, retries=10, settle=0)
TCP = replace(HTTP, path=None)

FAILING = b"HTTP/1.1 503 Not Yet\r\nContent-Length: 8\r\n\r\nmigrates"


def now() -> float:
    """Seconds since the test began."""
    return asyncio.get_running_loop().time()


async def wait(made: Stage, spec: HealthSpec) -> list[Probed]:
    """Wait for the container; what was probed meanwhile."""
    events: list[Event] = []
    await wait_healthy(
        made.engine, made.machine, service="web", container=NAME, check=spec, emit=events.append
    )
    return [event for event in events if isinstance(event, Probed)]


async def fail(made: Stage, spec: HealthSpec) -> Unhealthy:
    """Wait for a container that does not become healthy; the error."""
    with pytest.raises(Unhealthy) as raised:
        await wait(made, spec)
    return raised.value


def later(ready: float) -> Callable[[], bytes]:
    """Answers that fail until `ready`, and then are well."""
    return lambda: OK if now() >= ready else FAILING


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


def test_a_worker_that_exits_is_not_healthy() -> None:
    """However soon it would have been."""

    async def work() -> None:
        error = await fail(await stage(Behavior(exit_code=0, seconds=2.5), restart=False), HealthSpec())
        assert error.hint == "a service's command must keep running"

    run(work())


def test_a_refused_connection_is_explained_by_what_listens_inside() -> None:
    """The kernel's table of the container's process shows the address that nobody can reach."""

    async def work() -> None:
        made = await stage()
        row = "   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
        made.machine.answer("cat", "/net/tcp", answer=Answer(stdout=(HEAD + row).encode()))
        error = await fail(made, TCP)
        assert error.cause == "it listens on 127.0.0.1:8000, which only the container itself can reach"
        assert error.hint == "let the program listen on 0.0.0.0:8000"
        pid = (await made.state()).pid
        assert set(made.machine.commands) == {("cat", f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6")}

    run(work())


def test_a_table_that_cannot_be_read_is_no_second_error() -> None:
    """Another user's process under hidepid, or no /proc at all."""

    async def work() -> None:
        made = await stage()
        made.machine.answer("cat", answer=Answer(exit_code=1, stderr=b"cat: No such file or directory\n"))
        assert (await fail(made, TCP)).cause == "nothing listens on port 8000, nor on any other"

    run(work())


# --- exits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", [True, False])
def test_a_container_that_answers_and_then_exits_is_not_healthy(restart: bool) -> None:
    """Three seconds after each start: one good answer is not enough."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=4, seconds=3.0, log=("bad password",)), restart=restart)
        async with made.listening(lambda: OK):
            error = await fail(made, replace(HTTP, settle=SETTLE_SECONDS))
        assert error.cause == "it exited with code 4"
        assert "bad password" in error.details

    run(work())


@pytest.mark.parametrize(
    ("path", "answer", "seconds"),
    [
        ("/up", OK, 0),
        (None, OK, 0),
        (None, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0),
        (None, FAILING, SETTLE_SECONDS),
        (None, b"+OK hello\r\n", SETTLE_SECONDS),
        (None, None, SETTLE_SECONDS),
    ],
    ids=["path", "answers", "not-found", "server-error", "not-http", "silent"],
)
def test_a_container_that_answers_http_may_get_requests_before_it_has_settled(
    path: str | None, answer: bytes | None, seconds: float
) -> None:
    """Its check passes, or `/` has an answer; an accepted connection alone is not enough."""

    async def work() -> None:
        made = await stage()
        async with made.listening(lambda: answer):
            check = replace(HTTP, path=path, settle=SETTLE_SECONDS, early=True)
            healthy = await wait_healthy(
                made.engine, made.machine, service="web", container=NAME, check=check, emit=lambda _: None
            )
        assert healthy.settled_at == pytest.approx(SETTLE_SECONDS, abs=0.1)
        assert seconds <= now() <= seconds + 1.5

    run(work())


def test_a_container_that_recovers_within_its_start_period_is_healthy() -> None:
    """It exits while its database is not ready, and is started again until it is."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=1, seconds=0.3), restart=False)

        def ready() -> None:
            made.engine.behaviors[IMAGE] = Behavior()

        asyncio.get_running_loop().call_later(5, ready)
        async with made.listening(lambda: OK):
            probes = await wait(made, replace(HTTP, start_period=20, settle=SETTLE_SECONDS))
        assert probes[-1].healthy
        assert "it exited with code 1; it is started again" in {probe.outcome for probe in probes}
        assert 5 + SETTLE_SECONDS <= now() <= 12

    run(work())


def test_the_first_exit_is_the_reason_when_the_start_period_is_over() -> None:
    """Later exits may have other codes, as those that follow from the first."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=7, seconds=0.3, log=("no table",)), restart=False)

        def otherwise() -> None:
            made.engine.behaviors[IMAGE] = Behavior(exit_code=0, seconds=0.3, log=("locked",))

        asyncio.get_running_loop().call_later(1, otherwise)
        error = await fail(made, replace(HTTP, start_period=5))
        assert error.cause == "it exited with code 7"
        assert error.details == (f"the only log line of {NAME}:", "no table")
        assert 5 <= now() <= 7

    run(work())


# --- causes that do not pass ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cause", "seconds"),
    [
        ("0100007F:1F40", "it listens on 127.0.0.1:8000, which only the container itself can reach", 6),
        ("00000000:0BB8", "nothing listens on port 8000; it listens on 3000", 13),
    ],
)
@pytest.mark.parametrize("start_period", [0.0, 20.0])
def test_a_known_cause_is_shown_at_once_and_ends_the_wait_early(
    row: str, cause: str, seconds: float, start_period: float
) -> None:
    """Once it has lasted a while, for some programs open another port first; and not within `start_period`."""

    async def work() -> None:
        made = await stage()
        line = f"   0: {row} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
        made.machine.answer("cat", "/net/tcp", answer=Answer(stdout=(HEAD + line).encode()))
        events: list[Event] = []
        with pytest.raises(Unhealthy) as raised:
            await wait_healthy(
                made.engine,
                made.machine,
                service="web",
                container=NAME,
                check=replace(TCP, retries=30, start_period=start_period),
                emit=events.append,
            )
        assert raised.value.cause == cause
        first = next(event for event in events if isinstance(event, Probed) and cause in event.outcome)
        assert first.seconds < 2.5
        assert start_period <= now() <= max(seconds, start_period + 1.5)

    run(work())


def test_a_port_that_opens_later_is_waited_for() -> None:
    """A port for metrics is open first, for less long than what counts as a mistake."""

    async def work() -> None:
        made = await stage()
        line = "   0: 00000000:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1\n"
        made.machine.answer("cat", "/net/tcp", answer=Answer(stdout=(HEAD + line).encode()))
        task = asyncio.ensure_future(wait(made, TCP))
        await asyncio.sleep(8)
        async with made.listening(lambda: None):
            assert (await task)[-1].healthy

    run(work())


@pytest.mark.parametrize(
    "line",
    [
        'psycopg.OperationalError: FATAL:  password authentication failed for user "blog"',
        "ERROR 1045 (28000): Access denied for user 'blog'@'10.0.0.3' (using password: YES)",
    ],
)
def test_a_refused_login_is_explained_by_when_a_database_takes_its_password(line: str) -> None:
    """The volume was initialised with other values than the variables have now."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=1, seconds=0.3, log=("starting", line, "bye")), restart=False)
        error = await fail(made, HTTP)
        assert error.cause == f"it exited with code 1; its log: {line}"
        assert "first initialises its data" in (error.hint or "")

    run(work())
