"""Locks by flock(2) on a server: one change at a time of a project, and of the proxy.

A small shell command on the server holds the lock; it is fed with heartbeats through its standard input. It ends, and
the kernel releases the lock, when the connection closes or when no heartbeat has come for `HEARTBEAT_TIMEOUT` seconds
(a cable that was pulled). The lock file itself means nothing and stays. Only users of the engine can open it: see
docs/decisions/0019-a-lock-for-users-of-the-engine.md.

Scripts of the server go on without their FTL. They hold a second lock meanwhile, at which whoever takes the first one
looks: see docs/decisions/0040-a-second-lock-for-what-goes-on.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from ftl.common.next_step import ftl
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.errors import FtlError, LockTaken, ServerError
from ftl.events import Note
from ftl.locks.script_lines import LockAnswer, ScriptLock, shown

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from ftl.events import Emit
    from ftl.locks.script_lines import Holder
    from ftl.ssh.machine import Machine

HEARTBEAT = 5.0
HEARTBEAT_TIMEOUT = 30
RETRY = 2.0
"""Seconds: between heartbeats, until a missing one releases the lock, between two attempts."""

ANSWER = 30.0
"""Seconds within which the server must say whether the lock is ours."""

RELEASE = 5.0
"""Seconds that the server's command has to end after its input was closed."""


@dataclass(frozen=True, slots=True)
class ServerLock:
    """A lock on a server.

    Attributes:
        purpose: Word for its kind, in its key.
        title: Its name in messages.
        hint: The next step where somebody else has it.
        machine: The server; its engine's socket must be known (`Machine.engine_url`).
        name: The name of what it protects.
        engine_id: The engine's ID (`EngineInfo.id`), which only users of the engine can know.
    """

    purpose: ClassVar[str]
    title: ClassVar[str] = "the deploy lock"
    hint: ClassVar[str] = "wait for it with `--wait-lock SECONDS`, or try again later"
    machine: Machine
    name: str
    engine_id: str

    @property
    def key(self) -> str:
        """The lock file's name is made of it; only users of the engine can know it."""
        return hashlib.sha256(f"{self.purpose}\0{self.engine_id}\0{self.name}".encode()).hexdigest()

    @property
    def subject(self) -> str:
        """The thing that it protects, in messages."""
        return self.name

    @property
    def old_project(self) -> str:
        """The project that FTL 0.1.0 locks by name instead; empty: none."""
        return self.name

    def for_script(self, doing: str) -> ScriptLock:
        """First lines for a script that keeps the lock; `doing` is its work: "takes back a deploy"."""
        return ScriptLock(self.key, f"the server ({doing})")

    async def holder(self) -> Holder | None:
        """Look who has the lock; None if it is free.

        Raises:
            ServerError: The server does not answer, or cannot lock.
        """
        done = await self.machine.run(self._command("look"), stdin=self._request(""), timeout=ANSWER)
        answer = LockAnswer.parse(done.stdout)
        if answer.word == "free":
            return None
        if answer.holder is None:
            raise self._failure(answer)
        return answer.holder

    @asynccontextmanager
    async def taken(self, holder: str, *, wait: float, emit: Emit) -> AsyncIterator[asyncio.Task[None]]:
        """Hold the lock; yields a task that ends, with ServerError, only if the lock is lost.

        `holder` is shown to others who want the lock; `wait` is in seconds, and 0 gives up at once.

        Raises:
            LockTaken: Another deploy has it.
            ServerError: The server does not answer, or cannot lock.
        """
        process = await self._acquire(holder, wait=wait, emit=emit)
        heartbeat = asyncio.create_task(_heartbeat(self.title, self.machine, process))
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
        noted: bool | None = None
        while True:
            process, answer = await self._attempt(holder)
            if answer.word == "mine":
                return process
            await _release(process)
            other = answer.holder
            if other is None:
                raise self._failure(answer)
            if loop.time() >= deadline:
                raise LockTaken(
                    f"{self.subject} on {self.machine.name} {other.state}",
                    holder=other.name,
                    hint=self.hint,
                )
            if noted is not other.goes_on:  # FTL that has the lock may be killed, and the server go on
                emit(Note(f"waiting for the lock of {self.subject}: {other.name}"))
                noted = other.goes_on
            await asyncio.sleep(min(RETRY, max(0.0, deadline - loop.time())))

    async def _attempt(self, holder: str) -> tuple[Process, LockAnswer]:
        """Start the server's command and read its answer."""
        process = await self.machine.start(self._command("take"))
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER):
                with suppress(ConnectionError):  # it ended already, and its answer is empty
                    process.stdin.write(self._request(holder))
                    await process.stdin.drain()
                return process, LockAnswer.parse(await process.stdout.readline())
        except TimeoutError:
            await _release(process)
            raise ServerError(
                f"{self.machine.name} does not answer",
                cause=f"there was no answer about {self.title} for {ANSWER:g} s",
            ) from None
        except BaseException:
            await _release(process)
            raise

    def _failure(self, answer: LockAnswer) -> ServerError:
        message = f"cannot take {self.title} on {self.machine.name}"
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
        return f"{self.key}\n{self.old_project}\n{shown(holder)}\n".encode()


@dataclass(frozen=True, slots=True)
class DeployLock(ServerLock):
    """The lock of a project, by its name."""

    purpose = "ftl-lock"


@dataclass(frozen=True, slots=True)
class ProxyLock(ServerLock):
    """The lock of the proxy of a server, for its replacement; by its container's name."""

    purpose = "ftl-proxy"
    title = "the lock of the proxy"
    hint = "try again later"  # there has been a wait already

    @property
    def subject(self) -> str:
        """The proxy."""
        return "the proxy"

    @property
    def old_project(self) -> str:
        """None."""
        return ""


@cache
def _script() -> str:
    own = program("ftl.common", "scripts/own_processes.sh")
    return own + program(__package__, "lock_file.sh", "lock.sh")


async def _heartbeat(title: str, machine: Machine, process: Process) -> None:
    """Feed the server's command until it is gone."""
    assert process.stdin is not None
    with suppress(ConnectionError):
        while process.returncode is None:
            process.stdin.write(b"beat\n")
            await process.stdin.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), HEARTBEAT)
    raise ServerError(
        f"{title} on {machine.name} was lost",
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
