"""Errors for users: a class for each kind of cause, with its exit code.

    FtlError                    1    the work failed
      ConfigError               2    ftl.yaml, .env or the command line is wrong: Problems with places
      UsageError                2    the call cannot be carried out as written
      ServerError               3    the server cannot be reached, or refuses us
        HostKeyChanged          3    the server's host key is not the one known for it
        LoginRefused            3    the server is there, and does not let this user in
      LockTaken                  4    another deploy of the project, or setup of the server, is running
      Interrupted             130    Ctrl-C or SIGTERM
      EngineError               1    an engine answered with an error (status, its own words)
        EngineUnavailable       1    no engine answers (3 where it is a server's)
      BuildFailed               1    an image could not be built
      TransferFailed            1    an image could not be transferred to the server
      Unhealthy                 1    a container of the new release did not become healthy
      HookFailed                1    a hook ended with a status other than 0

An error has what happened (`message`), where (`place`), the message of its cause (`cause`) and what to do next
(`hint`). Foreign exceptions are mapped to these where they are caught.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """Server, service and step of an error; any part may be unknown."""

    server: str | None = None
    service: str | None = None
    step: str | None = None

    def __str__(self) -> str:
        return ", ".join(part for part in (self.server, self.service, self.step) if part)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file, with its position.

    Attributes:
        message: A sentence that names the key or value.
        file: Path, relative to the current folder.
        line: 1-based; 0 where the problem is the whole file.
        column: 1-based; 0 where unknown.
        source: The text of that line, shown with a caret below `column`.
        hint: How to fix it, if that is known.
    """

    message: str
    file: str
    line: int = 0
    column: int = 0
    source: str = ""
    hint: str | None = None


class FtlError(Exception):
    """Base class: an error with a message for the user."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        cause: str | None = None,
        hint: str | None = None,
        place: ErrorContext | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.hint = hint
        self.place = place or ErrorContext()
        self.details: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """Its message and cause as one sentence."""
        return f"{self.message}: {self.cause}" if self.cause else self.message

    def add_hint(self, text: str) -> None:
        """Add a hint, after the one that it has."""
        self.hint = f"{self.hint}; {text}" if self.hint else text

    def with_details(self, lines: Sequence[str]) -> FtlError:
        """Attach lines that are shown unchanged below the error, such as the last log lines."""
        self.details = tuple(lines)
        return self


class ConfigError(FtlError):
    """ftl.yaml, or a file it names, is wrong; has all problems in the order of the file."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        super().__init__(first.message, hint=first.hint)
        self.problems = tuple(problems)


class UsageError(FtlError):
    """The command cannot be carried out as written."""

    exit_code = 2


class ServerError(FtlError):
    """The server cannot be reached or refuses us."""

    exit_code = 3


class HostKeyChanged(ServerError):
    """The server's host key is not the one that is known for it."""


class LoginRefused(ServerError):
    """The server rejects this user with every key that was offered."""


class LockTaken(FtlError):
    """Another deploy of the same project, or another setup, is running on the server."""

    exit_code = 4

    def __init__(self, message: str, *, holder: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.holder = holder


class Interrupted(FtlError):
    """The user or the system asked FTL to stop."""

    exit_code = 130


class EngineError(FtlError):
    """An engine answered a call with an error.

    Attributes:
        status: The HTTP status of the answer; 0 where there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        cause: str | None = None,
        hint: str | None = None,
        place: ErrorContext | None = None,
    ) -> None:
        super().__init__(message, cause=cause, hint=hint, place=place)
        self.status = status


class EngineUnavailable(EngineError):
    """No engine answers at the socket."""


class BuildFailed(FtlError):
    """An image could not be built."""


class TransferFailed(FtlError):
    """An image could not be transferred to the server; nothing was tagged there."""


class Unhealthy(FtlError):
    """A container did not become healthy; has its last log lines as details."""


class HookFailed(FtlError):
    """A hook ended with a status other than 0."""


@contextmanager
def at(*, server: str | None = None, service: str | None = None, step: str | None = None) -> Iterator[None]:
    """Add the place to any FtlError raised inside, where it does not have these parts yet."""
    try:
        yield
    except FtlError as error:
        known = error.place
        error.place = replace(
            known,
            server=known.server or server,
            service=known.service or service,
            step=known.step or step,
        )
        raise
