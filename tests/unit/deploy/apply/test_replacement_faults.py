"""The script that replaces containers, where FTL is gone or the engine does not do as told."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest

from ftl.deploy.apply.replacement_script import ReplacementScript
from ftl.deploy.plan.replacements import Proof
from ftl.errors import EngineError, ServerError
from ftl.locks.script_lines import ScriptLock
from ftl.ssh.local import Local
from tests.unit.deploy.apply.replacement_server import (
    AFTER,
    HOLDER,
    KEY,
    NONE,
    REPLACEMENT,
    TAKEN_BACK,
    Server,
    replaced,
    run,
)
from tests.unit.host.scripts.programs import put_programs

# A clock that goes on by what is waited for, an engine that hangs until it is given up, the server's log.
CLOCK = """#!/bin/sh
[ "$*" = +%s ] && cat "$FAKE/clock"
"""
QUICK = """#!/bin/sh
export PATH="${PATH#*:}"
[ ! -e "$FAKE/hangs" ] && [ ! -e "$FAKE/unreadable" ] || [ "$1" != 2 ] || {
    echo $(($(cat "$FAKE/clock") + 2)) >"$FAKE/clock"
    set -- 0
}
exec sleep "$1"
"""
HANGS = """#!/bin/sh
[ ! -e "$FAKE/hangs" ] || {
    echo $(($(cat "$FAKE/clock") + $3)) >"$FAKE/clock"
    exit 124
}
shift 3
exec "$@"
"""
LOGGER = """#!/bin/sh
echo "$*" >>"$FAKE/log"
"""


def test_nobody_has_the_lock_while_a_replacement_goes_on_without_ftl(server: Server) -> None:
    """The old container is stopping: another deploy would start a container beside the new one."""
    server.set("containers/0ld/waits")
    answers: list[str] = []

    async def work(script: ReplacementScript) -> None:
        asking = asyncio.ensure_future(replaced(script))
        await asyncio.sleep(0.3)
        asking.cancel()

    def then() -> None:
        answers.append(server.take_lock())
        (server.home / "containers/0ld/waits").unlink()

    run(work, then=then)
    assert answers == [f"goes-on {HOLDER}"]
    assert server.state == TAKEN_BACK
    assert server.take_lock() == "mine"


def test_the_next_deploy_is_not_held_up_by_a_plan_that_was_decided(server: Server) -> None:
    """Its script may be ending when the lock is wanted again."""

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        script.end()

    run(work, then=lambda: None if server.take_lock() == "mine" else pytest.fail("held"))


def test_a_file_of_somebody_else_in_the_place_of_the_lock_is_an_error(server: Server) -> None:
    """Nothing is replaced without it, and the message names it."""
    server.replacing.chmod(0o666)

    async def work() -> None:
        with pytest.raises(ServerError) as caught:
            await ReplacementScript.open(Local(), ScriptLock(KEY, HOLDER), NONE)
        assert caught.value.cause == f"{server.replacing} cannot be locked"

    asyncio.run(work())


def test_an_old_container_that_does_not_run_again_is_told(server: Server) -> None:
    """Undoing says so instead of going on."""

    async def work(script: ReplacementScript) -> None:
        number = script.begin(REPLACEMENT)
        await script.replace(number)
        server.set("containers/0ld/broken")
        with pytest.raises(EngineError) as caught:
            await script.back(number)
        assert caught.value.summary == (
            "what db replaced does not run again: the old container does not start again"
        )
        script.end()

    run(work)


def test_neither_starts(server: Server) -> None:
    """The error says that the old one does not run either."""
    server.set("containers/4e3/broken")
    server.set("containers/0ld/broken")

    async def work(script: ReplacementScript) -> None:
        with pytest.raises(EngineError) as caught:
            await replaced(script)
        assert caught.value.cause == "no such device; the old container does not start again"
        script.end()

    run(work)


def test_a_new_container_that_does_not_stop_is_killed(server: Server) -> None:
    """The old one runs again all the same."""

    async def work(script: ReplacementScript) -> None:
        number = script.begin(REPLACEMENT)
        await script.replace(number)
        server.set("containers/4e3/deaf")
        await script.back(number)
        script.end()

    run(work)
    assert "kill 4e3" in server.calls
    assert server.state == TAKEN_BACK


def test_an_engine_that_is_restarted_while_the_new_container_stops_is_waited_for(server: Server) -> None:
    """With live-restore the container runs on: it is stopped before the old one starts."""

    async def work(script: ReplacementScript) -> None:
        number = script.begin(REPLACEMENT)
        await script.replace(number)
        server.set("containers/4e3/crash")
        await script.back(number)
        script.end()

    run(work)
    assert server.state == TAKEN_BACK
    assert server.calls.count("stop -t 3 4e3") == 2


def test_what_ftl_gave_up_is_taken_back_by_the_server(server: Server) -> None:
    """Undoing ran into its limit: FTL ends without saying that all is settled."""

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        script.end(completed=False)

    run(work)
    assert server.state == TAKEN_BACK


def test_the_old_runs_again_where_the_new_one_is_gone(server: Server) -> None:
    """FTL removed it, and was killed then."""

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        shutil.rmtree(server.home / "containers/4e3")

    run(work)
    time.sleep(0.2)
    assert (server.home / "containers/0ld/status").read_text() == "running\n"


def test_an_engine_that_hangs_is_given_up_after_five_minutes(server: Server) -> None:
    """By the clock: each question may take its time, and the deploy lock is kept meanwhile."""
    put_programs(server.home / "bin", {"date": CLOCK, "timeout": HANGS, "sleep": QUICK})
    server.set("clock", "1000")

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        server.set("hangs")

    run(work)
    assert server.state == AFTER
    assert int((server.home / "clock").read_text()) < 1000 + 300 + 2 * 20 + 10


def test_what_cannot_be_read_is_asked_for_again(server: Server) -> None:
    """A file that a busy engine does not give at once is not one that says no: the live release would be stopped."""
    server.set("ftl-proxy/config/live/shop.web", "r2-web")
    server.set("unreadable")

    def then() -> None:
        time.sleep(0.5)
        (server.home / "unreadable").unlink()

    run(replaced, Proof("", ("shop.web=r2-web",)), then=then)
    assert server.state == AFTER


def test_what_stays_unreadable_is_left_as_it_is(server: Server) -> None:
    """And the server's log says so."""
    put_programs(server.home / "bin", {"date": CLOCK, "sleep": QUICK, "logger": LOGGER})
    server.set("clock", "1000")
    server.set("unreadable")
    run(replaced, Proof("", ("shop.web=r2-web",)))
    assert server.state == AFTER
    assert (server.home / "log").read_text() == (
        f"-t ftl {HOLDER}: whether it was decided cannot be read, all stays as it is\n"
    )
