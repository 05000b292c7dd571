"""The public keys that `ssh` would log in with from here."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.config import Server
    from ftl.ssh.target import Resolved

_SECONDS = 10.0

# One line of an id_*.pub: its type, its body in base64, and a comment (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
_KEY = re.compile(
    r"(?P<type>[a-z][a-z0-9@.-]+) (?P<body>[A-Za-z0-9+/]{32,}={0,2})(?: (?P<comment>[^\r\n]*))?"
)


async def public_keys(
    server: Server, resolved: Resolved, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """The keys: `server.ssh_key`'s alone, or those of ssh's usual files and of the agent, the likeliest first.

    Args:
        server: Which.
        resolved: What ssh makes of it.
        environ: Where the agent's socket is named.

    Raises:
        UsageError: `server.ssh_key` has no public half that could be read.
    """
    if server.ssh_key is not None:
        if (key := await _of_file(server.ssh_key)) is not None:
            return (key,)
        raise UsageError(
            f"there is no public key for {server.ssh_key}",
            cause=f"there is no {server.ssh_key}.pub, and the key itself cannot be read without a passphrase",
            hint=f"`ssh-keygen -y -f {server.ssh_key} > {server.ssh_key}.pub` writes it",
        )
    found = [await _of_file(name) for name in resolved.keys]
    agent = await _printed("ssh-add", "-L") if environ.get("SSH_AUTH_SOCK") else []
    return tuple(dict.fromkeys(key for key in (*found, *agent) if key is not None))


def bodies(keys: Iterable[str]) -> str:
    """What tells each key, a line each: comments differ from place to place."""
    return "\n".join(key.split()[1] for key in keys)


def parse(line: str) -> str | None:
    """A public key as it is written into authorized_keys; None for anything else."""
    found = _KEY.fullmatch(line.strip())
    return None if found is None else found[0]


async def _of_file(name: str) -> str | None:
    """The public half of a key: the file beside it, else made from it."""
    private = os.path.expanduser(name)  # noqa: ASYNC240, PTH111 - a look at the disk, once
    key = _written(private)
    if key is None and _is_file(private):
        key = next(iter(await _printed("ssh-keygen", "-y", "-P", "", "-f", private)), None)
    return key


def _is_file(path: str) -> bool:
    return Path(path).is_file()


def _written(private: str) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return parse(Path(f"{private}.pub").read_text())
    return None


async def _printed(*argv: str) -> list[str]:
    """The keys that a program prints; none where it fails."""
    with suppress(OSError, TimeoutError):
        done = await complete(argv, seconds=_SECONDS)
        if done.exit_code == 0:
            lines = done.stdout.decode(errors="replace").splitlines()
            return [key for key in map(parse, lines) if key is not None]
    return []
