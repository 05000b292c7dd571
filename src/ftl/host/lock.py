"""Deploy lock: one deploy at a time per project and server, by flock(2) on the server.

A small shell command on the server holds the lock; it is fed with heartbeats through its standard input. It ends, and
the kernel releases the lock, when the connection closes or when no heartbeat has come for `HEARTBEAT_TIMEOUT` seconds
(a cable that was pulled). The lock file itself means nothing and stays. Only users of the engine can open it: see
docs/decisions/0019-a-lock-for-users-of-the-engine.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError, LockHeld, ServerError
from ftl.events import Note

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from ftl.events import Emit
    from ftl.ssh.machine import Machine

HEARTBEAT = 5.0
HEARTBEAT_TIMEOUT = 30
RETRY = 2.0
"""Seconds: between heartbeats, until a missing one releases the lock, between two attempts."""

ANSWER = 30.0
"""Seconds within which the server must say whether the lock is ours."""

RELEASE = 5.0
"""Seconds that the server's command has to end after its input was closed."""

SHOWN = 160
"""Characters of a holder's name, or of the server's reason, that are shown."""


@dataclass(frozen=True, slots=True)
class DeployLock:
    """The lock of a project on a server.

    Attributes:
        machine: The server; its engine's socket must be known (`Machine.engine_url`).
        project: The project's name.
        engine_id: The engine's ID (`EngineInfo.id`), which only users of the engine can know.
    """

    machine: Machine
    project: str
    engine_id: str

    @property
    def key(self) -> str:
        """The lock file's name is made of it; only users of the engine can know it."""
        return hashlib.sha256(f"ftl-lock\0{self.engine_id}\0{self.project}".encode()).hexdigest()

    async def holder(self) -> str | None:
        """Name of the current holder; None if the lock is free or cannot be read."""
        done = await self.machine.run(self._command("look"), stdin=self._request(""), timeout=ANSWER)
        answer = _Answer.parse(done.stdout)
        return answer.text or "someone" if answer.word == "held" else None

    @asynccontextmanager
    async def hold(self, holder: str, *, wait: float, emit: Emit) -> AsyncIterator[asyncio.Task[None]]:
        """Hold the lock; yields a task that ends, with ServerError, only if the lock is lost.

        `holder` is shown to others who want the lock; `wait` is in seconds, and 0 gives up at once.

        Raises:
            LockHeld: Another deploy holds it.
            ServerError: The server does not answer, or cannot lock.
        """
        process = await self._acquire(holder, wait=wait, emit=emit)
        heartbeat = asyncio.create_task(_heartbeat(self.machine, process))
        try:
            yield heartbeat
        finally:
            heartbeat.cancel()
            with suppress(asyncio.CancelledError, FtlError):
                await heartbeat
            await _release(process)

    async def _acquire(self, holder: str, *, wait: float, emit: Emit) -> Process:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        waiting = False
        while True:
            process, answer = await self._attempt(holder)
            if answer.word == "mine":
                return process
            await _release(process)
            if answer.word != "held":
                raise self._failure(answer)
            other = answer.text or "someone"
            if loop.time() >= deadline:
                raise LockHeld(
                    f"{self.project} on {self.machine.name} has been locked by {other}",
                    holder=other,
                    hint="wait for it with `--wait-lock SECONDS`, or try again later",
                )
            if not waiting:
                emit(Note(f"waiting for the lock of {self.project}: {other}"))
                waiting = True
            await asyncio.sleep(min(RETRY, max(0.0, deadline - loop.time())))

    async def _attempt(self, holder: str) -> tuple[Process, _Answer]:
        """Start the server's command and read its answer."""
        process = await self.machine.start(self._command("hold"))
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER):
                with suppress(ConnectionError):  # it ended already, and its answer is empty
                    process.stdin.write(self._request(holder))
                    await process.stdin.drain()
                return process, _Answer.parse(await process.stdout.readline())
        except TimeoutError:
            await _release(process)
            raise ServerError(
                f"{self.machine.name} does not answer",
                cause=f"there was no answer about the deploy lock for {ANSWER:g} s",
            ) from None
        except BaseException:
            await _release(process)
            raise

    def _failure(self, answer: _Answer) -> ServerError:
        message = f"cannot take the deploy lock on {self.machine.name}"
        if answer.word != "foreign":
            return ServerError(message, cause=answer.text or "the command ended without an answer")
        path, _, description = answer.text.partition(" ")
        return ServerError(
            message,
            cause=f"no user of the engine made {path}: {description}",
            hint=f"on {self.machine.name}: `sudo rm -r {path}`",
        )

    def _command(self, action: str) -> list[str]:
        return [
            "sh",
            "-c",
            _script(),
            "ftl-deploy-lock",
            action,
            self.machine.engine_socket,
            str(HEARTBEAT_TIMEOUT),
        ]

    def _request(self, holder: str) -> bytes:
        """The script's input: by stdin, since every local user can read the arguments of a process."""
        return f"{self.key}\n{self.project}\n{_shown(holder)}\n".encode()


@dataclass(frozen=True, slots=True)
class _Answer:
    """The lock script's answer: "mine", "free", "held HOLDER", "foreign FILE DESCRIPTION" or "failed REASON"."""

    word: str
    text: str

    @classmethod
    def parse(cls, line: bytes) -> _Answer:
        word, _, text = line.decode("utf-8", "replace").strip().partition(" ")
        return cls(word, _shown(text))


def _shown(text: str) -> str:
    """One bounded line without control characters: a server's users write what others' terminals show."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 3]}..."


@cache
def _script() -> str:
    return program(__package__, "scripts/lock_file.sh", "scripts/lock.sh")


async def _heartbeat(machine: Machine, process: Process) -> None:
    """Feed the server's command until it is gone."""
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
        hint=f"run {ftl('deploy')} again: it continues from whatever state the server is in",
    )


async def _release(process: Process) -> None:
    """Close the command's input, which ends it; kill it where that does not."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), RELEASE)
        return
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(TimeoutError):  # an ssh's pipes stay open as long as the command on the server runs
        await asyncio.wait_for(process.wait(), RELEASE)
