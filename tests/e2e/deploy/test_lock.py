"""The deploy lock on a real server, between users of its engine and against all others."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.lock import (
    MATE,
    NOISE,
    OLD_HOLD,
    ROOT,
    RUN_LOCK,
    SECONDS,
    STRANGER,
    Deployers,
    flocked,
    kept,
    lock_files,
    run,
    set_up,
    shell,
)
from tests.e2e.support.project import unique

from ftl.errors import LockTaken, ServerError
from ftl.events import Note
from ftl.locks.script_lines import Holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.servers import Lab, Server


pytestmark = [pytest.mark.server]


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Server]:
    """A server with three users besides root, one of them outside the group docker."""
    server = lab.server("lock", users=(MATE, STRANGER))
    server.run("usermod", "--append", "--groups", "docker", MATE)
    server.run("cp", f"/etc/ssh/authorized_keys/{server.user}", "/etc/ssh/authorized_keys/root")
    yield server
    lab.remove("lock")


@pytest.fixture
def project(host: Server) -> str:
    """A project name that no other test has; the folders for locks are as on Debian, and empty."""
    set_up(host, RUN_LOCK["sticky"])
    return unique("lock")


@pytest.mark.parametrize("run_lock", RUN_LOCK)
@pytest.mark.parametrize(
    ("first", "second"), [("ftl", MATE), (ROOT, "ftl"), ("ftl", ROOT)], ids=["users", "root", "user"]
)
def test_users_of_the_engine_exclude_each_other(
    host: Server, project: str, run_lock: str, first: str, second: str
) -> None:
    """Only one has the lock, whoever comes first and whatever /run/lock is; then the other gets it."""
    set_up(host, RUN_LOCK[run_lock])

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            one, other = await deployers.lock(first), await deployers.lock(second)
            assert await other.holder() is None
            held = await deployers.take(one, "alice")
            assert await other.holder() == Holder("alice")
            with pytest.raises(LockTaken, match="locked by alice"):
                await deployers.take(other)
            await held.aclose()
            assert await other.holder() is None
            await deployers.take(other, "bob")
            assert await one.holder() == Holder("bob")

    run(work())


def test_a_second_deploy_may_wait(host: Server, project: str) -> None:
    """It notes whom it waits for, and gets the lock when the other releases it."""

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            held = await deployers.take(await deployers.lock(MATE), "alice")
            other = await deployers.lock(host.user)
            waiting = asyncio.create_task(deployers.take(other, "bob", wait=SECONDS))
            await asyncio.sleep(1)
            assert deployers.events == [Note(f"waiting for the lock of {project}: alice")]
            await held.aclose()
            await waiting
            assert await other.holder() == Holder("bob")

    run(work())


def test_projects_do_not_exclude_each_other(host: Server, project: str) -> None:
    """Two projects on one server can be deployed at the same time."""

    async def work() -> None:
        async with Deployers(host, project) as deployers, Deployers(host, f"{project}-b") as others:
            await deployers.take(await deployers.lock(host.user))
            await others.take(await others.lock(host.user))

    run(work())


def test_a_lost_connection_frees_the_lock(host: Server, project: str) -> None:
    """Nothing has to be cleaned up when the holder's connection breaks."""

    async def work() -> None:
        async with Deployers(host, project) as deployers, Deployers(host, project) as others:
            lock = await deployers.lock(MATE)
            async with lock.taken("alice", wait=0, emit=print) as heartbeat:
                host.run("pkill", "-f", f"sshd: {MATE}")
                await asyncio.wait({heartbeat}, timeout=SECONDS)
                with pytest.raises(ServerError, match="was lost"):
                    heartbeat.result()
                await others.take(await others.lock(host.user), wait=SECONDS)

    run(work())


def test_strangers_cannot_open_the_lock(host: Server, project: str) -> None:
    """A user outside the group docker neither reads who deploys, nor holds the lock, nor removes it."""

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            await deployers.take(await deployers.lock(host.user), "alice")
            file = next(path for path in lock_files(host) if project not in path)
            for script in (f"cat {file}", flocked(file), f"rm -f {file}", f"mv {file} {file}x"):
                refused = host.run("su", STRANGER, "-s", "/bin/sh", "-c", script, check=False)
                assert refused.returncode != 0, script
            assert shell(host, f"cat {file}", user=MATE) == "alice"

    run(work())


@pytest.mark.parametrize("run_lock", ["sticky", "none"])
def test_a_strangers_file_of_the_old_name_is_ignored(host: Server, project: str, run_lock: str) -> None:
    """The name of 0.1.0's lock is known to everybody; nothing there delays a deploy or leaves a process behind."""
    set_up(host, RUN_LOCK[run_lock])
    folder = "/run/lock" if run_lock == "sticky" else "/tmp"
    traps = ("mkfifo {}", "mkfifo -m 666 {}", "ln -s /dev/zero {}", "mkdir {}", "install -m 600 /dev/null {}")
    projects = [f"{project}-{number}" for number in range(len(traps))]
    for name, trap in zip(projects, traps, strict=True):
        shell(host, trap.format(f"{folder}/ftl-{name}.lock"), user=STRANGER)

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            any_lock = await deployers.lock(host.user)
            for name in projects:
                lock = replace(any_lock, name=name)
                began = time.monotonic()
                assert await lock.holder() is None
                held = await deployers.take(lock)
                assert time.monotonic() - began < 5
                await held.aclose()

    run(work())
    assert shell(host, "pgrep -f ftl-deploy-loc[k] || true") == ""


