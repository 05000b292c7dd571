"""The ways to log in that a running SSH server offers to anybody, as seen from here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.errors import ServerError
from ftl.ssh import failures
from ftl.ssh.configuration import resolve
from ftl.ssh.target import options

if TYPE_CHECKING:
    from ftl.ssh.target import Target

_SECONDS = 30.0

_OFFERED = re.compile(r"Permission denied \(([^()\s]*)\)")


async def offered_logins(server: Target) -> tuple[str, ...]:
    """Ask a server, over a new connection and with no key, how its user may log in.

    Returns:
        "publickey", "password", "keyboard-interactive", ...; "none" where it lets this user in without anything.

    Raises:
        ServerError: It cannot be reached.
    """
    resolved = await resolve(server)
    own = (
        "-S",
        "none",
        "-o",
        "ControlMaster=no",
        "-o",
        "BatchMode=yes",
        "-o",
        "PreferredAuthentications=none",
    )
    known = ("-o", f"StrictHostKeyChecking={'yes' if resolved.strict else 'accept-new'}")
    argv = ["ssh", *own, *known, *options(server), "--", server.address, "true"]
    try:
        done = await complete(argv, seconds=_SECONDS)
    except TimeoutError as error:
        raise ServerError(f"{server.host} did not say how to log in", cause=str(error)) from None
    if done.exit_code == 0:
        return ("none",)
    found = _OFFERED.search(done.error_text)
    if found is None:
        raise failures.failure(failures.Attempt(server, resolved), done.error_text)
    return tuple(filter(None, found[1].split(",")))
