"""Result of a command, wherever it ran: its status, its output, its failure as an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import FtlError

if TYPE_CHECKING:
    from typing import Self


class CommandResult:
    """Base of the results of commands on this machine, on a server and in a container."""

    __slots__ = ()

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """All of stdout."""
        return self.stdout.decode(errors="replace")

    @property
    def lines(self) -> list[str]:
        """The lines of stdout."""
        return self.text.splitlines()

    @property
    def error_text(self) -> str:
        """All of stderr, without the white space around it."""
        return self.stderr.decode(errors="replace").strip()

    @property
    def message(self) -> str:
        """All of stderr, else all of stdout, without the white space around it."""
        return self.error_text or self.text.strip()

    @property
    def complaint(self) -> str:
        """The last line of stderr, else its status. Stdout may be a secret, on failure too."""
        return self.error_text.rpartition("\n")[2].strip() or self._status

    def require(self, message: str, *, hint: str | None = None, error: type[FtlError] = FtlError) -> Self:
        """Return this if the command succeeded.

        Raises:
            FtlError: It did not, of the type `error`; the cause is all of stderr, else its status.
        """
        if self.exit_code:
            raise error(message, cause=self.error_text or self._status, hint=hint)
        return self

    @property
    def _status(self) -> str:
        return f"status {self.exit_code}"
