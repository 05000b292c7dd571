"""The border to the client library: one table from its exceptions to ours, and the words around them."""

from __future__ import annotations

import asyncio
import errno
import json
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from aiodocker import exceptions as docker

from ftl.errors import EngineError, EngineUnavailable, FtlError

T = TypeVar("T")

# Asked when no engine answers: what the machine knows about why (connection lost, no Docker), if anything.
Explain = Callable[[], Awaitable[FtlError | None]]

# aiodocker's own status for "could not connect" (docker.py, `_do_query`); not one of HTTP.
_NOT_CONNECTED = 900


@dataclass(frozen=True, slots=True)
class EngineCall:
    """What was being done, for the sentence: "NAME: could not ACTION"."""

    engine: str
    action: str
    seconds: float


Mapped = Callable[[EngineCall, BaseException], EngineError]


def _refused(attempt: EngineCall, error: BaseException) -> EngineError:
    """The engine answered with an error, or the client library could not reach it."""
    status = error.status if isinstance(error, docker.DockerError) else 0
    if status == _NOT_CONNECTED:
        return _unreachable(attempt, error.__context__ or error)
    words = error.message if isinstance(error, docker.DockerError) else str(error)
    cause = words.strip().rstrip(".")
    return EngineError(
        f"the engine on {attempt.engine} could not {attempt.action}",
        status=status,
        cause=cause,
        hint=_hint(attempt, cause),
    )


def _unreachable(attempt: EngineCall, error: BaseException) -> EngineError:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        hint = "let your user talk to Docker: `sudo usermod -aG docker $USER`, then log in again"
    else:
        hint = f"is Docker installed and running on {attempt.engine}? `docker version` tells"
    return EngineUnavailable(
        f"no engine answers on {attempt.engine}", cause=_words(error), hint=hint, status=0
    )


def _broken(attempt: EngineCall, error: BaseException) -> EngineError:
    return EngineUnavailable(
        f"the engine on {attempt.engine} went away while it was to {attempt.action}", cause=_words(error)
    )


def _late(attempt: EngineCall, _error: BaseException) -> EngineError:
    return EngineUnavailable(
        f"the engine on {attempt.engine} did not {attempt.action} within {attempt.seconds:.0f} seconds",
        hint="the machine may be overloaded or its disk stuck; see whether `docker ps` answers there",
    )


def _unreadable(attempt: EngineCall, error: BaseException) -> EngineError:
    return EngineError(
        f"what answered on {attempt.engine} when asked to {attempt.action} does not speak Docker's API",
        cause=_words(error),
    )


# First match wins, so the special comes before the general.
TABLE: tuple[tuple[tuple[type[BaseException], ...], Mapped], ...] = (
    ((docker.DockerError,), _refused),
    ((asyncio.TimeoutError, TimeoutError), _late),
    ((aiohttp.ClientConnectorError,), _unreachable),
    ((aiohttp.ContentTypeError, aiohttp.InvalidURL, aiohttp.ClientResponseError), _unreadable),
    ((json.JSONDecodeError, UnicodeDecodeError, tarfile.TarError), _unreadable),
    ((aiohttp.ClientError, OSError), _broken),
)
FOREIGN: tuple[type[BaseException], ...] = tuple(kind for kinds, _mapped in TABLE for kind in kinds)


def mapped(attempt: EngineCall, error: BaseException) -> EngineError:
    """Our error for one of FOREIGN."""
    return next(make for kinds, make in TABLE if isinstance(error, kinds))(attempt, error)


@contextmanager
def ignoring(status: int) -> Iterator[None]:
    """Go on after an engine's error of this HTTP status."""
    try:
        yield
    except EngineError as error:
        if error.status != status:
            raise


async def none_if_missing(work: Awaitable[T]) -> T | None:
    """The result, or None where the engine says that it does not have what is asked for (404)."""
    try:
        return await work
    except EngineError as error:
        if error.status != 404:
            raise
        return None


FREE_ROOM = "`docker system df` there shows what Docker holds, `docker image prune` frees what nothing uses"
"""What to do about a full disk."""


def _words(error: BaseException) -> str:
    """An exception's own words, or its name where it has none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _hint(attempt: EngineCall, cause: str) -> str | None:
    if "no space left on device" in cause.lower():
        return f"the disk of {attempt.engine} is full: {FREE_ROOM}"
    if "non-overlapping" in cause:
        return (
            f"Docker on {attempt.engine} has given out all its address pools, of which a project's network takes one: "
            "remove networks that nobody uses (`docker network prune`), or set `default-address-pools` in its "
            "daemon.json"
        )
    if "port is already allocated" in cause or "address already in use" in cause:
        return f"something else on {attempt.engine} listens on that port: `sudo ss -ltnp` there names it"
    return None