def test_a_stranger_who_locks_the_old_file_blocks_nobody(host: Server, project: str) -> None:
    """Every user can lock the file of 0.1.0; unless a deploy by 0.1.0 runs, that is ignored."""
    old = f"/run/lock/ftl-{project}.lock"
    shell(host, f": > {old}; chmod 666 {old}", user=MATE)

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            lock = await deployers.lock(host.user)
            with kept(host, flocked(old), user=STRANGER):
                assert await lock.holder() is None
                await deployers.take(lock)

    run(work())


def test_a_strangers_file_in_the_locks_place_is_an_error(host: Server, project: str) -> None:
    """A user who knows the engine's ID can block the name; the error comes at once and says what to do."""

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            lock = await deployers.lock(host.user)
            await (await deployers.take(lock)).aclose()
            file = next(path for path in lock_files(host) if project not in path)
            shell(host, f"rm {file}")
            for trap in ("mkfifo -m 666 {}", "ln -s /dev/zero {}", "mkdir {}", "install -m 666 /dev/null {}"):
                shell(host, trap.format(file), user=STRANGER)
                began = time.monotonic()
                with pytest.raises(ServerError) as raised:
                    await deployers.take(lock)
                assert time.monotonic() - began < 5
                assert f"no user of the engine made {file}" in (raised.value.cause or "")
                assert STRANGER in (raised.value.cause or "")
                assert f"`sudo rm -r {file}`" in (raised.value.hint or "")
                with pytest.raises(ServerError, match="cannot take the deploy lock"):
                    await lock.holder()
                shell(host, f"rm -r {file}")
            await deployers.take(lock)

    run(work())


def test_a_lock_file_that_was_removed_is_created_again(host: Server, project: str) -> None:
    """systemd-tmpfiles removes old files from /tmp; the new file excludes as before."""

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            one, other = await deployers.lock(host.user), await deployers.lock(MATE)
            await (await deployers.take(one)).aclose()
            shell(host, f"rm {' '.join(lock_files(host))}")
            await deployers.take(one, "alice")
            with pytest.raises(LockTaken):
                await deployers.take(other)

    run(work())


def test_a_holders_name_cannot_write_to_terminals(host: Server, project: str) -> None:
    """Control characters that a user of the server puts into the file are not repeated, and its length is bounded."""

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            one, other = await deployers.lock(MATE), await deployers.lock(host.user)
            await deployers.take(one, "alice")
            file = next(path for path in lock_files(host) if project not in path)
            text = r"\033]52;c;ZXZpbA==\a\033[2Jroot\342\200\256 x" + "y" * 1000
            shell(host, f"printf '{text}' | dd of={file} conv=nocreat 2>/dev/null")
            holder = await other.holder()
            assert holder is not None
            shown = holder.name
            assert shown.isprintable()
            assert "root" in shown
            assert len(shown) < 200

    run(work())


def test_a_logins_noise_is_no_answer(host: Server, project: str) -> None:
    """Output of .bashrc and .ssh/rc before the answer is neither a holder nor an error."""
    home = f"/home/{MATE}"
    shell(host, f"mkdir -p {home}/.ssh; chown {MATE}: {home}/.ssh; cp {home}/.bashrc {home}/kept")
    host.write(f"{home}/.bashrc", NOISE)
    host.write(f"{home}/.ssh/rc", NOISE)

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            lock = await deployers.lock(MATE)
            assert await lock.holder() is None
            held = await deployers.take(lock, "alice")
            assert await (await deployers.lock(host.user)).holder() == Holder("alice")
            await held.aclose()

    try:
        run(work())
    finally:
        shell(host, f"mv {home}/kept {home}/.bashrc; rm {home}/.ssh/rc")


@pytest.mark.parametrize("run_lock", RUN_LOCK)
@pytest.mark.parametrize("old_user", ["ftl", MATE, ROOT])
def test_deploys_of_the_first_version_are_excluded(
    host: Server, project: str, run_lock: str, old_user: str
) -> None:
    """A running deploy by 0.1.0 excludes ours, and ours excludes a later one by 0.1.0."""
    set_up(host, RUN_LOCK[run_lock])
    host.write("/tmp/old.sh", OLD_HOLD)
    old = f'exec sh -c "$(cat /tmp/old.sh)" ftl-lock {project} "carol since 12:00" 30'

    async def work() -> None:
        async with Deployers(host, project) as deployers:
            lock = await deployers.lock("ftl")
            with kept(host, old, user=old_user):
                assert await lock.holder() == Holder("carol since 12:00")
                with pytest.raises(LockTaken, match="carol"):
                    await deployers.take(lock)
            await deployers.take(lock, "alice")
            late = host.run("su", old_user, "-s", "/bin/sh", "-c", old, check=False)
            assert late.stdout.decode() == "held alice\n"

    run(work())
