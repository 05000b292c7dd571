"""Interface of a machine that FTL works on: a server over OpenSSH, or this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from ftl.ssh.kept import Keep
from ftl.ssh.local import Local
from ftl.ssh.openssh import connect
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from ftl.child import Completed
    from ftl.config import Server
    from ftl.errors import FtlError


class Machine(Protocol):
    """Where an engine runs and commands can be run. An async context manager: entering it connects.

    Attributes:
        name: What messages call it: the host as the user wrote it, or "this machine".
        engine_socket: The path of the engine's socket on the machine itself, known once `engine_url` has told; empty
            where it listens elsewhere.
    """

    name: str
    engine_socket: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a command to its end; a status other than 0 is the caller's to judge.

        A command that is given up (by the timeout or a cancellation) is told to end, by SIGTERM.

        Raises ServerError when the machine cannot be reached, or the command does not end in `timeout` seconds.
        """
        ...

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command with pipes on stdin, stdout and stderr; it ends with the connection.

        To end it, close its stdin. Killing the process ends no more than the local half of it, and its `wait`
        then waits for the command there: one that neither reads nor writes goes on.
        """
        ...

    async def engine_url(self) -> str:
        """A URL on this machine at which the machine's engine answers ("unix:///..."), forwarded if need be.

        Raises ServerError with the reason (user not in the docker group, no engine installed, not running). An
        engine that has a socket and does not answer is found out by the first call: see `explain`.
        """
        ...

    async def likely_engine_url(self) -> str | None:
        """Where the engine answers unless the machine is unusual: may be asked for before entering, and begins that.

        So the engine can be asked while the machine still says where it is; what fails there means nothing before
        `engine_url` has told the same. None when there is nothing to gain. The machine is to be closed afterwards.

        Raises ServerError when not even ssh can be run; that a server refuses us, entering tells.
        """
        ...

    async def explain(self) -> FtlError | None:
        """Why the engine does not answer: asked after a call failed, to be raised in place of what it raised.

        For `Engine(url, name=machine.name, explain=machine.explain)`. None when the machine knows no better, or has
        not been entered yet.
        """
        ...

    def dial(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Reach host:port as seen from the machine: yields "unix:///..." or "tcp://host:port" to connect to here.

        `open_stream(url)` connects to it, `ftl.engine.connector(url)` makes an aiohttp connector of it. A port that
        nothing listens on shows as a connection that is closed at once. Dialling the same address again costs
        nothing.
        """
        ...

    async def close(self) -> None:
        """End the connection and everything that runs over it. More than once is no error."""
        ...


def machine_of(server: Server, *, project: str = "", keep: bool = True) -> Machine:
    """The machine that an ftl.yaml names, not entered yet.

    Args:
        server: Its address, and how long a connection to it stays after a command.
        project: The project that uses it, which has one such connection: one to another server ends the former.
        keep: False for a command that may last for days: it has a connection of its own.
    """
    if server.is_local:
        return Local()
    seconds = server.keep_connection if keep and not server.is_sandbox else 0.0
    return connect(target_of(server), keep=Keep(seconds, project))
