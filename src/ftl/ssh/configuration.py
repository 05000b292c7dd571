"""Apply ssh's own configuration to a server's address: `ssh -G`, which makes no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.child import ChildTimeout, complete
from ftl.errors import ServerError
from ftl.ssh import failures
from ftl.ssh.target import UNRESOLVED, Resolved, options, resolved

if TYPE_CHECKING:
    from ftl.ssh.target import Target

_SECONDS = 60.0
"""A configuration may run programs (`Match exec`)."""


async def resolve(target: Target) -> Resolved:
    """Ask ssh about a server.

    Raises:
        ServerError: There is no ssh here, or its configuration is not as it should be.
    """
    try:
        answer = await complete(["ssh", "-G", *options(target), "--", target.address], seconds=_SECONDS)
    except FileNotFoundError:
        raise ServerError(
            "there is no `ssh` on this machine",
            hint="install OpenSSH's client (Debian, Ubuntu: `apt install openssh-client`)",
        ) from None
    except ChildTimeout as error:
        raise ServerError(
            "ssh hangs while it reads its configuration (`ssh -G`)",
            cause=error.complaint or None,
            hint="does a `Match exec` in ~/.ssh/config run a program that never ends?",
        ) from error
    if answer.exit_code != 0:
        attempt = failures.Attempt(target, UNRESOLVED)
        raise failures.failure(attempt, answer.error_text)
    return resolved(answer.text)
