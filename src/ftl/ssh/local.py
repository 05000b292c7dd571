"""This machine as a `Machine`: `server.host: local`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from ftl import child
from ftl.child import ChildTimeout, Completed
from ftl.errors import FtlError, ServerError, UsageError

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence


class Local:
    """A `Machine` without SSH."""

    def __init__(self) -> None:
        self.name = "this machine"
        self.engine_socket = ""
        self.login_output = ""
        self.kept_folder = None
        self._children: list[Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a command to its end; see Machine. Status 126 or 127: it cannot be run."""
        try:
            return await child.complete(argv, stdin=stdin, seconds=timeout)
        except (FileNotFoundError, PermissionError) as error:
            status = 127 if isinstance(error, FileNotFoundError) else 126
            return Completed(tuple(argv), status, b"", f"{argv[0]}: {error.strerror}\n".encode())
        except ChildTimeout as error:
            message = f"`{argv[0]}` did not end within {timeout:.0f} seconds on {self.name}"
            raise ServerError(message, cause=error.complaint or None) from error

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command; it ends with this object. See Machine."""
        try:
            process = await child.start(argv)
        except (FileNotFoundError, PermissionError) as error:
            raise UsageError(f"`{argv[0]}` cannot be run on this machine", cause=error.strerror) from error
        self._children.append(process)
        return process

    async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:  # noqa: ARG002 - as Machine has it
        """Run a command with our streams; see Machine. Our terminal is also its own."""
        from ftl.ssh.foreground import run_in_foreground

        try:
            return await run_in_foreground(argv)
        except (FileNotFoundError, PermissionError) as error:
            raise UsageError(f"`{argv[0]}` cannot be run on this machine", cause=error.strerror) from error

    async def likely_engine_url(self) -> str | None:
        """None: no connection to wait for; see Machine."""
        return None

    def trust_usual(self) -> bool:
        """False: see `likely_engine_url`."""
        return False

    async def engine_url(self) -> str:
        """URL of this machine's engine; see `ftl.engine.local.local_url`."""
        from ftl.engine.local import local_url

        url = local_url()
        self.engine_socket = url.removeprefix("unix://") if url.startswith("unix://") else ""
        return url

    async def explain(self) -> FtlError | None:
        """Nothing that the engine's own error does not say."""
        return None

    @asynccontextmanager
    async def dial(self, host: str, port: int) -> AsyncIterator[str]:
        """The address itself: containers are reached directly where their engine runs on this Linux."""
        yield f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"

    async def close(self) -> None:
        """End the processes that were started; see Machine."""
        for process in self._children:
            await child.stop(process)
