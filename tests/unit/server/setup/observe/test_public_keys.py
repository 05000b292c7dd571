"""The public keys to authorise for the deploy user."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Server
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
def test_only_a_plain_public_key_is_accepted(line: str, is_key: bool) -> None:
    """What goes into authorized_keys is one key, without options that change its rights."""
    assert (public_keys.parse(line) is not None) is is_key


async def keys_of(server: Server, *files: Path) -> tuple[str, ...]:
    """The keys that ssh would offer with these files and no agent."""
    resolved = Resolved("shop", "deploy", "22", strict=False, keys=tuple(map(str, files)))
    return await public_keys.public_keys(server, resolved, {})


def test_the_key_is_the_one_that_ssh_would_use(tmp_path: Path) -> None:
    """`server.ssh_key` only, derived from the private key if need be; else ssh's default files."""
    configured, default = tmp_path / "configured", tmp_path / "default"
    for key in (configured, default):
        subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    default_public = default.with_suffix(".pub").read_text().strip()
    body = configured.with_suffix(".pub").read_text().split()[1]
    configured.with_suffix(".pub").unlink()

    keys = asyncio.run(keys_of(Server(host="shop", ssh_key=str(configured)), default))
    assert [key.split()[1] for key in keys] == [body]
    assert asyncio.run(keys_of(Server(host="shop"), tmp_path / "none", default)) == (default_public,)
    with pytest.raises(UsageError, match="no public key"):
        asyncio.run(keys_of(Server(host="shop", ssh_key=str(tmp_path / "none"))))
