"""What our hand on a server makes of answers that are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ftl.child import READ_LIMIT
from ftl.errors import ServerError
from ftl.server.setup.apply.root_shell import RootShell
from ftl.ssh.local import Local

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence


class Babbler(Local):
    """A machine whose shell writes without end, whatever it is to run."""

    async def start(self, argv: Sequence[str]) -> Process:
        """Start that."""
        return await super().start(
            ["sh", "-c", f"head -c {2 * READ_LIMIT} /dev/zero | tr '\\0' x; cat", *argv]
        )


def test_a_line_without_end_is_a_sentence() -> None:
    """Not a traceback; and nothing of it is kept."""

    async def work() -> None:
        async with Babbler() as machine, RootShell(machine, user="me", password="", emit=lambda _: None):
            pass

    with pytest.raises(ServerError, match="cannot be read") as caught:
        asyncio.run(work())
    assert "a line of more than 1 MiB" in (caught.value.cause or "")
