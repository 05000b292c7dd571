"""Result of bringing an image to a server: layers, bytes and seconds."""

from __future__ import annotations

from dataclasses import fields

from ftl.dataclass import dataclass
from ftl.events import Emit, TransferFinished


@dataclass(frozen=True, slots=True)
class TransferResult:
    """Result of bringing an image to a server.

    Attributes:
        image: The image's tag there.
        layers_sent: Layers that were sent.
        layers_reused: Layers that the server had, or that another image of the same transfer brought.
        bytes_sent: Compressed bytes written to the network.
        seconds: From the first request to the tag.
        bytes_saved: About how many more bytes would have been sent without deltas.
        layers_delta: How many of the layers sent went as deltas.
        layers_kept: How many of the layers reused came from the server's cache, not from its images.
        link_speed: Bytes a second on the wire, on average, while layers were sent; 0 where none was.
        bytes_fanned_out: Compressed bytes that it got from another server of the cluster, not from here.
        loaded: The server's engine made the image of FTL's archive; otherwise it had it already.
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
    bytes_fanned_out: int = 0


def report_finished(result: TransferResult, emit: Emit) -> TransferResult:
    """Emit that an image is on the server; returns its result."""
    reported = {each.name: getattr(result, each.name) for each in fields(result) if each.name != "loaded"}
    emit(TransferFinished(**reported))
    return result
