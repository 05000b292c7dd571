"""Programs of this machine that answer from its own files: ssh, ssh-keygen, ssh-add."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl.child import complete

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 1.5
"""For a program of this machine that answers from its own files."""


async def printed(argv: Sequence[str], *, agent: str | None = None) -> str | None:
    """Both outputs of a program, whatever its status; None where it does not run, or on and on."""
    env = None if agent is None else {**os.environ, "SSH_AUTH_SOCK": agent}
    try:
        done = await complete(argv, seconds=SECONDS, env=env)
    except (OSError, TimeoutError):
        return None
    return (done.stdout + done.stderr).decode(errors="replace")
