"""The root shell, with a machine whose answers are not answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.errors import ServerError
from ftl.server.setup.apply.root_shell import RootShell
from ftl.spawn import READ_LIMIT
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence


class NoisyMachine(Local):
    """A machine whose shell writes a line without end before it runs anything."""

    async def start(self, argv: Sequence[str]) -> Process:
        """Start that shell."""
        return await super().start(
            ["sh", "-c", f"head -c {2 * READ_LIMIT} /dev/zero | tr '\\0' x; cat", *argv]
        )


def test_an_endless_line_is_an_error() -> None:
    """A message instead of a traceback; and the line is not kept in memory."""

    async def work() -> None:
        async with NoisyMachine() as machine, RootShell(machine, user="me", password="", emit=lambda _: None):
            pass

    with pytest.raises(ServerError, match="cannot be read") as caught:
        asyncio.run(work())
    assert "a line of more than 1 MiB" in (caught.value.cause or "")
