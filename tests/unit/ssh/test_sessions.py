"""Slots for sessions that commands share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ftl.ssh.sessions import Sessions, release

if TYPE_CHECKING:
    from pathlib import Path


def test_commands_that_share_a_connection_take_eight_slots_together(tmp_path: Path) -> None:
    """The ninth waits until one is released, by whichever of them."""

    async def work() -> None:
        async with asyncio.timeout(20):
            one, other = Sessions(tmp_path), Sessions(tmp_path)
            slots = [await one.take() for _ in range(3)] + [await other.take() for _ in range(5)]
            ninth = asyncio.create_task(one.take())
            await asyncio.sleep(0.2)
            assert not ninth.done()
            release(slots.pop())
            slots.append(await ninth)
            for slot in slots:
                release(slot)

    asyncio.run(work())


def test_a_command_runs_four_at_a_time(tmp_path: Path) -> None:
    """So that others find slots, too; a connection of its own has no other bound."""

    async def work() -> None:
        async with asyncio.timeout(20):
            for folder in (tmp_path, None):
                sessions, running, most = Sessions(folder), 0, 0

                async def one(sessions: Sessions = sessions) -> None:
                    nonlocal running, most
                    async with sessions.one():
                        running += 1
                        most = max(most, running)
                        await asyncio.sleep(0.01)
                        running -= 1

                await asyncio.gather(*(one() for _ in range(10)))
                assert most == 4

    asyncio.run(work())


def test_a_slot_is_released_when_its_process_has_ended(tmp_path: Path) -> None:
    """Whatever its end."""

    async def work() -> None:
        async with asyncio.timeout(20):
            sessions = Sessions(tmp_path)
            for _again in range(12):
                process = await asyncio.create_subprocess_exec("true")
                sessions.release_after(process, await sessions.take())
                await process.wait()

    asyncio.run(work())
