"""Users, shells and deploys that contend for a project's lock."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

from ftl.host.session import open_session
from ftl.locks.lock import DeployLock
from ftl.ssh.openssh import connect
from ftl.ssh.target import Target

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from lab.servers import Server

    from ftl.events import Event


MATE, STRANGER, ROOT = "mate", "stranger", "root"
"""A user in the group docker, one outside of it, and root; all may log in."""


SECONDS = 20.0
"""More than any answer about the lock takes."""


OLD_HOLD = r"""
set -u
dir=/run/lock; [ -d "$dir" ] && [ -w "$dir" ] || dir=/tmp
file="$dir/ftl-$1.lock"
[ -e "$file" ] || ( umask 0; : >>"$file" ) 2>/dev/null
command -v flock >/dev/null || { echo "missing flock"; exit 3; }
exec 9<"$file" || { echo "missing $file"; exit 3; }
if ! flock -n 9; then printf 'held %s\n' "$(cat "$file")"; exit 4; fi
printf '%s' "$2" | dd of="$file" conv=nocreat 2>/dev/null
echo mine
while [ "$(timeout "$3" head -n 1)" = beat ]; do :; done
"""
"""The script by which FTL 0.1.0 takes the lock."""


NOISE = "echo Welcome to prod; printf 'no newline'; printf 'You have mail' >&2\n"


RUN_LOCK = {"none": "true", "sticky": "mkdir -m 1777 /run/lock", "closed": "mkdir -m 755 /run/lock"}
"""/run/lock in containers (missing), on Debian and Ubuntu, and with the defaults of systemd 258."""


def set_up(server: Server, run_lock: str) -> None:
    """Remove all locks, and make /run/lock."""
    shell(server, f"rm -rf /run/lock /tmp/ftl-*; {run_lock}")


def run(work: Coroutine[None, None, None]) -> None:
    """Run a test's work, bounded."""
    asyncio.run(asyncio.wait_for(work, 120))


class Deployers:
    """Sessions of several users on one server, and the lock of a project as each of them sees it."""

    def __init__(self, server: Server, project: str) -> None:
        self._server = server
        self._project = project
        self._stack = AsyncExitStack()
        self.events: list[Event] = []

    async def __aenter__(self) -> Deployers:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def lock(self, user: str) -> DeployLock:
        """The lock over a connection of this user."""
        target = Target("127.0.0.1", self._server.port, user, self._server.key, self._server.known_hosts)
        session = await self._stack.enter_async_context(open_session(connect(target)))
        return DeployLock(session.machine, self._project, session.info.id)

    async def take(self, lock: DeployLock, holder: str = "someone", *, wait: float = 0.0) -> AsyncExitStack:
        """Hold the lock until the returned stack is closed."""
        held = AsyncExitStack()
        await held.enter_async_context(lock.taken(holder, wait=wait, emit=self.events.append))
        self._stack.push_async_callback(held.aclose)
        return held


def shell(server: Server, script: str, *, user: str = "root") -> str:
    """Run a script on the server, past SSH; returns its output."""
    done = server.run("su", user, "-s", "/bin/sh", "-c", script)
    return done.stdout.decode().strip()


def lock_files(server: Server) -> list[str]:
    """The lock files, newest first."""
    return shell(server, "ls -td /run/lock/ftl-*.lock /tmp/ftl-*.lock 2>/dev/null || true").split()


@contextmanager
def kept(server: Server, script: str, *, user: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script as a user on the server until the end of the block; starts when it has printed `mine`."""
    argv = ("docker", "exec", "-i", server.container, "su", user, "-s", "/bin/sh", "-c", script)
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().strip() == b"mine"
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(20)


def flocked(path: str) -> str:
    """A script that locks a file until its input ends."""
    return f"exec 9<{path} && flock -n 9 && echo mine && cat >/dev/null"
