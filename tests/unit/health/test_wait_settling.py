"""Wait for health: containers that answer and then exit, and known causes."""

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
from tests.support.fake_container import Behavior
from tests.support.fake_machine import CommandOutput
from tests.unit.common.test_proc_net import HEAD
from tests.unit.health.stage import IMAGE, NAME, OK, stage
from tests.unit.health.world import FAILING, HTTP, TCP, fail, now, wait

if TYPE_CHECKING:
    from ftl.events import Event


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
        made.machine.answer("cat", "/net/tcp", answer=CommandOutput(stdout=(HEAD + row).encode()))
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
        made.machine.answer(
            "cat", answer=CommandOutput(exit_code=1, stderr=b"cat: No such file or directory\n")
        )
        assert (await fail(made, TCP)).cause == "nothing listens on port 8000, nor on any other"

    run(work())


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
    ],
    ids=["path", "answers", "not-found", "server-error", "not-http"],
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


def test_a_container_that_answers_nothing_is_not_healthy() -> None:
    """It accepts connections, as a program that hangs does: requests would go to it and never come back."""

    async def work() -> None:
        made = await stage()
        check = replace(TCP, settle=SETTLE_SECONDS, early=True)
        async with made.listening(lambda: None):
            error = await fail(made, check)
        assert error.cause is not None
        assert error.cause.startswith(
            "it accepts connections, but does not answer `GET /`: no answer within "
        )
        assert check.allowance - 1 <= now() <= check.allowance + 2

    run(work())


@pytest.mark.parametrize("answer", [OK, FAILING, b"+OK hello\r\n"], ids=["ok", "server-error", "not-http"])
def test_a_first_answer_may_take_longer_than_a_probe(answer: bytes) -> None:
    """One request waits for it: a program that loads everything with the first request is no failure."""

    async def work() -> None:
        made = await stage()
        check = replace(TCP, settle=SETTLE_SECONDS, early=True)
        async with made.listening(lambda: answer, seconds=check.timeout + 4):
            await wait(made, check)
        assert SETTLE_SECONDS + check.timeout + 4 <= now() <= check.allowance

    run(work())


def test_a_container_that_exits_while_an_answer_is_waited_for_has_exited() -> None:
    """The end of its connection is no answer."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=4, seconds=6.0), restart=False)

        def answer() -> bytes | None:
            return None if now() < 6 else b""

        async with made.listening(answer, seconds=3):
            error = await fail(made, replace(TCP, settle=SETTLE_SECONDS, early=True))
        assert error.cause == "it exited with code 4"

    run(work())


def test_an_answer_of_an_earlier_run_says_nothing_of_the_next() -> None:
    """It answered with an error, and exited; the run after it accepts connections, and hangs."""

    async def work() -> None:
        made = await stage(Behavior(exit_code=1, seconds=2.0), restart=False)

        def stays() -> None:
            made.engine.behaviors[IMAGE] = Behavior()

        asyncio.get_running_loop().call_later(1, stays)
        async with made.listening(lambda: FAILING if now() < 2 else None):
            error = await fail(made, replace(TCP, start_period=10, settle=SETTLE_SECONDS, early=True))
        assert "does not answer `GET /`" in (error.cause or "") or "exited with code 1" in (error.cause or "")
        assert now() > 10

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
        made.machine.answer("cat", "/net/tcp", answer=CommandOutput(stdout=(HEAD + line).encode()))
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
        made.machine.answer("cat", "/net/tcp", answer=CommandOutput(stdout=(HEAD + line).encode()))
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
