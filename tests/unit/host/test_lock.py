"""The deploy lock where no server answers as it should."""

from __future__ import annotations

import asyncio

import pytest

from ftl.errors import ServerError
from ftl.host import lock
from ftl.ssh.local import Local


def test_a_server_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that froze after the connection was up is a server out of reach, not a bug of ours."""
    monkeypatch.setattr(lock, "HOLD", "cat >/dev/null")
    monkeypatch.setattr(lock, "ANSWER", 0.1)

    async def take() -> None:
        async with Local() as machine, lock.locked(machine, "shop", holder="me", wait=0, emit=lambda _: None):
            raise AssertionError("there is no lock to be had")

    with pytest.raises(ServerError, match="does not answer"):
        asyncio.run(take())
