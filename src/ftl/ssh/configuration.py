"""What ssh's own configuration makes of a server: ssh is asked (`ssh -G`), and makes no connection."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ftl.errors import ServerError
from ftl.ssh.target import Resolved, options, resolved

if TYPE_CHECKING:
    from ftl.ssh.target import Target

_SECONDS = 60.0
"""A configuration may run programs (`Match exec`)."""


async def resolve(target: Target) -> Resolved:
    """Ask ssh about a server.

    Raises:
        ServerError: There is no ssh here, or its configuration is not as it should be.
    """
    from ftl.child import complete

    try:
        answer = await complete(_question(target), seconds=_SECONDS)
    except FileNotFoundError:
        raise _missing() from None
    except TimeoutError as error:
        raise _hanging() from error
    return _understood(target, answer.exit_code, answer.stdout, answer.stderr)


def resolve_at_once(target: Target) -> Resolved:
    """The same where there is no event loop yet."""
    try:
        answer = subprocess.run(
            _question(target),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise _missing() from None
    except subprocess.TimeoutExpired as error:
        raise _hanging() from error
    return _understood(target, answer.returncode, answer.stdout, answer.stderr)


def _question(target: Target) -> list[str]:
    return ["ssh", "-G", *options(target), "--", target.address]


def _understood(target: Target, status: int, said: bytes, complaint: bytes) -> Resolved:
    if status != 0:
        from ftl.ssh.failures import Attempt, failure

        nothing = Resolved("", "", "22", strict=False)
        raise failure(Attempt(target, nothing), complaint.decode(errors="replace"))
    return resolved(said.decode(errors="replace"))


def _missing() -> ServerError:
    return ServerError(
        "there is no `ssh` on this machine",
        hint="install OpenSSH's client (Debian, Ubuntu: `apt install openssh-client`)",
    )


def _hanging() -> ServerError:
    return ServerError("ssh does not come to terms with its configuration (`ssh -G` hangs)")
