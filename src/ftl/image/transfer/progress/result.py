"""Result of bringing an image to a server: layers, bytes and seconds."""

from __future__ import annotations

from dataclasses import fields

from ftl.dataclass import dataclass
from ftl.events import Emit, TransferFinished


@dataclass(frozen=True, slots=True)
class TransferResult(TransferFinished):
    """The event, and whether the engine made the image of FTL's archive, or had it already."""

    loaded: bool = False


def report_finished(result: TransferResult, emit: Emit) -> TransferResult:
    """Emit that an image is on the server; returns its result."""
    emit(TransferFinished(**{each.name: getattr(result, each.name) for each in fields(TransferFinished)}))
    return result
