"""Progress events: frozen values that the core emits while it works.

The core calls an `Emit`; `ftl.ui` draws the events (rich on a terminal, plain lines elsewhere, JSON lines with
`--json`), and tests collect them. Their `type` and field names are what `--json` prints, a public contract
(tests/unit/test_contract.py). No event ever carries a secret.
"""

from ftl.events.build import BuildContext, BuildFinished, BuildOutput, BuildStarted, BuildStep
from ftl.events.event import Emit, Event, Note, ignore
from ftl.events.steps import (
    Draining,
    HookOutput,
    Planned,
    Probed,
    SetupPlanned,
    StepFailed,
    StepFinished,
    StepInterrupted,
    StepStarted,
    StepUndone,
    Switched,
)
from ftl.events.transfer import (
    BackupProgress,
    LayerFinished,
    LayerWay,
    PullProgress,
    PushProgress,
    TransferFinished,
    TransferProgress,
    TransferStarted,
)

__all__ = [
    "BackupProgress",
    "BuildContext",
    "BuildFinished",
    "BuildOutput",
    "BuildStarted",
    "BuildStep",
    "Draining",
    "Emit",
    "Event",
    "HookOutput",
    "LayerFinished",
    "LayerWay",
    "Note",
    "Planned",
    "Probed",
    "PullProgress",
    "PushProgress",
    "SetupPlanned",
    "StepFailed",
    "StepFinished",
    "StepInterrupted",
    "StepStarted",
    "StepUndone",
    "Switched",
    "TransferFinished",
    "TransferProgress",
    "TransferStarted",
    "ignore",
]
