"""The lines of events."""

from __future__ import annotations

import pytest

from ftl.events import (
    BuildFinished,
    BuildOutput,
    BuildStep,
    Draining,
    Event,
    HookOutput,
    LayerFinished,
    Note,
    Probed,
    StepFinished,
    StepInterrupted,
    TransferFinished,
    TransferProgress,
    TransferStarted,
)
from ftl.ui.reporters.plain import text_of
from ftl.ui.reporters.transcript import INTERVAL, Line, Transcript
from tests.unit.ui.samples import EVERY, kinds


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def told(*events: Event, verbose: int = 0) -> list[str]:
    """Plain lines of these events."""
    transcript = Transcript(verbose=verbose, clock=Clock())
    return [text_of(line) for event in events for line in transcript.lines(event)]


def test_there_is_a_sample_of_every_event() -> None:
    """A new kind of event must be added to the samples, so that every reporter is tested with it."""
    assert {type(event) for event in EVERY} == kinds()


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_every_event_says_something_with_v(event: Event) -> None:
    """With -v every event has a line."""
    assert told(event, verbose=1)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Note("careful", "warning", "do that"), ["warning: careful", "hint: do that"]),
        (Note("by the way"), ["by the way"]),
        (
            StepFinished("wait_healthy", "wait until web is healthy", 1.24, "web"),
            ["web: healthy after 1.2 s"],
        ),
        (
            StepFinished("attach", "join the proxy to ftl-p-shop", 0.3),
            ["join the proxy to ftl-p-shop (0.3 s)"],
        ),
        (StepFinished("attach", "join the proxy to ftl-p-shop", 0.04), ["join the proxy to ftl-p-shop"]),
        (StepFinished("record", "record r5 as live", 0.3), []),
        (BuildFinished("web", "shop-web", 0.4, False), ["web: nothing to build, shop-web is up to date"]),
        (
            BuildFinished("web", "shop-web", 12.3, True, "COPY . .", 4.2, "app.py changed"),
            [
                "web: built shop-web in 12 s",
                "web: first step not in the cache: COPY . . (4.2 s): app.py changed",
            ],
        ),
        (
            TransferFinished("shop-web:r5", 2, 7, 14_000_000, 4.1),
            ["shop-web:r5: 2 of 9 layers sent: 14.0 MB, 7 already on the server, 4.1 s"],
        ),
        (
            TransferFinished("shop-web:r5", 3, 9, 1_600_000, 3.1, 43_400_000, 2, 0, 520_000.0),
            [
                "shop-web:r5: 3 of 12 layers sent: 1.6 MB instead of 45.0 MB (2 as deltas), "
                "9 already on the server, 3.1 s"
            ],
        ),
        (
            TransferFinished("shop-web:r5", 9, 0, 48_000_000, 12.1, link_speed=5_900_000.0),
            ["shop-web:r5: 9 of 9 layers sent: 48.0 MB in 8.1 s (5.9 MB/s), 12 s in total"],
        ),
        (
            TransferFinished("shop-web:r5", 2, 7, 14_000_000, 4.1, server="a"),
            ["shop-web:r5: 2 of 9 layers sent: 14.0 MB, 7 already on the server, 4.1 s, to a"],
        ),
        (
            TransferFinished("shop-web:r5", 0, 9, 0, 4.1, server="b", bytes_fanned_out=14_000_000),
            ["shop-web:r5: 14.0 MB from another server, 4.1 s, to b"],
        ),
        (
            TransferFinished("shop-web:r5", 1, 2, 4_000, 0.2, 0, 1, 2, 20_000.0),
            ["shop-web:r5: 1 of 3 layers sent: 4.0 kB (1 as a delta), 2 kept by an earlier transfer, 0.2 s"],
        ),
        (
            TransferFinished("shop-web:r5", 0, 3, 0, 2.2, layers_kept=2),
            [
                "shop-web:r5: none of 3 layers sent, 1 already on the server, 2 kept by an earlier transfer, 2.2 s"
            ],
        ),
        (
            TransferFinished("shop-web:r5", 0, 9, 0, 0.1),
            ["shop-web:r5: nothing to send, the server has all 9 layers"],
        ),
        (BuildStep("web", "RUN make", "failed"), ["web: failed: RUN make"]),
        (StepInterrupted("start", "start x", "api"), ["api: interrupted: start x"]),
        (BuildStep("web", "RUN make", "done", 0.1), []),
        (BuildOutput("web", "RUN make", "cc -c x.c"), []),
        (HookOutput("web", "pre", "migrating"), []),
        (Draining("web", 0), []),
        (TransferStarted("shop-web:r5", 9, 9, 0), []),
        (
            TransferStarted("shop-web:r5", 9, 7, 45_100_000),
            ["shop-web:r5: sending 2 of 9 layers, 45.1 MB before compression"],
        ),
        (TransferProgress("shop-web:r5", 0, 1000, 0), ["shop-web:r5: 0.0/1.0 kB"]),
        (
            TransferProgress(
                "shop-web:r5", 9_300_000, 45_100_000, 200_000, 1, 3, "sha256:b", "delta", 6e6, 6.0
            ),
            ["shop-web:r5:  9.3/45.1 MB, 6.0 MB/s, 6.0 s left, layer 2/3, 200.0 kB sent as a delta"],
        ),
        (LayerFinished("shop-web:r5", "sha256:ab", "delta", 100, 5, 40), []),
    ],
)
def test_words(event: Event, expected: list[str]) -> None:
    """Each event has its sentence, and details have none without -v."""
    assert told(event) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            LayerFinished("i", "sha256:ab", "delta", 9000, 50, 4000),
            "9.0 kB: 50 B sent instead of 4.0 kB, as a delta",
        ),
        (LayerFinished("i", "sha256:ab", "delta", 9000, 4000, 4000), "9.0 kB: 4.0 kB sent, as a delta"),
        (LayerFinished("i", "sha256:ab", "whole", 9000, 4000, 4000), "9.0 kB: 4.0 kB sent"),
        (LayerFinished("i", "sha256:ab", "whole", 9000), "9.0 kB sent"),
        (
            LayerFinished("i", "sha256:ab", "kept", 9000, 0, 4000),
            "9.0 kB: kept on the server by an earlier transfer",
        ),
    ],
)
def test_with_v_each_layer_is_told(event: Event, expected: str) -> None:
    """With -v each layer has a line with its bytes, where they are known."""
    assert told(event, verbose=1) == [f"i: layer ab, {expected}"]


