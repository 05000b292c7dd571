"""The public keys that `ssh` would log in with from this machine."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.common.files import read_small_text
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ftl.config.models.project import Server
    from ftl.ssh.target import Resolved

_SECONDS = 10.0

# One line of an id_*.pub: its type, its body in base64, and a comment (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
_KEY = re.compile(
    r"(?P<type>[a-z][a-z0-9@.-]+) (?P<body>[A-Za-z0-9+/]{32,}={0,2})(?: (?P<comment>[^\r\n]*))?"
)


async def public_keys(
    server: Server, resolved: Resolved, environ: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """The keys: `server.ssh_key` only, or those of ssh's default files and then of the agent.

    `environ` names the agent's socket.

    Raises:
        UsageError: The public key of `server.ssh_key` cannot be read.
    """
    if server.ssh_key is not None:
        if (key := await _of_file(server.ssh_key)) is not None:
            return (key,)
        raise UsageError(
            f"there is no public key for {server.ssh_key}",
            cause=f"{server.ssh_key}.pub does not exist, and the key itself cannot be read without a passphrase",
            hint=f"`ssh-keygen -y -f {server.ssh_key} > {server.ssh_key}.pub` writes it",
        )
    in_files = [await _of_file(name) for name in resolved.keys]
    in_agent = await _printed("ssh-add", "-L") if environ.get("SSH_AUTH_SOCK") else []
    return tuple(dict.fromkeys(key for key in (*in_files, *in_agent) if key is not None))


def key_bodies(keys: Iterable[str]) -> str:
    """The base64 bodies of keys, a line each: they identify keys whose comments differ."""
    return "\n".join(key.split()[1] for key in keys)


def parse(line: str) -> str | None:
    """A public key as it is written into authorized_keys; None for anything else."""
    match = _KEY.fullmatch(line.strip())
    return None if match is None else match[0]


async def _of_file(name: str) -> str | None:
    """The public half of a private key's file: from the .pub file next to it, else derived from it."""
    private = os.path.expanduser(name)  # noqa: ASYNC240, PTH111 - a look at the disk, once
    key = _pub_file(private)
    if key is None and _is_file(private):
        key = next(iter(await _printed("ssh-keygen", "-y", "-P", "", "-f", private)), None)
    return key


def _is_file(path: str) -> bool:
    return Path(path).is_file()


def _pub_file(private: str) -> str | None:
    with suppress(OSError):
        return parse(read_small_text(Path(f"{private}.pub")))
    return None


async def _printed(*argv: str) -> list[str]:
    """The public keys that a program prints; none where it fails."""
    with suppress(OSError, TimeoutError):
        done = await complete(argv, seconds=_SECONDS)
        if done.exit_code == 0:
            lines = done.lines
            return [key for key in map(parse, lines) if key is not None]
    return []
