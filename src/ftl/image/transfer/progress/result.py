"""Result of bringing an image to a server: layers, bytes and seconds."""

from __future__ import annotations

from dataclasses import fields

from ftl.dataclass import dataclass
from ftl.events import Emit, TransferFinished


@dataclass(frozen=True, slots=True)
class TransferResult(TransferFinished):
    """Result of bringing an image to a server: the event, and whether FTL's archive was loaded.

    Attributes:
        loaded: The server's engine made the image of FTL's archive; otherwise it had it already.
    """

    loaded: bool = False


def report_finished(result: TransferResult, emit: Emit) -> TransferResult:
    """Emit that an image is on the server; returns its result."""
    emit(TransferFinished(**{each.name: getattr(result, each.name) for each in fields(TransferFinished)}))
    return result