def test_a_long_wait_is_told_now_and_then() -> None:
    """A slow start has a line every ten seconds, a quick one has none."""
    probes = [Probed("web", "shop-web-r2", "connection refused", False, float(at), 30.0) for at in range(31)]
    assert told(*probes) == [
        "web: waiting until shop-web-r2 is healthy, 10 s of at most 30 s: connection refused",
        "web: waiting until shop-web-r2 is healthy, 20 s of at most 30 s: connection refused",
    ]
    assert told(*probes[:9], Probed("web", "shop-web-r2", "200", True, 11.0, 30.0)) == []


def test_output_is_shown_with_v() -> None:
    """With -v the output of builds and hooks is shown, without escape sequences."""
    events = (BuildOutput("web", "RUN x", "\x1b[1mloud\x1b[0m"), HookOutput("web", "pre", "migrating"))
    assert told(*events, verbose=1) == ["web | loud", "web pre hook | migrating"]


def test_progress_is_told_at_a_bearable_rate() -> None:
    """Thousands of progress events make one line every few seconds."""
    clock = Clock()
    transcript = Transcript(clock=clock)
    lines: list[Line] = []
    for done in range(1000):
        clock.now += INTERVAL / 100
        lines += transcript.lines(TransferProgress("shop-web:r5", done, 1000, done))
    lines += transcript.lines(TransferProgress("shop-web:r5", 1000, 1000, 1000))
    assert len(lines) == 10
    assert not any(line.lasting for line in lines)
