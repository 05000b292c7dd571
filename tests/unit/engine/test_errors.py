"""The border to the client library: its exceptions in our words."""

from __future__ import annotations

import asyncio
import errno
import inspect

import aiohttp
import pytest
from aiodocker import exceptions as docker

from ftl.engine.errors import FOREIGN, EngineCall, mapped
from ftl.errors import EngineError, EngineUnavailable

ATTEMPT = EngineCall(engine="shop", action="list its containers", seconds=120.0)


def foreign_exceptions() -> list[type[BaseException]]:
    """Every exception that the client library, and the HTTP client below it, can raise at a caller."""
    found = [
        kind
        for module in (docker, aiohttp)
        for _name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]
    # Of web sockets and aiohttp's own streams; no call of ours meets them.
    others = (aiohttp.EofStream, aiohttp.WSMessageTypeError, aiohttp.WebSocketError)
    return [kind for kind in found if kind not in others]


@pytest.mark.parametrize("kind", foreign_exceptions())
def test_every_exception_of_the_library_has_a_row(kind: type[BaseException]) -> None:
    """An exception that a new version of the library brings must be given words before it is used."""
    assert issubclass(kind, FOREIGN)


def test_an_answer_keeps_its_status_and_words() -> None:
    """An engine's error carries its HTTP status and its own message as the cause."""
    error = mapped(ATTEMPT, docker.DockerError(409, "name is in use."))
    assert type(error) is EngineError
    assert (error.status, error.cause) == (409, "name is in use")
    assert error.message == "the engine on shop could not list its containers"


def test_a_full_disk_says_how_to_free_it() -> None:
    """Disk full, wherever in the engine's words, comes with what to do about it."""
    error = mapped(ATTEMPT, docker.DockerStreamError("write /var/lib/docker/x: no space left on device"))
    assert error.hint is not None
    assert "disk of shop is full" in error.hint
    assert "docker image prune" in error.hint


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EACCES, "usermod -aG docker"), (errno.ENOENT, "is Docker installed and running")],
)
def test_an_engine_out_of_reach_says_what_may_be_missing(number: int, hint: str) -> None:
    """No permission and no socket are told apart, though the library flattens both into one status."""
    flat = docker.DockerError(900, "Cannot connect to Docker Engine via unix://localhost")
    flat.__context__ = OSError(number, "because")
    error = mapped(ATTEMPT, flat)
    assert type(error) is EngineUnavailable
    assert error.cause == "because"
    assert error.hint is not None
    assert hint in error.hint


@pytest.mark.parametrize(
    "kind",
    [asyncio.TimeoutError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError],
)
def test_an_engine_that_goes_away_is_unavailable(kind: type[Exception]) -> None:
    """Broken connections and missed deadlines are not errors that the engine answered with."""
    assert type(mapped(ATTEMPT, kind())) is EngineUnavailable


def test_what_is_no_engine_is_said_to_be_none() -> None:
    """Something else behind the address is neither an engine's error nor a missing engine."""
    error = mapped(ATTEMPT, aiohttp.InvalidURL("x"))
    assert "does not speak Docker's API" in error.message
