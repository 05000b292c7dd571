"""Progress events: frozen values that the core emits while it works.

The core calls an `Emit`; `ftl.ui` draws the events (rich on a terminal, plain lines elsewhere, JSON lines with
`--json`), and tests collect them. Their `type` and field names are what `--json` prints, a public contract
(tests/unit/test_contract.py). No event ever carries a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events.

    Attributes:
        type: The event's `type` in JSON. Every kind states its own, so that renaming a class does not change it.
    """

    type: ClassVar[str]


Emit = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """An Emit that discards every event."""


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A sentence for the user; `hint` says what to do about it, if anything."""

    type: ClassVar[str] = "note"

    text: str
    level: Literal["info", "warning"] = "info"
    hint: str | None = None


# --- building -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BuildStarted(Event):
    """A service's image is being built for `platform` ("linux/amd64").

    `on` is the machine that builds it; null for this one.
    """

    type: ClassVar[str] = "build_started"

    service: str
    image: str
    platform: str | None = None
    on: str | None = None


@dataclass(frozen=True, slots=True)
class BuildContext(Event):
    """The build context was sent to the builder; its size in bytes."""

    type: ClassVar[str] = "build_context"

    service: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildStep(Event):
    """One instruction of the Dockerfile changed state; `seconds` is its duration once it ended."""

    type: ClassVar[str] = "build_step"

    service: str
    name: str
    state: Literal["running", "cached", "done", "failed"]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class BuildOutput(Event):
    """A line printed by a running build step."""

    type: ClassVar[str] = "build_output"

    service: str
    step: str
    line: str


@dataclass(frozen=True, slots=True)
class BuildFinished(Event):
    """A service's image is built. `built` is false if every step came from the cache."""

    type: ClassVar[str] = "build_finished"

    service: str
    image: str
    seconds: float
    built: bool
    first_miss: str | None = None
    miss_seconds: float = 0.0
    miss_reason: str | None = None


# --- transferring images ------------------------------------------------------------------------


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


# --- preparing a server -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetupPlanned(Event):
    """The plan for a server, a line for each step.

    `system` is its operating system: "Debian GNU/Linux 12 (bookworm)".
    """

    type: ClassVar[str] = "setup_planned"

    server: str
    system: str
    steps: tuple[str, ...]


# --- a deploy -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """The plan of a deploy, a line for each step."""

    type: ClassVar[str] = "planned"

    server: str
    release: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A step of the plan begins. `step` is its fixed name ("start_containers", "switch", ...)."""

    type: ClassVar[str] = "step_started"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepFinished(Event):
    """A step of the plan is done."""

    type: ClassVar[str] = "step_finished"

    step: str
    text: str
    seconds: float
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepFailed(Event):
    """A step failed; the error is reported separately."""

    type: ClassVar[str] = "step_failed"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepUndone(Event):
    """A step was undone because the release failed."""

    type: ClassVar[str] = "step_undone"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Probed(Event):
    """A health probe of a container and its outcome ("200", "connection refused").

    `seconds` is the time waited so far, `limit` the time allowed.
    """

    type: ClassVar[str] = "probed"

    service: str
    container: str
    outcome: str
    healthy: bool
    seconds: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class HookOutput(Event):
    """A line printed by a hook."""

    type: ClassVar[str] = "hook_output"

    service: str
    hook: str
    line: str


@dataclass(frozen=True, slots=True)
class Switched(Event):
    """New requests for these services go to `release` from now on."""

    type: ClassVar[str] = "switched"

    release: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draining(Event):
    """Number of requests that are still in flight on the old containers of a service."""

    type: ClassVar[str] = "draining"

    service: str
    in_flight: int
