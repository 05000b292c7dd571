"""The pages about servers of one's own, followed by a reader who has some."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.harness import ROOT, Outcome, reset_ssh
from tests.support.pages import Command, blocks
from tests.support.reader import Reader, compare
from tests.support.walks import WALKS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.servers import Lab, Server
    from tests.e2e.conftest import ServerFactory

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

BARE = "docs/how-to/set-up-a-server.md"
SEVERAL = "docs/how-to/several-servers.md"


def reader_of(
    page: str, servers: Sequence[Server], user: dict[str, str], folder: Path, *, login: str = ""
) -> Reader:
    """A reader in a new folder, whose ssh reaches the page's hosts with the key that it would offer."""
    home = Path(user["HOME"])
    reset_ssh(home)
    config = home / ".ssh" / "config"
    lines = [config.read_text()]
    for host, server in zip(WALKS[page].servers, servers, strict=True):
        lines += [f"Host {host}", f"  HostName {server.host}", f"  Port {server.port}"]
        lines += [f"  IdentityFile {server.key}", "  StrictHostKeyChecking accept-new"]
        lines += [f"  User {login}"] if login else []
    config.write_text("\n".join(lines) + "\n")
    folder = folder / "shop"
    folder.mkdir()
    return Reader(WALKS[page], folder, {**user, "FTL_SANDBOX": f"docs-{secrets.token_hex(4)}"})


def test_a_bare_server_is_set_up_as_the_page_says(
    server_factory: ServerFactory, user: dict[str, str], tmp_path: Path
) -> None:
    """The plan has the steps that the page shows; run again, `ftl setup` has nothing to do."""
    bare = server_factory("page", bare=True)
    reader = reader_of(BARE, [bare], user, tmp_path)
    page = blocks((ROOT / BARE).read_text())
    (shown,) = [block for block in page if not block.language and not block.is_shell]
    bare.run("dpkg", "--purge", "zstd")  # a rented server seldom has it
    reader.learn("• ", "")  # a terminal's
    reader.learn("DpraDn0O2W0D", bare.key.with_suffix(".pub").read_text().split()[1][-12:])

    def check(command: Command, outcome: Outcome) -> None:
        if command.text == "ftl setup --dry-run":
            # and the start of cron, which a package starts where there is an init system
            compare([*reader.own(shown.text).splitlines(), "..."], outcome)

    for block in page:
        reader.follow(block, check)
    again = reader.run("ftl setup --json").ok()
    assert again.result["changes"] == []
    assert bare.run("id", "-nG", "deploy").stdout.decode().split() == ["deploy", "docker"]


@pytest.fixture
def three(lab: Lab) -> Iterator[list[Server]]:
    """Three servers, on which there is no cluster yet."""
    servers = lab.cluster("trixie", "trixie", "trixie", stem="page-")
    yield servers
    for server in servers:
        lab.remove(server.name)


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_several_servers_as_the_page_says(three: list[Server], user: dict[str, str], tmp_path: Path) -> None:
    """Set up, tried in a sandbox, lost and recovered, deployed, and one taken out for maintenance."""
    images.ensure("postgres")
    a, b, c = three
    reader = reader_of(SEVERAL, three, user, tmp_path, login=a.user)
    for number, server in enumerate(three, 1):
        reader.learn(f"10.0.0.{number}", server.address)

    def lose_two() -> None:
        for server in (b, c):
            server.kill()
        while a.run("docker", "node", "ls", check=False).returncode == 0:  # it finds out by a missing answer
            time.sleep(0.5)

    def return_two() -> None:
        for server in (b, c):
            server.start()
        reader.run("ftl setup").ok()  # lets them join again, as the page says

    def all_answer() -> None:
        assert [status(server) for server in (a, b)] == [200, 200]
        assert replicas(b) > 0

    def drained() -> None:
        assert replicas(b) == 0
        assert status(a) == 200

    def reboot() -> None:
        b.kill()
        b.start()

    def resumed() -> None:
        assert replicas(b) > 0
        assert [status(server) for server in (a, b)] == [200, 200]

    after: dict[str, Callable[[], None]] = {
        "ftl deploy --server sandbox": lose_two,
        "ftl setup --recover": return_two,
        "ftl deploy": all_answer,
        "ftl servers drain b.example.com": drained,
        "ssh b.example.com sudo reboot": reboot,
        "ftl servers resume b.example.com": resumed,
    }

    def check(command: Command, outcome: Outcome) -> None:
        after.pop(command.text, lambda: None)()

    try:
        for block in blocks((ROOT / SEVERAL).read_text()):
            reader.follow(block, check)
    finally:
        reader.run("ftl sandbox down")
    assert after == {}
    states = json.loads(reader.run("ftl servers --json").ok().stdout.splitlines()[-1])["servers"]
    assert [state["host"] for state in states] == list(WALKS[SEVERAL].servers)


def replicas(server: Server) -> int:
    """Running containers of the page's service on a server."""
    return len(server.docker("ps", "-q", "--filter", "label=ftl.service=web").split())


def status(server: Server) -> int:
    """The answer of a server's proxy to a visitor."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=20)
    try:
        connection.request("GET", "/", headers={"Host": "shop.example.com"})
        return connection.getresponse().status
    finally:
        connection.close()
