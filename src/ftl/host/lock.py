"""One deploy at a time per project and server: flock(2) on the server, held by a process that dies with us.

The holder is a small shell command on the server, fed with a heartbeat through its standard input. It ends, and
the kernel drops the lock, when the connection closes or when no heartbeat has come for `PATIENCE` seconds (a cable
that was pulled). The file itself means nothing and stays.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from ftl.errors import FtlError, LockHeld, ServerError
from ftl.events import Note

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from ftl.events import Emit
    from ftl.ssh.machine import Machine

HEARTBEAT = 5.0
PATIENCE = 30
RETRY = 2.0
"""Seconds: between heartbeats, without one, and between two tries to get the lock."""

ANSWER = 30.0
"""Seconds within which the server must say whether we have the lock."""

# $1: name of the lock, $2: who we are, $3: patience. The file is opened for reading only, so that any user of the
# server may hold the lock whoever made the file (fs.protected_regular forbids them to create it anew).
HOLD = r"""
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


# Shared, so that two who look do not see each other.
LOOK = r"""
dir=/run/lock; [ -d "$dir" ] && [ -w "$dir" ] || dir=/tmp
file="$dir/ftl-$1.lock"
[ -e "$file" ] && exec 9<"$file" || exit 0
flock -n -s 9 || cat "$file"
"""


async def holder_of(machine: Machine, name: str) -> str | None:
    """Who holds the lock `name` on a machine at this moment, in the words they gave; None where nobody does."""
    done = await machine.run(["sh", "-c", LOOK, "ftl-lock", name], timeout=ANSWER)
    return done.stdout.decode("utf-8", "replace").strip() or None


@asynccontextmanager
async def locked(
    machine: Machine, name: str, *, holder: str, wait: float, emit: Emit
) -> AsyncIterator[asyncio.Task[None]]:
    """Hold the lock `name` on a machine; yields a task that ends, with ServerError, only if the lock is lost.

    Args:
        machine: Where.
        name: The project's name.
        holder: Who we are, to be told to others who want it.
        wait: Seconds to wait for another holder; 0 gives up at once.
        emit: Is told when we wait.

    Raises:
        LockHeld: Another deploy has it.
    """
    process = await _acquire(machine, name, holder=holder, wait=wait, emit=emit)
    beating = asyncio.create_task(_beat(machine, process))
    try:
        yield beating
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError, FtlError):
            await beating
        await _release(process)


async def _acquire(machine: Machine, name: str, *, holder: str, wait: float, emit: Emit) -> Process:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + wait
    told = False
    while True:
        process = await machine.start(["sh", "-c", HOLD, "ftl-lock", name, holder, str(PATIENCE)])
        assert process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER):
                said = (await process.stdout.readline()).decode("utf-8", "replace").strip()
        except TimeoutError:
            await _release(process)
            raise ServerError(
                f"{machine.name} does not answer",
                cause=f"asked for the deploy lock, it said nothing for {ANSWER:g} s",
            ) from None
        except BaseException:
            await _release(process)
            raise
        if said == "mine":
            return process
        await _release(process)
        if not said.startswith("held"):
            raise ServerError(
                f"cannot take the deploy lock on {machine.name}",
                cause=said or "the command ended without a word",
            )
        other = said.removeprefix("held").strip() or "someone"
        if loop.time() >= give_up:
            raise LockHeld(
                f"another deploy of {name} to {machine.name} is under way, by {other}",
                holder=other,
                hint="wait for it with `--wait-lock SECONDS`, or try again later",
            )
        if not told:
            emit(Note(f"waiting for {other} to finish a deploy of {name}"))
            told = True
        await asyncio.sleep(min(RETRY, max(0.0, give_up - loop.time())))


async def _beat(machine: Machine, process: Process) -> None:
    """Say that we live until the holder on the server is gone."""
    assert process.stdin is not None
    with suppress(ConnectionError):
        while process.returncode is None:
            process.stdin.write(b"beat\n")
            await process.stdin.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), HEARTBEAT)
    raise ServerError(
        f"the deploy lock on {machine.name} was lost",
        cause="the connection to the server broke",
        hint="run `ftl deploy` again: it goes on from whatever state the server is in",
    )


async def _release(process: Process) -> None:
    """Let go: end of input ends the holder; a deaf one is killed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(5.0):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
