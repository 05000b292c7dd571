"""Progress events: frozen values that the core emits while it works.

The core calls an `Emit`; `ftl.ui` draws the events (rich on a terminal, plain lines elsewhere, JSON lines with
`--json`), and tests collect them. Their `type` and field names are what `--json` prints, a public contract
(tests/unit/test_contract.py). No event ever carries a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of all events.

    Attributes:
        type: The event's `type` in JSON. Every kind states its own, so that renaming a class does not change it.
    """

    type: ClassVar[str]


Emit = Callable[[Event], None]


def type_name(kind: type[object]) -> str:
    """The snake_case form of a class name, `StartContainers` -> "start_containers": the name of a step in events."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


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
    """A service's image is being built for `platform` ("linux/amd64")."""

    type: ClassVar[str] = "build_started"

    service: str
    image: str
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class BuildContext(Event):
    """How much was sent to the builder as context, in bytes."""

    type: ClassVar[str] = "build_context"

    service: str
    bytes: int


@dataclass(frozen=True, slots=True)
class BuildStep(Event):
    """One instruction of the Dockerfile changed state; `seconds` once it is over."""

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
    """A service's image is there. `built` is false when every step came from the cache."""

    type: ClassVar[str] = "build_finished"

    service: str
    image: str
    seconds: float
    built: bool
    first_miss: str | None = None
    miss_seconds: float = 0.0
    miss_reason: str | None = None


# --- images on their way ------------------------------------------------------------------------


LayerWay = Literal["whole", "delta", "kept"]
"""How a layer comes to a server: as it is, as the difference to an old one, or not at all: it was kept there."""


@dataclass(frozen=True, slots=True)
class TransferStarted(Event):
    """An image is being sent; sizes are of the uncompressed layers, in bytes.

    Of the layers that are reused, `layers_kept` were kept on the server from an earlier transfer.
    """

    type: ClassVar[str] = "transfer_started"

    image: str
    layers: int
    layers_reused: int
    bytes_total: int
    layers_kept: int = 0


@dataclass(frozen=True, slots=True)
class TransferProgress(Event):
    """So many of `bytes_total` (uncompressed) are through; `bytes_sent` went over the wire.

    `speed` is how many bytes were lately done in a second, `seconds_left` how long the rest takes at that speed.
    `layer` is the layer at hand (its diffID), one of the `layers_total` that travel, and `way` how it does.
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


@dataclass(frozen=True, slots=True)
class LayerFinished(Event):
    """A layer (its diffID) of `size` bytes has gone to the server, or was `kept` there and need not go.

    `bytes_sent` went over the wire, about `instead_of` would have if it had gone whole; both are null where several
    layers travel in one compressed stream.
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
    """The image is on the server, verified and tagged; `bytes_saved` more would have been sent without differences.

    `layers_delta` of the layers sent went as differences, `layers_kept` of those reused were kept on the server from an
    earlier transfer. `link_speed` is the average of bytes a second on the wire.
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


@dataclass(frozen=True, slots=True)
class PullProgress(Event):
    """The engine pulls an image: its own status text."""

    type: ClassVar[str] = "pull_progress"

    image: str
    status: str


@dataclass(frozen=True, slots=True)
class PushProgress(Event):
    """An image is pushed to the registry it names: the docker CLI's own status text."""

    type: ClassVar[str] = "push_progress"

    image: str
    status: str


# --- preparing a server -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetupPlanned(Event):
    """What will be changed on a server that runs `system` ("Debian GNU/Linux 12 (bookworm)"), one line a step."""

    type: ClassVar[str] = "setup_planned"

    server: str
    system: str
    steps: tuple[str, ...]


# --- a deploy -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """What will be done, one line a step."""

    type: ClassVar[str] = "planned"

    server: str
    release: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepStarted(Event):
    """A step of the plan begins. `step` is its stable name ("start_containers", "wait_healthy", ...)."""

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
    """A step failed; the error itself follows by the ordinary way."""

    type: ClassVar[str] = "step_failed"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class StepUndone(Event):
    """A step was taken back because the release will not be."""

    type: ClassVar[str] = "step_undone"

    step: str
    text: str
    service: str | None = None


@dataclass(frozen=True, slots=True)
class Probed(Event):
    """One health probe of a container and its outcome in words ("200", "connection refused").

    `seconds` is how long the container has been waited for, `limit` how long it may take.
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
    """New requests for these services go to `release` from here on."""

    type: ClassVar[str] = "switched"

    release: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Draining(Event):
    """So many requests are still in flight on the old containers of a service."""

    type: ClassVar[str] = "draining"

    service: str
    in_flight: int
