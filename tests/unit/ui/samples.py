"""One event of every kind, in the order of a deploy."""

from __future__ import annotations

from ftl import events
from ftl.events import (
    BackupProgress,
    BuildContext,
    BuildFinished,
    BuildOutput,
    BuildStarted,
    BuildStep,
    Draining,
    Event,
    HookOutput,
    LayerFinished,
    Note,
    Planned,
    Probed,
    PullProgress,
    PushProgress,
    SetupPlanned,
    StepFailed,
    StepFinished,
    StepInterrupted,
    StepStarted,
    StepUndone,
    Switched,
    TransferFinished,
    TransferProgress,
    TransferStarted,
)

EVERY: tuple[Event, ...] = (
    Note("the context is large", "warning", "write a .dockerignore"),
    BuildStarted("web", "shop-web", "linux/amd64"),
    BuildStarted("web", "shop-web", "linux/amd64", "build.example.com"),
    BuildContext("web", 4_200_000),
    BuildStep("web", "[2/3] RUN pip install flask", "running"),
    BuildOutput("web", "[2/3] RUN pip install flask", "Collecting flask"),
    BuildFinished("web", "shop-web", 12.3, True, "[2/3] RUN pip install flask", 4.2, "app.py changed"),
    TransferStarted("shop-web:r5", 9, 7, 45_100_000),
    TransferProgress(
        "shop-web:r5", 20_000_000, 45_100_000, 7_000_000, 1, 2, "sha256:ab", "whole", 4_000_000.0, 6.3
    ),
    LayerFinished("shop-web:r5", "sha256:" + "ab" * 32, "whole", 45_100_000, 14_000_000, 14_000_000),
    TransferFinished("shop-web:r5", 2, 7, 14_000_000, 4.1, link_speed=4_000_000.0),
    PullProgress("postgres:16", "Downloading"),
    BackupProgress("postgres", "backup", 45_100_000),
    PushProgress("registry.example.com/shop-web:r5", "Pushing"),
    SetupPlanned("shop.example.com", "Debian GNU/Linux 12 (bookworm)", ("install docker.io",)),
    Planned("shop.example.com", "r5", ("start shop-web-r5", "switch web to r5")),
    StepStarted("wait_healthy", "wait until web is healthy", "web"),
    Probed("web", "shop-web-r5", "connection refused", False),
    StepFinished("wait_healthy", "wait until web is healthy", 1.2, "web"),
    HookOutput("web", "pre", "migrated 3 tables"),
    Switched("r5", ("api", "web")),
    Draining("web", 3),
    StepFailed("start_containers", "start shop-api-r5", "api"),
    StepInterrupted("wait_healthy", "wait until web is healthy", "web"),
    StepUndone("start_containers", "start shop-web-r5", "web"),
)


def kinds() -> set[type[Event]]:
    """All kinds of events."""
    found = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    return found - {Event}
