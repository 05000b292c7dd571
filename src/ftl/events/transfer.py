"""Events of images and dumps on their way: transfers, pulls, pushes, backups."""

from __future__ import annotations

from typing import ClassVar, Literal

from ftl.dataclass import dataclass
from ftl.events.event import Event

LayerWay = Literal["whole", "delta", "kept"]
"""Transfer of a layer: complete, as the delta to an old one, or not needed (cached there)."""


@dataclass(frozen=True, slots=True)
class TransferStarted(Event):
    """An image is being sent; sizes are those of the uncompressed layers, in bytes.

    Of the reused layers, `layers_kept` were in the server's cache from an earlier transfer. `server` is empty with one
    server.
    """

    type: ClassVar[str] = "transfer_started"

    image: str
    layers: int
    layers_reused: int
    bytes_total: int
    layers_kept: int = 0
    server: str = ""


@dataclass(frozen=True, slots=True)
class TransferProgress(Event):
    """Progress of a transfer in uncompressed bytes; `bytes_sent` is the traffic on the wire.

    `speed` is the recent number of bytes per second, `seconds_left` the time for the rest at that speed. `layer` is the
    current layer (its diffID), one of the `layers_total` to be sent, and `way` is how it is sent.
    """

    type: ClassVar[str] = "transfer_progress"

    image: str
    bytes_done: int
    bytes_total: int
    bytes_sent: int
    layers_done: int = 0
    layers_total: int = 0
    layer: str | None = None
    way: LayerWay | None = None
    speed: float = 0.0
    seconds_left: float | None = None
    server: str = ""


@dataclass(frozen=True, slots=True)
class LayerFinished(Event):
    """A layer (its diffID) of `size` bytes was sent, or is cached on the server (`kept`).

    `bytes_sent` is the traffic on the wire, `instead_of` the estimate for the complete layer; both are null where
    several layers share one compressed stream.
    """

    type: ClassVar[str] = "layer_finished"

    image: str
    layer: str
    way: LayerWay
    size: int
    bytes_sent: int | None = None
    instead_of: int | None = None


@dataclass(frozen=True, slots=True)
class TransferFinished(Event):
    """The image is on the server, verified and tagged; deltas saved `bytes_saved`.

    `layers_delta` of the sent layers were sent as deltas, `layers_kept` of the reused ones were in the server's cache
    from an earlier transfer. `link_speed` is the average number of bytes per second on the wire. With several servers
    each has its own event; `bytes_fanned_out` came from another server, and `bytes_sent` from here.
    """

    type: ClassVar[str] = "transfer_finished"

    image: str
    layers_sent: int
    layers_reused: int
    bytes_sent: int
    seconds: float
    bytes_saved: int = 0
    layers_delta: int = 0
    layers_kept: int = 0
    link_speed: float = 0.0
    server: str = ""
    bytes_fanned_out: int = 0


@dataclass(frozen=True, slots=True)
class PullProgress(Event):
    """Progress of a pull by the engine: its status text."""

    type: ClassVar[str] = "pull_progress"

    image: str
    status: str


@dataclass(frozen=True, slots=True)
class PushProgress(Event):
    """Progress of a push to the registry in the image's name: the engine's status text."""

    type: ClassVar[str] = "push_progress"

    image: str
    status: str


@dataclass(frozen=True, slots=True)
class BackupProgress(Event):
    """Progress of a backup or restore of a dependency.

    Attributes:
        doing: "backup" or "restore".
        bytes: Bytes so far.
    """

    type: ClassVar[str] = "backup_progress"

    name: str
    doing: str
    bytes: int
