"""Our hand on a server: one SSH command that does steps as they are handed to it, and says how each went."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from ftl import child
from ftl.errors import FtlError, LockHeld, ServerError
from ftl.events import Emit, Note
from ftl.server.setup import scripts
from ftl.server.setup.apply import failures
from ftl.server.setup.observe import sudo

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from types import TracebackType

    from ftl.server.setup.plan.steps import SetupStep
    from ftl.ssh.machine import Machine

_OPENING_SECONDS = 30.0


def _busy(server: str) -> LockHeld:
    return LockHeld(
        f"another `ftl setup` is under way on {server}",
        holder="another setup",
        hint="wait until it has ended; one that was cut off finishes its step, and takes back what nobody confirmed",
    )


class RootShell:
    """An async context manager: entering it becomes root there. When it ends, so does what it started.

    Args:
        machine: Where; it must be connected.
        user: Who we are there, for messages.
        password: For sudo; empty if none is needed.
        emit: Hears what is worth knowing while a step is under way.
    """

    def __init__(self, machine: Machine, *, user: str, password: str, emit: Emit) -> None:
        self._machine = machine
        self._user = user
        self._password = password
        self._emit = emit
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            ServerError: We are not root there.
            LockHeld: Another setup is at work there.
        """
        self._process = await self._machine.start(sudo.root_command(scripts.hand()))
        try:
            async with asyncio.timeout(_OPENING_SECONDS):
                await self._write(sudo.password_line(self._password))
                while (found := sudo.read_result([await self._line()])) is None:
                    pass
                answer, _ = found
                if answer.outcome != "ok":
                    raise sudo.refusal(answer, user=self._user, server=self._machine.name)
                while (line := await self._line()) != "ftl-hand":
                    if line == "ftl-busy":
                        raise _busy(self._machine.name)
        except TimeoutError:
            await self._close()
            raise ServerError(f"{self._machine.name} does not begin with what it is told") from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._emit(Note(f"what is under way on {self._machine.name} is brought to its end there"))
            await self._close(patience=0)
        else:
            await self._close()

    async def do(self, step: SetupStep) -> None:
        """Have a step done.

        Raises:
            FtlError: It failed, with the last lines of what was said there.
            ServerError: The connection broke, or it takes too long.
        """
        lines = [step.verb, str(len(step.words)), *step.words]
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
                f"it takes longer than {step.seconds:.0f} s on {self._machine.name} to {step.text}",
                hint="it goes on there; look what holds it up, then run `ftl setup` again",
            ) from None

    async def _write(self, content: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # its end says why, and is read next
            self._process.stdin.write(content)
            await self._process.stdin.drain()

    async def _line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            line = await self._process.stdout.readline()
        except ValueError:  # of asyncio, for a line that does not end within the reader's limit
            raise ServerError(
                f"what {self._machine.name} answers cannot be read",
                cause=f"a line of more than {child.READ_LIMIT >> 20} MiB",
                hint="something there writes into the answers; see what the shell of that user runs at its start",
            ) from None
        if not line.endswith(b"\n"):
            raise ServerError(
                f"the connection to {self._machine.name} was lost, or what ran there was ended",
                hint="what was under way there is brought to its end; `ftl setup` goes on from what is there",
            )
        return line.decode(errors="replace").rstrip("\n")

    async def _close(self, *, patience: float = child.GRACE_SECONDS) -> None:
        """End it by the end of its input: what still waited for a confirmation is taken back there.

        Args:
            patience: Seconds to wait for its end. ssh itself ignores SIGTERM while its session is open.
        """
        process = self._process
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), patience)
        if process.returncode is None:
            process.kill()
            await process.wait()
