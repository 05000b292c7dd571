"""Interface of all ways to deliver an archive, and the errors for one that was not loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ftl.errors import TransferFailed
from ftl.image.transfer.disk_space import disk_full, not_loaded
from ftl.image.transfer.staging import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ftl.image.transfer.pack import ArchivePart

STALL_SECONDS = 900.0
"""The longest time without progress.

The local engine may write a large image to disk before its first byte, and the server's engine unpacks it after the
last."""


class Delivery(Protocol):
    """A way to deliver an archive to the server's engine."""

    async def deliver(self, parts: AsyncGenerator[ArchivePart, None]) -> None:
        """Send the archive, and have it loaded.

        Raises:
            VerificationFailed: The engine refused it; a whole archive may work.
            TransferFailed: No other archive would work.
        """
        ...


def load_refused(server: str, cause: str) -> VerificationFailed | TransferFailed:
    """The error for an archive that the engine refused.

    A full disk is no reason to retry with a whole archive, anything else may be.
    """
    if "no space left on device" in cause.lower():
        return disk_full(server, cause)
    return VerificationFailed(cause)


def load_failed(server: str, cause: str, hint: str | None = None) -> TransferFailed:
    """The error for an archive that was not loaded."""
    return TransferFailed(not_loaded(server), cause=cause, hint=hint)
