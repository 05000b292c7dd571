"""A fake server: commands get scripted answers, and addresses lead to sockets of the test."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ftl.child import Completed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from ftl.errors import FtlError

UNREACHABLE = "tcp://127.0.0.1:1"
"""Nothing listens there: connections are refused."""


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """The outcome of a command.

    Attributes:
        stays: A started process runs on after its output, until its stdin is closed or it is killed.
        error: Raised in place of an answer (ServerError).
    """

    exit_code: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    stays: bool = False
    error: FtlError | None = None


class FakeMachine:
    """Implements `ftl.ssh.machine.Machine`.

    Attributes:
        commands: Every command line that was run or started, in order.
        inputs: The stdin of each, in the same order; None where it had none.
        answers: (words, answer): the first whose words all occur in a command line, joined by spaces, is taken.
            The later `answer` was called, the earlier it is looked at; a command that nothing matches succeeds
            without output.
        reachable: (host, port) -> the URL of what listens there.
        processes: Every process that was started.
        terminals: For each command that was attached, whether it had a terminal.
        kept_folder: The folder of its kept connection.
    """

    def __init__(self, name: str = "shop.example.com") -> None:
        self.name = name
        self.engine_socket = "/var/run/docker.sock"
        self.login_output = ""
        self.kept_folder: Path | None = None
        self.commands: list[tuple[str, ...]] = []
        self.inputs: list[bytes | None] = []
        self.answers: list[tuple[tuple[str, ...], CommandOutput]] = []
        self.reachable: dict[tuple[str, int], str] = {}
        self.processes: list[FakeProcess] = []
        self.terminals: list[bool] = []
        self.closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def answer(self, *words: str, answer: CommandOutput) -> None:
        """Answer commands in which all of these words occur."""
        self.answers.insert(0, (words, answer))

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Give the scripted answer."""
        answer = await self._answered(argv, stdin)
        return Completed(tuple(argv), answer.exit_code, answer.stdout, answer.stderr)

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a process that writes the scripted answer."""
        process = FakeProcess(await self._answered(argv, None))
        self.processes.append(process)
        return process

    async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:
        """Give the scripted exit status."""
        self.terminals.append(terminal)
        return (await self._answered(argv, None)).exit_code

    async def _answered(self, argv: Sequence[str], stdin: bytes | None) -> CommandOutput:
        self.commands.append(tuple(argv))
        self.inputs.append(stdin)
        await asyncio.sleep(0)
        line = " ".join(argv)
        answer = next(
            (found for words, found in self.answers if all(word in line for word in words)), CommandOutput()
        )
        if answer.error is not None:
            raise answer.error
        return answer

    async def engine_url(self) -> str:
        """No engine listens there: tests pass a FakeEngine."""
        return UNREACHABLE

    async def likely_engine_url(self) -> str | None:
        """Nothing to gain."""
        return None

    def trust_usual(self) -> bool:
        """There is none."""
        return False

    async def explain(self) -> FtlError | None:
        """It knows no better than the engine."""
        return None

    @asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[str]:
        """The URL in `reachable`, else one that nothing listens on."""
        yield self.reachable.get((host, port), UNREACHABLE)

    async def close(self) -> None:
        """End all processes, as a lost connection does."""
        self.closed = True
        for process in self.processes:
            process.kill()


class FakeProcess(Process):
    """A process whose output is known; `stdin` collects what is written to it in `received`."""

    def __init__(self, answer: CommandOutput) -> None:
        self._answer = answer
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.pid = 1
        self.stdin = _Writer(self)
        self.stdout = _reader(answer.stdout)
        self.stderr = _reader(answer.stderr)
        if not answer.stays:
            self.end(answer.exit_code)

    @property
    def received(self) -> bytes:
        """What was written to its stdin."""
        assert isinstance(self.stdin, _Writer)
        return bytes(self.stdin.content)

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self._ended.result() if self._ended.done() else None

    def end(self, exit_code: int | None = None) -> None:
        """Let it end."""
        if not self._ended.done():
            self._ended.set_result(self._answer.exit_code if exit_code is None else exit_code)
            for reader in (self.stdout, self.stderr):
                assert reader is not None
                reader.feed_eof()

    async def wait(self) -> int:
        """Wait until it has ended."""
        return await asyncio.shield(self._ended)

    def send_signal(self, signal: int) -> None:
        """End by a signal."""
        self.end(-signal)

    def terminate(self) -> None:
        """End by SIGTERM."""
        self.end(-15)

    def kill(self) -> None:
        """End by SIGKILL."""
        self.end(-9)


class _Writer(asyncio.StreamWriter):
    """The stdin of a FakeProcess."""

    def __init__(self, process: FakeProcess) -> None:
        self._process = process
        self.content = bytearray()
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._process.returncode is not None:
            raise BrokenPipeError("the process has ended")
        self.content += data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def write_eof(self) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._process.end()

    def is_closing(self) -> bool:
        return self._closed

    async def wait_closed(self) -> None:
        await asyncio.sleep(0)

    def __del__(self) -> None:
        """Nothing to close."""


def _reader(content: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(content)
    return reader
