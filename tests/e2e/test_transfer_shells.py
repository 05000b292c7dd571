"""Tests of transfers to users with unusual login shells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.transfer_images import run
from tests.e2e.transfer_stage import Bench, Fleet, bring, packages, printed, reach, slow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

    from ftl.image.transfer import TransferResult


pytestmark = [pytest.mark.server, pytest.mark.usefixtures("newcomer")]


@pytest.fixture
def talker(fleet: Fleet) -> Iterator[tuple[Server, str]]:
    """A user whose shell prints greetings on both outputs, and changes the format of `ls`."""
    server, name = fleet.server("bookworm", "overlay2"), "talker"
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


async def two_releases(server: Server, bench: Bench, user: str) -> tuple[TransferResult, TransferResult]:
    """A first image, and a second one that is sent as a delta."""
    async with reach(server, user=user) as between:
        made = [bench.of(text, packages(bench.name, count)) for text, count in (("one", 60), ("two", 61))]
        first = await bring(between, made[0], bench.tag("r1"), bench.tag("r1"))
        slow(server)
        return first, await bring(between, made[1], bench.tag("r2"), bench.tag("r2"))


def test_a_shell_that_prints_greetings(talker: tuple[Server, str], target: Server, bench: Bench) -> None:
    """Greetings are ignored, and the cache folder may have a space in its name."""
    server, user = talker
    first, second = run(two_releases(server, bench, user))
    assert (first.layers_sent, second.layers_delta) == (3, 1)
    assert printed(server, bench.tag("r2")) == f"two {bench.name}"
    assert server.run("ls", f"/home/{user}/my cache/ftl/layers").stdout


@pytest.mark.nightly
@pytest.mark.parametrize("shell_name", ["fish", "zsh", "tcsh"])
def test_a_shell_of_another_kind(server_factory: ServerFactory, bench: Bench, shell_name: str) -> None:
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
    first, second = run(two_releases(server, bench, "other"))
    assert (first.layers_sent, second.layers_sent) == (3, 2)
    assert printed(server, bench.tag("r2")) == f"two {bench.name}"
