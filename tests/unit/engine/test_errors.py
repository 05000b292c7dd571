"""Mapping of the client library's exceptions."""

from __future__ import annotations

import asyncio
import errno
import inspect

import aiohttp
import pytest
from aiodocker import exceptions as docker

from ftl.engine import errors
from ftl.engine.errors import EngineCall
from ftl.engine.transport.http import HttpError
from ftl.engine.transport.reader import MalformedResponse
from ftl.engine.transport.sockets import NotConnected
from ftl.errors import EngineError, EngineUnavailable

CALL = EngineCall(engine="shop", action="list its containers", seconds=120.0)


def mapped(error: BaseException) -> EngineError:
    """FTL's error for one of the table."""
    found = errors.mapped(CALL, error)
    assert found is not None
    return found


def foreign_exceptions() -> list[type[BaseException]]:
    """Every exception that the client library, and the HTTP client below it, can raise at a caller."""
    kinds = [
        kind
        for module in (docker, aiohttp)
        for _name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
    ]
    # For web sockets and aiohttp's streams, which FTL does not use.
    others = (aiohttp.EofStream, aiohttp.WSMessageTypeError, aiohttp.WebSocketError)
    return [kind for kind in kinds if kind not in others]


@pytest.mark.parametrize("kind", foreign_exceptions())
def test_every_exception_of_the_library_has_a_row(kind: type[BaseException]) -> None:
    """An exception that a new version of the library adds needs a row, and so a message."""
    assert any(issubclass(kind, kinds) for kinds, _ in errors.table())


def test_an_error_keeps_status_and_message() -> None:
    """The engine's HTTP status is kept, and its message is the cause."""
    error = mapped(docker.DockerError(409, "name is in use."))
    assert type(error) is EngineError
    assert (error.status, error.cause) == (409, "name is in use")
    assert error.message == "the engine on shop could not list its containers"


@pytest.mark.parametrize(
    "cause",
    [
        'exec: "python": executable file not found in $PATH',
        'exec: "python": stat python: no such file or directory',
    ],
)
def test_a_program_that_the_image_lacks_is_named(cause: str) -> None:
    """The engine says it among words about its own parts."""
    start = "failed to create shim task: OCI runtime create failed: runc create failed: "
    error = mapped(docker.DockerError(400, f"{start}unable to start container process: {cause}: unknown"))
    assert "no program `python`" in str(error.hint)


def test_ids_are_short_as_those_of_docker() -> None:
    """Nobody compares 64 digits."""
    assert errors.shortened(f"start {'0123456789abcdef' * 4}") == "start 0123456789ab"
    assert errors.shortened(f"pull x@sha256:{'0' * 63}") == f"pull x@sha256:{'0' * 63}"


def test_a_full_disk_says_how_to_free_it() -> None:
    """An error about a full disk, anywhere in the message, has a hint."""
    error = mapped(docker.DockerStreamError("write /var/lib/docker/x: no space left on device"))
    assert error.hint is not None
    assert "disk of shop is full" in error.hint
    assert "docker image prune" in error.hint


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.EACCES, "usermod -aG docker"), (errno.ENOENT, "that Docker is installed and running")],
)
def test_an_unreachable_engine_has_a_hint(number: int, hint: str) -> None:
    """Missing permission and missing socket are distinguished, though the library has one status for both."""
    flat = docker.DockerError(900, "Cannot connect to Docker Engine via unix://localhost")
    flat.__context__ = OSError(number, "because")
    error = mapped(flat)
    assert type(error) is EngineUnavailable
    assert error.cause == "because"
    assert error.hint is not None
    assert hint in error.hint


@pytest.mark.parametrize(
    "kind",
    [asyncio.TimeoutError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionResetError],
)
def test_a_lost_connection_means_unavailable(kind: type[Exception]) -> None:
    """Lost connections and timeouts are not errors from the engine."""
    assert type(mapped(kind())) is EngineUnavailable


def test_a_service_that_is_no_engine_is_reported() -> None:
    """An answer from another service is neither an engine's error nor a missing engine."""
    error = mapped(aiohttp.InvalidURL("x"))
    assert "did not answer as Docker's API does" in error.message


def test_the_errors_of_reads_are_mapped_as_aiodockers_are() -> None:
    """A read has its own exceptions, with the same messages and hints."""
    refused = mapped(HttpError(404, "No such container: x."))
    assert (type(refused), refused.status, refused.cause) == (EngineError, 404, "No such container: x")
    absent = NotConnected("refused")
    absent.__cause__ = OSError(errno.EACCES, "because")
    unreachable = mapped(absent)
    assert (type(unreachable), unreachable.cause) == (EngineUnavailable, "because")
    assert "usermod -aG docker" in str(unreachable.hint)
    assert "did not answer as Docker's API does" in mapped(MalformedResponse("no")).message


def test_other_exceptions_are_not_mapped() -> None:
    """A mistake in our own code stays what it is."""
    assert errors.mapped(CALL, KeyError("x")) is None
