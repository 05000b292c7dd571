"""What it means that an archive was not loaded."""

from __future__ import annotations

from ftl.errors import TransferFailed
from ftl.image.transfer.disk_space import disk_full
from ftl.image.transfer.staging import VerificationFailed


def load_refused(server: str, words: str) -> VerificationFailed | TransferFailed:
    """What an engine's refusal means: a full disk is no reason to try again, anything else may be."""
    if "no space left on device" in words.lower():
        return disk_full(server, words)
    return VerificationFailed(words)


def load_failed(server: str, words: str, hint: str | None = None) -> TransferFailed:
    """The error for an archive that was not loaded."""
    return TransferFailed(
        f"the image could not be loaded on {server}; nothing was tagged there", cause=words, hint=hint
    )
