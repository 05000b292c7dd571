"""Slots for sessions that commands share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.ssh.multiplexing.sessions import Sessions, Slot

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from ftl.ssh.multiplexing.sessions import SessionKind


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, 20))


async def taken(sessions: Sessions, kind: SessionKind = "stay") -> Slot:
    """A slot that is there."""
    slot = await sessions.take(kind)
    assert slot is not None
    return slot


def test_commands_that_share_a_connection_take_eight_slots_together(tmp_path: Path) -> None:
    """The ninth waits until one is released, by whichever of them."""

    async def work() -> None:
        one, other = Sessions(tmp_path), Sessions(tmp_path)
        slots = [await taken(one) for _ in range(3)] + [await taken(other) for _ in range(5)]
        ninth = asyncio.create_task(one.take("run"))
        await asyncio.sleep(0.2)
        assert not ninth.done()
        slots.pop().release()
        slot = await ninth
        assert slot is not None
        for each in [*slots, slot]:
            each.release()

    run(work())


def test_a_command_runs_four_at_a_time(tmp_path: Path) -> None:
    """So that others find slots, too; a connection that is not shared has the same bound."""

    async def work() -> None:
        for folder in (tmp_path, None):
            sessions, running, most = Sessions(folder), 0, 0

            async def one(sessions: Sessions = sessions) -> None:
                nonlocal running, most
                slot = await taken(sessions, "run")
                running += 1
                most = max(most, running)
                await asyncio.sleep(0.01)
                running -= 1
                slot.release()

            await asyncio.gather(*(one() for _ in range(10)))
            assert most == 4
            assert sessions.open == 0

    run(work())


def test_a_slot_is_released_when_its_process_has_ended(tmp_path: Path) -> None:
    """Whatever its end."""

    async def work() -> None:
        sessions = Sessions(tmp_path)
        for _again in range(12):
            process = await asyncio.create_subprocess_exec("true")
            sessions.release_after(process, await taken(sessions))
            await process.wait()
            await asyncio.sleep(0)

    run(work())


def test_ordinary_sessions_leave_two_of_ten_to_end_commands() -> None:
    """Eight that stay open take all others; a command that is given up can still be ended."""

    async def work() -> None:
        sessions = Sessions(None)
        slots = [await taken(sessions) for _ in range(8)]
        assert await sessions.take("stay") is None
        assert await sessions.take("run") is None
        await taken(sessions, "end")
        slots[0].release()
        assert await sessions.take("run") is None  # one of them ends another
        slots[1].release()
        await taken(sessions, "run")

    run(work())


def test_a_refused_session_teaches_the_servers_limit() -> None:
    """With `MaxSessions 3` the fourth is refused once; from then on there are three."""

    async def work() -> None:
        sessions = Sessions(None)
        slots = [await taken(sessions) for _ in range(2)] + [await taken(sessions, "run")]
        (await taken(sessions)).refuse()
        assert sessions.limit == 3
        waiting = asyncio.create_task(sessions.take("stay"))
        await asyncio.sleep(0)
        assert not waiting.done()  # a command that runs to its end makes room
        slots.pop().release()
        assert await waiting is not None
        assert await sessions.take("stay") is None  # nothing that stays open does
        assert await sessions.take("end") is None

    run(work())


def test_a_session_that_is_refused_alone_is_tried_again() -> None:
    """The server may not have noticed yet that another has ended; after five refusals the connection is not used."""

    async def work() -> None:
        sessions = Sessions(None)
        for _ in range(5):
            assert sessions.limit == 10
            (await taken(sessions)).refuse()
        assert await sessions.take("stay") is None

    run(work())


def test_only_the_first_session_of_a_connection_is_known_to_be_allowed(tmp_path: Path) -> None:
    """Another process's session counts as well."""

    async def work() -> None:
        one, other = Sessions(tmp_path), Sessions(tmp_path)
        first = await taken(one)
        assert first.is_allowed
        assert not (await taken(other)).is_allowed
        assert not (await taken(one)).is_allowed
        alone = Sessions(None)
        slots = [await taken(alone) for _ in range(2)]
        assert [slot.is_allowed for slot in slots] == [True, False]
        for slot in slots:
            slot.release()
        assert not (await taken(alone)).is_allowed  # those have just ended

    run(work())
