"""What every command is written with: the options, a way to run its work, and the project."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from ftl.cli.options import Options, pass_options
from ftl.errors import FtlError, UsageError
from ftl.ui.stream import silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from ftl.config import Project, Server
    from ftl.events import Emit
    from ftl.ssh.connecting import Way
    from ftl.ssh.machine import Machine

__all__ = [
    "Fields",
    "Options",
    "OutputLost",
    "ReaderLeft",
    "load_project",
    "pass_options",
    "put",
    "put_json",
    "reaching",
    "run",
    "run_at",
    "run_sync",
    "writing",
]

Fields = Mapping[str, object]
"""The fields of the final `{"type": "result"}` object, beside `type`, `ok` and `command`."""

FILE = "ftl.yaml"


def run(options: Options, command: str, work: Callable[[Emit], Awaitable[Fields]]) -> Fields:
    """Run a command's asynchronous work with a reporter, and end as the contract says.

    Ctrl-C and SIGTERM cancel the work, which then cleans up (a second one does not wait for that). With
    --json the result is the last line of stdout. A failure is drawn and exits; it does not come back.

    Returns:
        What the work returned, for the command to print as its data (when not `options.json`).
    """
    from ftl.cli.running import run_async

    return _ended(options, command, run_async(options, command, work))


def run_at(
    server: Server, options: Options, command: str, work: Callable[[Emit, Way], Awaitable[Fields]]
) -> Fields:
    """`run` for work at a server, which is connected to from now on: see `reaching`."""
    from ftl.ssh.connecting import setting_out

    with _stoppable(), setting_out(server) as way:
        return run(options, command, lambda emit: work(emit, way))


@contextmanager
def _stoppable() -> Iterator[None]:
    """Other signals that ask us to end do what Ctrl-C does, until the event loop has handlers of its own."""
    import signal

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    deadly = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in deadly:
        signal.signal(one, stop)
    try:
        yield
    finally:
        for one in deadly:
            signal.signal(one, signal.SIG_DFL)


def run_sync(options: Options, command: str, work: Callable[[], Fields]) -> Fields:
    """The same for work that needs no server and no engine, without the cost of asyncio and a reporter."""
    return _ended(options, command, work())


def _ended(options: Options, command: str, fields: Fields) -> Fields:
    if options.json:
        put_json({"type": "result", "ok": True, "command": command, **fields})
    with writing():
        sys.stdout.flush()  # here and not when Python exits: what goes wrong is noticed where it can be handled
    return fields


class ReaderLeft(Exception):
    """Whoever read our data has seen enough (`ftl logs | head`): the end of the command, and no failure."""


class OutputLost(FtlError):
    """Data of ours did not reach stdout: the disk is full, say."""


@contextmanager
def writing() -> Iterator[None]:
    """Around whatever writes to stdout: broken pipes of other kinds are not mistaken for a reader who left.

    Raises:
        ReaderLeft: Nobody reads stdout any more.
        OutputLost: It cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)
        raise ReaderLeft from None
    except OSError as error:
        silence(sys.stdout)
        raise OutputLost("the output cannot be written", cause=error.strerror) from error


def put(text: str) -> None:
    """Write a line of data to stdout."""
    with writing():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def put_json(record: Fields) -> None:
    """Write one JSON object as a line of stdout; tuples and other values become their JSON neighbours."""
    from json import dumps

    put(dumps(record, default=str))


@asynccontextmanager
async def reaching(way: Way, module: str) -> AsyncIterator[Machine]:
    """A server that is being connected to; the module that does the work there is loaded meanwhile."""
    from asyncio import to_thread
    from importlib import import_module

    from ftl.ssh.approach import approached, machine_at

    async with approached(machine_at(way)) as machine:
        await to_thread(import_module, module)
        yield machine


def load_project(options: Options) -> tuple[Project, Path]:
    """Read the project's file, with --server in place of its server.

    Returns:
        The project, and the folder of its file: what relative paths in it start from.

    Raises:
        UsageError: There is no such file, or --server is not an address.
        ConfigError: The file is wrong.
    """
    from pathlib import Path

    from ftl.config import load

    path = Path(find_file(options.file))
    server = None
    if options.server is not None:
        from ftl.cli.address import resolve

        server = resolve(options.server)
    return load(path, environ=os.environ, server=server), path.resolve().parent


def find_file(given: str | None) -> str:
    """The project's file as a path from here: the given one, or ftl.yaml here or in the nearest folder above.

    Raises:
        UsageError: There is none.
    """
    if given is not None:
        if os.path.isdir(given):  # noqa: PTH112 - pathlib would cost this path 5 ms
            return find_file(os.path.join(given, FILE))  # noqa: PTH118
        if not os.path.exists(given):  # noqa: PTH110
            raise UsageError(f"there is no file `{given}`")
        return given
    folder = os.getcwd()  # noqa: PTH109
    while True:
        path = os.path.join(folder, FILE)  # noqa: PTH118
        if os.path.isfile(path):  # noqa: PTH113
            return os.path.relpath(path)
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            raise UsageError(
                f"there is no {FILE} here or in any folder above",
                hint="`ftl init` writes one; `-f FILE` names one that lies elsewhere",
            )
        folder = above
