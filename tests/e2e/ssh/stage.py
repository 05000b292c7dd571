"""What SSH is tested with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.support.processes import command_lines

if TYPE_CHECKING:
    from collections.abc import Coroutine

# How long the tests wait for what must happen; nothing is measured.
PATIENCE = 20.0


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, 60))


async def until(condition: Any) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def processes(words: str) -> list[int]:
    """The processes on this machine whose arguments contain these words."""
    return list(command_lines(words))
