"""Tests of transfers to users with unusual login shells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.transfer.images import run
from tests.e2e.support.transfer.servers import (
    OwnImages,
    TransferServers,
    bring,
    packages,
    printed,
    reach,
    slow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

    from ftl.image.transfer import TransferResult


pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]


@pytest.fixture
def talker(transfer_servers: TransferServers) -> Iterator[tuple[Server, str]]:
    """A user whose shell prints greetings on both outputs, and changes the format of `ls`."""
    server, name = transfer_servers.server("bookworm", "overlay2"), "talker"
    greeting = "echo 'Welcome! zstd docker exact layer'; echo 'error: nobody reads this' >&2\n"
    greeting += 'export TIME_STYLE=long-iso XDG_CACHE_HOME="$HOME/my cache"\n'
    _join(server, name, "/bin/bash")
    server.write(f"/home/{name}/.bashrc", greeting)
    yield server, name
    server.run("userdel", "--remove", "--force", name, check=False)


def _join(server: Server, name: str, shell: str) -> None:
    """Add a user in the group docker, with the key of the lab's user."""
    server.run("useradd", "--create-home", "--shell", shell, "--groups", "docker", name)
    server.run("cp", "/etc/ssh/authorized_keys/ftl", f"/etc/ssh/authorized_keys/{name}")


async def two_releases(
    server: Server, own_images: OwnImages, user: str
) -> tuple[TransferResult, TransferResult]:
    """A first image, and a second one that is sent as a delta."""
    async with reach(server, user=user) as between:
        made = [
            own_images.of(text, packages(own_images.name, count))
            for text, count in (("one", 60), ("two", 61))
        ]
        first = await bring(between, made[0], own_images.tag("r1"), own_images.tag("r1"))
        slow(server)
        return first, await bring(between, made[1], own_images.tag("r2"), own_images.tag("r2"))


def test_a_shell_that_prints_greetings(
    talker: tuple[Server, str], target: Server, own_images: OwnImages
) -> None:
    """Greetings are ignored, and the cache folder may have a space in its name."""
    server, user = talker
    first, second = run(two_releases(server, own_images, user))
    assert (first.layers_sent, second.layers_delta) == (3, 1)
    assert printed(server, own_images.tag("r2")) == f"two {own_images.name}"
    assert server.run("ls", f"/home/{user}/my cache/ftl/layers").stdout


@pytest.mark.nightly
@pytest.mark.parametrize("shell_name", ["fish", "zsh", "tcsh"])
def test_a_shell_of_another_kind(
    server_factory: ServerFactory, own_images: OwnImages, shell_name: str
) -> None:
    """The scripts run in `sh`, whatever the login shell."""
    server = server_factory(shell_name)
    server.run(
        "sh",
        "-c",
        "apt-get -q update && apt-get -q install -y --no-install-recommends $0",
        shell_name,
        timeout=300,
    )
    _join(server, "other", f"/usr/bin/{shell_name}")
    first, second = run(two_releases(server, own_images, "other"))
    assert (first.layers_sent, second.layers_sent) == (3, 2)
    assert printed(server, own_images.tag("r2")) == f"two {own_images.name}"
