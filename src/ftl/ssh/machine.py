"""Interface of a machine that FTL works on: a server over OpenSSH, or this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from ftl.ssh.local import Local
from ftl.ssh.multiplexing.kept import Persistence
from ftl.ssh.openssh import connect
from ftl.ssh.target import target_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path
    from types import TracebackType

    from ftl.child import Completed
    from ftl.config.models.project import Server
    from ftl.errors import FtlError


class Machine(Protocol):
    """A machine with an engine, on which commands can be run. Entering its context connects.

    Attributes:
        name: Its name in messages: the host as the user wrote it, or "this machine".
        engine_socket: Path of the engine's socket on the machine itself, known after `engine_url`; empty where the
            engine listens elsewhere.
        login_output: Output of the user's login scripts on connecting; empty as a rule.
        kept_folder: Private folder that stays as long as a kept connection, for hints to later commands; None where the
            connection is not kept, or not open yet.
    """

    name: str
    engine_socket: str
    login_output: str

    @property
    def kept_folder(self) -> Path | None:
        """See above."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a command to its end, whatever its exit status.

        A command that is given up (by the timeout or a cancellation) gets SIGTERM.

        Raises ServerError when the machine cannot be reached, or the command does not end in `timeout` seconds.
        """
        ...

    async def start(self, argv: Sequence[str]) -> Process:
        """Start a command with pipes on stdin, stdout and stderr; it ends with the connection.

        To end it, close its stdin. Killing the process ends only its local half, and `wait` then waits for the command
        on the machine: one that neither reads nor writes goes on.
        """
        ...

    async def attach(self, argv: Sequence[str], *, terminal: bool) -> int:
        """Run a command with FTL's own stdin, stdout and stderr, and return its exit status.

        Without a terminal, its stdout is passed on byte by byte. It is not bounded, and gets SIGHUP at most when the
        connection ends: one that neither reads nor writes goes on. A `terminal`, only where our stdin and stdout are
        one, has the size of ours, and keys are signals in it.

        Raises ServerError when the command cannot be run, or the connection is lost; OSError when stdout cannot be
        written.
        """
        ...

    async def engine_url(self) -> str:
        """URL at which this machine reaches the machine's engine ("unix:///...").

        Raises ServerError with the reason (user not in the docker group, no engine installed, not running). That an
        engine does not answer on its socket shows in the first call: see `explain`.
        """
        ...

    async def likely_engine_url(self) -> str | None:
        """URL of the engine on a usual machine.

        It may be called before entering, and then starts to connect: so the engine can be asked while the machine still
        reports where it is. A failure there means nothing, unless `engine_url` returns the same URL. None when there
        is nothing to gain. Close the machine afterwards.

        Raises ServerError when ssh cannot be run; a refusal by the server is raised on entering.
        """
        ...

    def trust_usual(self) -> bool:
        """Take the engine at `likely_engine_url`, which has answered; entering is not needed then.

        False unless the connection is kept: then its login is proved already.
        """
        ...

    async def explain(self) -> FtlError | None:
        """Explain why the engine does not answer: a better error than that of the call that failed.

        For `Engine(url, name=machine.name, explain=machine.explain)`. None when the machine knows no better, or has
        not been entered yet.
        """
        ...

    def dial(self, host: str, port: int) -> AbstractAsyncContextManager[str]:
        """Reach host:port as the machine does: yields "unix:///..." or "tcp://host:port".

        `open_stream(url)` connects to it, `ftl.engine.transport.connector.connector(url)` makes an aiohttp connector of
        it. A connection to a port on which nothing listens is closed at once. Dialling the same address again costs
        nothing.
        """
        ...

    async def close(self) -> None:
        """Leave the connection, and end all that we run over it. Idempotent."""
        ...


def machine_of(server: Server, *, project: str = "", keep: bool = True) -> Machine:
    """The machine of an ftl.yaml's `server`, not entered yet.

    A project has one kept connection: one to another server ends the former. `keep` is False for a command that may run
    for days: it neither uses nor leaves a kept connection.
    """
    if server.is_local:
        return Local()
    seconds = server.keep_connection if keep else 0.0
    return connect(target_of(server), keep=Persistence(seconds, project))
