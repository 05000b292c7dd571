"""What it took to bring an image to a server."""

from __future__ import annotations

from dataclasses import dataclass

from ftl.events import Emit, TransferFinished


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What it took to bring an image to a server.

    Attributes:
        image: Its name there.
        layers_sent: Layers that travelled.
        layers_reused: Layers that the server had, or that another image of the same transfer brought.
        bytes_sent: Compressed bytes handed to the wire.
        seconds: From the first question to the tag.
        bytes_saved: About how many more would have been sent if no layer had gone as a difference.
        layers_delta: How many of those sent went as differences.
        layers_kept: How many of those reused the server had kept from an earlier transfer, beside its images.
        link_speed: Bytes a second on the wire, on average, while layers were sent; 0 where none was.
        loaded: The engine there made the image of what FTL sent; otherwise it had it.
    """

    image: str
    layers_sent: int
    layers_reused: int
    bytes_sent: int
    seconds: float
    bytes_saved: int = 0
    layers_delta: int = 0
    layers_kept: int = 0
    link_speed: float = 0.0
    loaded: bool = False


def report_finished(sent: TransferResult, emit: Emit) -> TransferResult:
    """Tell that an image is on the server."""
    emit(
        TransferFinished(
            image=sent.image,
            layers_sent=sent.layers_sent,
            layers_reused=sent.layers_reused,
            bytes_sent=sent.bytes_sent,
            seconds=sent.seconds,
            bytes_saved=sent.bytes_saved,
            layers_delta=sent.layers_delta,
            layers_kept=sent.layers_kept,
            link_speed=sent.link_speed,
        )
    )
    return sent
