"""A root shell on the server that runs setup steps one at a time and reports each result."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ftl import child
from ftl.common.next_step import ftl
from ftl.errors import FtlError, LockTaken, ServerError
from ftl.events import Emit, Note
from ftl.server.setup import scripts
from ftl.server.setup.apply import failures
from ftl.server.setup.observe import sudo
from ftl.spawn import READ_LIMIT

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from types import TracebackType

    from ftl.server.setup.plan.steps import SetupStep
    from ftl.ssh.machine import Machine

_OPENING_SECONDS = 30.0


def _busy(server: str) -> LockTaken:
    return LockTaken(
        f"another `ftl setup` is running on {server}",
        holder="another setup",
        hint="wait until it has ended; one that lost its connection finishes its step, and reverts unconfirmed changes",
    )


class RootShell:
    """A root shell; an async context manager, whose end ends its commands.

    `password` is for sudo, and empty if none is needed; `emit` receives notes while a step runs.
    """

    def __init__(self, machine: Machine, *, user: str, password: str, emit: Emit) -> None:
        self._machine = machine
        self._user = user
        self._password = password
        self._emit = emit
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        """Start the shell.

        Raises:
            ServerError: Root access is not possible.
            LockTaken: Another setup is running on the server.
        """
        self._process = await self._machine.start(sudo.root_command(scripts.root_shell()))
        try:
            async with asyncio.timeout(_OPENING_SECONDS):
                await self._write(sudo.password_line(self._password))
                while (answer := sudo.read_result([await self._line()])) is None:
                    pass
                result, _ = answer
                if result.outcome != "ok":
                    raise sudo.sudo_error(result, user=self._user, server=self._machine.name)
                while (line := await self._line()) != "ftl-ready":
                    if line == "ftl-busy":
                        raise _busy(self._machine.name)
        except TimeoutError:
            await self._close()
            raise ServerError(
                f"the root shell on {self._machine.name} did not start within {_OPENING_SECONDS:.0f} s"
            ) from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._emit(Note(f"the running step is completed on {self._machine.name}"))
            await self._close(grace=0)
        else:
            await self._close()

    async def run(self, step: SetupStep) -> None:
        """Run a step.

        Raises:
            FtlError: It failed, with the last lines of its output; or it takes too long.
            ServerError: The connection broke.
        """
        lines = [step.kind, str(len(step.arguments)), *step.arguments]
        await self._write("".join(f"{line}\n" for line in lines).encode())
        log: list[str] = []
        try:
            async with asyncio.timeout(step.seconds):
                while (line := await self._line()) != "done":
                    kind, _, text = line.partition("\t")
                    if kind == "note":
                        self._emit(Note(text))
                    elif kind == "log":
                        log.append(text)
                    elif line == "failed":
                        raise failures.step_failed(step, log, server=self._machine.name)
        except TimeoutError:
            raise FtlError(
                f"{self._machine.name} did not {step.text} within {step.seconds:.0f} s",
                hint=f"it is still running there; see what delays it, then run {ftl('setup')} again",
            ) from None

    async def _write(self, content: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # the end of its output says why, and is read next
            self._process.stdin.write(content)
            await self._process.stdin.drain()

    async def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
        except ValueError:  # of asyncio, for a line that does not end within the reader's limit
            raise ServerError(
                f"the answers of {self._machine.name} cannot be read",
                cause=f"a line of more than {READ_LIMIT >> 20} MiB",
                hint="something on the server prints into them: check the startup files of that user's shell",
            ) from None
        if not line.endswith(b"\n"):
            raise ServerError(
                f"the connection to {self._machine.name} was lost, or the root shell there was killed",
                hint=f"the running step is completed there; run {ftl('setup')} again to continue",
            )
        return line.decode(errors="replace").rstrip("\n")

    async def _close(self, *, grace: float = child.GRACE_SECONDS) -> None:
        """End it by closing its stdin: the server then reverts an unconfirmed change.

        It has `grace` seconds for that: ssh itself ignores SIGTERM while its session is open.
        """
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace)
        if process.returncode is None:
            process.kill()
            await process.wait()
