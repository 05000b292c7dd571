"""Which key lets the user who deploys in."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.config import Server
from ftl.errors import UsageError
from ftl.server.setup.observe import public_keys
from ftl.ssh.target import Resolved
from tests.unit.server.setup.world import KEY

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("line", "is_key"),
    [
        (KEY, True),
        (KEY.rpartition(" ")[0], True),
        ("sk-ssh-ed25519@openssh.com " + KEY.split()[1], True),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", False),
        ("The agent has no identities.", False),
        (f"{KEY}\nssh-rsa AAAA", False),
        (f'command="sh" {KEY}', False),
    ],
)
def test_only_a_public_key_is_written_into_authorized_keys(line: str, is_key: bool) -> None:
    """One key, and nothing that would give it more or less rights."""
    assert (public_keys.parse(line) is not None) is is_key


async def keys_of(server: Server, *files: Path) -> tuple[str, ...]:
    """The keys that ssh would offer with these files and no agent."""
    resolved = Resolved("shop", "deploy", "22", strict=False, keys=tuple(map(str, files)))
    return await public_keys.public_keys(server, resolved, {})


def test_the_key_is_the_one_that_ssh_would_use(tmp_path: Path) -> None:
    """`server.ssh_key` alone if it is named, made from the private half if need be; else ssh's usual files."""
    import asyncio

    one, other = tmp_path / "one", tmp_path / "other"
    for key in (one, other):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    written = other.with_suffix(".pub").read_text().strip()
    body = one.with_suffix(".pub").read_text().split()[1]
    one.with_suffix(".pub").unlink()

    named = asyncio.run(keys_of(Server(host="shop", ssh_key=str(one)), other))
    assert [key.split()[1] for key in named] == [body]
    assert asyncio.run(keys_of(Server(host="shop"), tmp_path / "none", other)) == (written,)
    with pytest.raises(UsageError, match="no public key"):
        asyncio.run(keys_of(Server(host="shop", ssh_key=str(tmp_path / "none"))))
