"""Mapping of the client library's exceptions to FTL's errors, by one table."""

from __future__ import annotations

import errno
import json
import re
import sys
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ftl.common.next_step import ftl
from ftl.dataclass import dataclass
from ftl.engine.transport.http import HttpError
from ftl.engine.transport.reader import MalformedResponse
from ftl.engine.transport.sockets import NotConnected
from ftl.errors import EngineError, EngineUnavailable, FtlError

T = TypeVar("T")

# Called when no engine answers: returns the machine's explanation (connection lost, no Docker), if it has one.
Explain = Callable[[], Awaitable[FtlError | None]]

# aiodocker's status for "could not connect" (docker.py, `_do_query`); not one of HTTP.
_NOT_CONNECTED = 900

_NO_PROGRAM = re.compile(r'exec: "([^"]+)": (?:executable file not found|stat \S+: no such file)')

_ID = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")


@dataclass(frozen=True, slots=True)
class EngineCall:
    """A call in progress, for the message "the engine on NAME could not ACTION"."""

    engine: str
    action: str
    seconds: float


MakeError = Callable[[EngineCall, BaseException], EngineError]


def shortened(text: str) -> str:
    """Shorten the IDs in a text, as `docker` does."""
    return _ID.sub(r"\1", text)


def _refused(call: EngineCall, error: BaseException) -> EngineError:
    """The engine answered with an error, or the client library could not reach it."""
    status = getattr(error, "status", 0)
    if status == _NOT_CONNECTED:
        return _unreachable(call, error.__context__ or error)
    cause = str(getattr(error, "message", error)).strip().rstrip(".")
    return EngineError(
        f"the engine on {call.engine} could not {shortened(call.action)}",
        status=status,
        cause=cause,
        hint=_hint(call, cause),
    )


def _unreachable(call: EngineCall, error: BaseException) -> EngineError:
    error = (error.__cause__ or error) if isinstance(error, NotConnected) else error
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        hint = "add your user to the docker group: `sudo usermod -aG docker $USER`, then log in again"
    else:
        hint = f"check with `docker version` on {call.engine} that Docker is installed and running"
    return EngineUnavailable(f"no engine answers on {call.engine}", cause=_text(error), hint=hint, status=0)


def _broken(call: EngineCall, error: BaseException) -> EngineError:
    return EngineUnavailable(
        f"the connection to the engine on {call.engine} was lost; FTL had asked it to {call.action}",
        cause=_text(error),
    )


def _late(call: EngineCall, _error: BaseException) -> EngineError:
    return EngineUnavailable(
        f"the engine on {call.engine} did not {call.action} within {call.seconds:.0f} seconds",
        hint="the machine may be overloaded or its disk may hang: check whether `docker ps` answers there",
    )


def _unreadable(call: EngineCall, error: BaseException) -> EngineError:
    return EngineError(
        f"{call.engine} did not answer as Docker's API does; FTL had asked it to {call.action}",
        cause=_text(error),
    )


Rows = tuple[tuple[tuple[type[BaseException], ...], MakeError], ...]

# Of our own reads, and of Python. The first match counts, so subclasses come before their bases.
_OURS: Rows = (
    ((HttpError,), _refused),
    ((NotConnected,), _unreachable),
    ((MalformedResponse, json.JSONDecodeError, UnicodeDecodeError, tarfile.TarError), _unreadable),
    ((TimeoutError,), _late),
    ((OSError,), _broken),
)


def _of_libraries() -> Rows:
    """Rows for the exceptions of aiodocker and aiohttp."""
    import aiohttp
    from aiodocker import exceptions as docker

    return (
        ((docker.DockerError,), _refused),
        ((TimeoutError,), _late),
        ((aiohttp.ClientConnectorError,), _unreachable),
        ((aiohttp.ContentTypeError, aiohttp.InvalidURL, aiohttp.ClientResponseError), _unreadable),
        ((aiohttp.ClientError,), _broken),
    )


def table() -> Rows:
    """Exceptions and the errors made of them; those of libraries once these are loaded."""
    return (*_of_libraries(), *_OURS) if "aiodocker" in sys.modules else _OURS


def mapped(call: EngineCall, error: BaseException) -> EngineError | None:
    """FTL's error for an exception of the table; None for any other."""
    make = next((make for kinds, make in table() if isinstance(error, kinds)), None)
    return make(call, error) if make is not None else None


@contextmanager
def ignoring(status: int) -> Iterator[None]:
    """Ignore an engine's error with this HTTP status."""
    try:
        yield
    except EngineError as error:
        if error.status != status:
            raise


async def none_if_missing(work: Awaitable[T]) -> T | None:
    """The result, or None where the engine does not have the object (404)."""
    try:
        return await work
    except EngineError as error:
        if error.status != 404:
            raise
        return None


NO_MAJORITY = (
    "the cluster has no majority of managers: running services keep running, but nothing can be changed"
)
"""Message about a Swarm without a leader; see `is_leaderless`."""

RECOVER = f"start the other managers again; if they are lost for good: {ftl('setup --recover')}"
"""Hint for it."""


def is_leaderless(error: EngineError) -> bool:
    """Whether a manager refused a call since its Swarm has no leader.

    Most of the managers are gone, or they choose another one: "The swarm does not have a leader. It's possible that too
    few managers are online" (20.10 to 28), "raft: failed to process the request: node lost leader status" (swarmkit).
    """
    return "leader" in (error.cause or "")


FREE_ROOM = "`docker system df` there shows what uses space, `docker image prune` removes unused images"
"""Hint for a full disk."""


def _text(error: BaseException) -> str:
    """An exception's message, or its name where it has none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _hint(call: EngineCall, cause: str) -> str | None:
    if "no space left on device" in cause.lower():
        return f"the disk of {call.engine} is full: {FREE_ROOM}"
    if "non-overlapping" in cause:
        return (
            f"Docker on {call.engine} has used up its address pools, and a project's network needs one: remove "
            "unused networks (`docker network prune`), or set `default-address-pools` in its daemon.json"
        )
    if "port is already allocated" in cause or "address already in use" in cause:
        return f"another program on {call.engine} listens on that port: `sudo ss -ltnp` there shows which"
    if missing := _NO_PROGRAM.search(cause):
        return (
            f"its image has no program `{missing[1]}`, which `command`, `entrypoint` or the Dockerfile names"
        )
    return None
