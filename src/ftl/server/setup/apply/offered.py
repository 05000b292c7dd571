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

_DENIED = re.compile(r"^(\S+): Permission denied \(([^()\s]*)\)", re.MULTILINE)
"""The user and host of a refusal, and the logins that were offered: those of a jump host (ProxyJump), too."""

WITHOUT_ANYTHING = "none"


async def offered_logins(server: Target) -> tuple[str, ...]:
    """Ask a server, over a new connection and with no key, how its user may log in.

    Returns:
        "publickey", "password", "keyboard-interactive", ...; WITHOUT_ANYTHING where it lets this user in so.

    Raises:
        ServerError: It cannot be reached, or a jump host wants what nobody is asked for here, a passphrase.
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
        return (WITHOUT_ANYTHING,)
    # Anywhere in a line: a banner may end without a newline.
    asked = rf"{re.escape(f'{resolved.user}@{resolved.hostname}')}: Permission denied \(([^()\s]*)\)"
    if answer := re.search(asked, done.error_text, re.IGNORECASE):
        return tuple(filter(None, answer[1].split(",")))
    if jump := _DENIED.search(done.error_text):
        raise ServerError(
            f"{server.host} could not be asked how to log in: a jump host refuses {jump[1].lower()}",
            cause=jump[0],
            hint="nothing asks for a passphrase here: `ssh-add` gives the agent that host's key",
        )
    raise failures.failure(failures.Attempt(server, resolved), done.error_text)
