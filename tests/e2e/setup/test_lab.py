"""The lab's servers are what they are said to be: other tests rest on that."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory

pytestmark = pytest.mark.server

ENGINES = [
    pytest.param("bookworm", "overlay2", "20.10.", id="bookworm"),
    pytest.param("trixie", "overlay2", "26.1.", id="trixie"),
    pytest.param("trixie", "containerd", "26.1.", id="trixie-containerd"),
    pytest.param("sid", "overlay2", "", id="sid"),
    pytest.param("sid", "containerd", "", id="sid-containerd"),
]


def ssh(server: Server, command: str, *, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Log in and run a command."""
    argv = (*server.ssh("-o", "ConnectTimeout=3", user=user), command)
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def page_at(url: str) -> bytes:
    """A page of a server that has just been started: until it listens, connections are closed again."""
    for _ in range(50):
        try:
            with urlopen(url, timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"nothing answers at {url}")


@pytest.mark.parametrize(("suite", "store", "version"), ENGINES)
def test_containers_run_on_every_engine(
    server_factory: ServerFactory, busybox: str, suite: str, store: str, version: str
) -> None:
    """An image is loaded into the store that was asked for, runs within a memory limit, and publishes a port."""
    server = server_factory(suite=suite, store=store)
    server.load(busybox)
    assert server.docker("version", "--format", "{{.Server.Version}}").startswith(version)
    assert ("containerd" in server.docker("info", "--format", "{{.DriverStatus}}")) == (store == "containerd")
    page = "free -m > /srv/index.html; exec httpd -f -p 8000 -h /srv"
    server.docker("run", "-d", "--name", "web", "--memory", "64m", "-p", "80:8000", busybox, "sh", "-c", page)
    assert b"Mem:" in page_at(f"http://127.0.0.1:{server.http_port}/")
    limit = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"
    assert server.docker("exec", "web", "sh", "-c", limit) == str(64 * 1024 * 1024)


def test_servers_see_each_other(server: Server, server_factory: ServerFactory) -> None:
    """Two servers of a run reach each other by name."""
    other = server_factory("other", bare=True, suite="bookworm")
    seen = ssh(server, f"getent hosts {other.name}")
    assert seen.stdout.split()[0] == other.address


def test_a_bare_server_has_no_docker(server_factory: ServerFactory) -> None:
    """A bare server without comfort has sshd, and neither Docker, sudo nor python3."""
    server = server_factory(bare=True, comfort=False)
    seen = ssh(server, "for name in docker dockerd sudo python3; do command -v $name; done; echo end")
    assert seen.stdout == "end\n"


def test_extra_users_are_outside_the_docker_group(server_factory: ServerFactory) -> None:
    """An extra user logs in and may not use the engine."""
    server = server_factory(users=("guest",))
    seen = ssh(server, "id -un; docker ps", user="guest")
    assert seen.stdout == "guest\n"
    assert "permission denied" in seen.stderr.lower()


def test_a_small_disk_gets_full(server_factory: ServerFactory, busybox: str) -> None:
    """The engine's disk is as small as was asked for, and full when it is full."""
    server = server_factory(disk=64 * 1024 * 1024)
    server.load(busybox)
    done = server.run(
        *("docker", "run", "--rm", busybox, "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=100"),
        check=False,
    )
    assert b"No space left" in done.stderr


def test_a_server_can_be_broken_and_mended(server_factory: ServerFactory) -> None:
    """Unplugged, cut off, frozen, without power: it does not answer; afterwards it does, at the same port."""
    server = server_factory()
    for destroy, repair in (
        (server.disconnect, server.connect),
        (server.cut, server.mend),
        (server.pause, server.unpause),
        (server.kill, server.start),
    ):
        destroy()
        assert ssh(server, "true").returncode == 255, destroy
        repair()
        seen = ssh(server, "docker ps")
        assert seen.returncode == 0, (repair, seen.stderr)
    server.stop_engine()
    assert ssh(server, "docker ps").returncode == 1
    server.start_engine()
    assert ssh(server, "docker ps").returncode == 0
