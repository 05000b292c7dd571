"""The rows of work in progress."""

from __future__ import annotations

import pytest

from ftl.events import (
    BuildFinished,
    BuildOutput,
    BuildStarted,
    BuildStep,
    Event,
    Probed,
    PullProgress,
    PushProgress,
    StepFailed,
    StepFinished,
    StepStarted,
    TransferFinished,
    TransferProgress,
    TransferStarted,
)
from ftl.ui.reporters.board import Board


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def board(*events: Event) -> Board:
    """A board that was updated by these events."""
    result = Board(Clock())
    for event in events:
        result.update(event)
    return result


@pytest.mark.parametrize(
    "events",
    [
        (BuildStarted("web", "shop-web"), BuildFinished("web", "shop-web", 1.0, True)),
        (BuildStarted("web", "shop-web"), BuildStep("web", "RUN x", "failed")),
        (TransferStarted("i", 2, 1, 10), TransferFinished("i", 1, 1, 5, 1.0)),
        (TransferStarted("i", 2, 2, 0),),
        (PullProgress("i", "Downloading"), PullProgress("i", "Status: Downloaded newer image for i")),
        (PushProgress("i", "Pushing"), PushProgress("i", "r5: digest: sha256:ab size: 1234")),
        (StepStarted("start", "start x", "web"), StepFinished("start", "start x", 1.0, "web")),
        (StepStarted("start", "start x", "web"), StepFailed("start", "start x", "web")),
        (BuildFinished("web", "shop-web", 1.0, True), StepFinished("start", "start x", 1.0, "web")),
        (Probed("web", "c", "200", True), TransferProgress("i", 1, 2, 1)),
    ],
)
def test_nothing_is_left_of_what_ended(events: tuple[Event, ...]) -> None:
    """An activity that ended, failed or never started has no row."""
    assert board(*events).rows == ()


def test_a_build_shows_its_step_and_the_last_line_of_it() -> None:
    """A build's row shows the current step and its last line of output."""
    shown = board(
        BuildStarted("web", "shop-web"),
        BuildStep("web", "RUN pip install", "running"),
        BuildOutput("web", "RUN pip install", "Collecting \x1b[1mflask\x1b[0m"),
    )
    (row,) = shown.rows
    assert (row.subject, row.text, row.detail) == ("web", "RUN pip install", "Collecting flask")
    shown.update(BuildStep("web", "COPY . .", "running"))
    assert (row.text, row.detail) == ("COPY . .", "")


def test_a_probe_shows_at_the_step_that_waits_for_it() -> None:
    """The row of a service that is not healthy yet shows the outcome of the last probe."""
    shown = board(
        StepStarted("wait_healthy", "wait until web is healthy", "web"),
        Probed("web", "shop-web-r5", "connection refused", False),
    )
    assert [row.detail for row in shown.rows] == ["connection refused"]


def test_steps_of_one_kind_count() -> None:
    """Two equal steps in parallel share a row, which stays until both end."""
    start = StepStarted("bring_image", "bring image x")
    shown = board(start, start, StepFinished("bring_image", "bring image x", 1.0))
    assert len(shown.rows) == 1
    shown.update(StepFinished("bring_image", "bring image y", 1.0))
    assert not shown.rows


def test_a_transfer_shows_how_far_it_is() -> None:
    """The row of a transfer shows the latest figures."""
    shown = board(TransferStarted("i", 3, 1, 1000))
    (row,) = shown.rows
    assert row.transfer == TransferProgress("i", 0, 1000, 0, layers_total=2)
    later = TransferProgress("i", 500, 1000, 100, 1, 2, "sha256:b", "delta", 100.0, 5.0)
    shown.update(later)
    assert row.transfer == later


def test_an_image_that_is_put_together_of_what_was_kept_has_a_row() -> None:
    """An image of which no layer is sent has a row: the server's engine unpacks it, which takes time."""
    assert len(board(TransferStarted("i", 3, 3, 0, layers_kept=2)).rows) == 1
