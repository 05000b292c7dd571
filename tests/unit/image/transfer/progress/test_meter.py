"""Tests of a transfer's progress: events while layers are sent, and the results."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.events import Event, LayerFinished, TransferFinished, TransferProgress, TransferStarted
from ftl.image.transfer.progress.meter import RATE_WINDOW, ImageProgress, Meter, Rate


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def image(name: str, *needed: str, layers: int = 0, expected: int = 0, cached: str = "") -> ImageProgress:
    """An image of at least the needed layers; `cached` are layers whose names have one letter."""
    return ImageProgress(name, layers or len(needed), frozenset(needed), expected, frozenset(cached))


def progress(events: list[Event]) -> list[TransferProgress]:
    """The progress events."""
    return [event for event in events if isinstance(event, TransferProgress)]


def layers(events: list[Event]) -> list[LayerFinished]:
    """The events of finished layers."""
    return [event for event in events if isinstance(event, LayerFinished)]


def test_progress_is_emitted_five_times_a_second() -> None:
    """However many chunks are read."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([image("web", "a", layers=2, expected=1000)], events.append, clock=clock)
    meter.start()
    meter.layer_started("a")
    for _ in range(100):
        clock.now += 0.01
        meter.bytes_read(10)
    assert events[0] == TransferStarted("web", 2, 1, 1000)
    assert 4 <= len(progress(events)) <= 6


def test_progress_has_the_current_layer_its_speed_and_the_time_left() -> None:
    """A second into the second of two layers at 100 bytes a second, 500 of 1000 to go."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([image("web", "a", "b", expected=1000)], events.append, exact_layers=True, clock=clock)
    meter.layer_started("a")
    clock.now += 4
    meter.bytes_read(400)
    meter.layer_finished()
    meter.layer_started("b")
    meter.layer_is_delta(30)
    clock.now += 1
    meter.bytes_read(100)
    assert progress(events)[-1] == TransferProgress(
        "web",
        bytes_done=500,
        bytes_total=1000,
        bytes_sent=0,
        layers_done=1,
        layers_total=2,
        layer="b",
        way="delta",
        speed=100.0,
        seconds_left=5.0,
    )


@pytest.mark.parametrize("expected", [10, 90])
def test_the_total_follows_what_is_read(expected: int) -> None:
    """An estimate that is too small grows, one that is too large shrinks after the last layer."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([image("web", "a", expected=expected)], events.append, clock=clock)
    meter.layer_started("a")
    clock.now += 1
    meter.bytes_read(50)
    meter.layer_finished()
    meter.finish(2.0)
    (first, *others) = progress(events)
    assert (first.bytes_done, first.bytes_total) == (50, max(50, expected))
    assert {(event.bytes_done, event.bytes_total, event.seconds_left) for event in others} == {(50, 50, 0.0)}


def test_each_layer_is_reported_with_its_bytes() -> None:
    """A whole one, a delta and a cached one: with the bytes sent, and those that a whole layer would take."""
    events: list[Event] = []
    meter = Meter([image("web", "a", "b", "c", layers=5, cached="c")], events.append, exact_layers=True)
    meter.start()
    meter.layer_cached("c", 300, 90)
    meter.layer_started("a")
    meter.bytes_read(100)
    meter.bytes_sent(40)
    meter.layer_finished()
    meter.layer_started("b")
    meter.layer_is_delta(60)
    meter.bytes_read(200)
    meter.bytes_sent(5)
    meter.layer_finished()
    (result,) = meter.finish(1.0).values()
    assert events[0] == TransferStarted("web", 5, 3, 0, layers_kept=1)
    assert layers(events) == [
        LayerFinished("web", "c", "kept", 300, 0, 90),
        LayerFinished("web", "a", "whole", 100, 40, 40),
        LayerFinished("web", "b", "delta", 200, 5, 60),
    ]
    assert (result.layers_sent, result.layers_reused) == (2, 3)
    assert (result.layers_delta, result.layers_kept) == (1, 1)
    assert (result.bytes_sent, result.bytes_saved, result.loaded) == (45, 55, True)


def test_a_delta_that_is_larger_than_the_layer_saves_nothing() -> None:
    """What another delta has saved is still counted."""
    meter = Meter([image("web", "a", "b")], lambda _: None, exact_layers=True)
    for layer, sent in (("a", 5), ("b", 500)):
        meter.layer_started(layer)
        meter.layer_is_delta(60)
        meter.bytes_sent(sent)
        meter.layer_finished()
    assert meter.finish(1.0)["web"].bytes_saved == 55


def test_in_one_compressed_stream_bytes_are_reported_for_the_image_alone() -> None:
    """A layer's bytes are sent when the next layer is already being read."""
    events: list[Event] = []
    meter = Meter([image("web", "a")], events.append)
    meter.layer_started("a")
    meter.bytes_read(100)
    meter.layer_finished()
    meter.bytes_sent(40)
    assert meter.finish(1.0)["web"].bytes_sent == 40
    assert layers(events) == [LayerFinished("web", "a", "whole", 100, None, None)]


def test_the_link_speed_counts_only_the_time_of_sending() -> None:
    """The engine's work after the last byte does not count, nor do bytes of an earlier attempt."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([image("web", "a")], events.append, sent=1000, clock=clock)
    meter.start()
    meter.layer_started("a")
    clock.now += 2
    meter.bytes_sent(600)
    meter.layer_finished()
    clock.now += 58
    meter.finish(60.0)
    assert events[-1] == TransferFinished("web", 1, 0, 1600, 60.0, link_speed=300.0)


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=4),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_images_share_all_bytes(sizes: list[tuple[int, int]], earlier: int, exact: bool) -> None:
    """The images' bytes add up to the bytes that were sent, but for rounding."""
    images = [image(str(index), str(index)) for index in range(len(sizes))]
    meter = Meter(images, lambda _: None, sent=earlier, exact_layers=exact)
    for index, (size, compressed) in enumerate(sizes):
        meter.layer_started(str(index))
        meter.bytes_read(size)
        meter.bytes_sent(compressed)
        meter.layer_finished()
    sent = earlier + sum(compressed for _, compressed in sizes)
    total = sum(result.bytes_sent for result in meter.finish(1.0).values())
    assert sent - len(sizes) < total <= sent


def test_speed_and_time_left_follow_the_last_seconds() -> None:
    """The speed is that of the last seconds, not of the whole transfer."""
    rate = Rate()
    assert (rate.speed, rate.seconds_left(1000)) == (0.0, None)
    for second, done in enumerate((0, 100, 200, 300, 310, 320, 330, 340, 350, 360)):
        rate.sample(second, done)
    assert RATE_WINDOW == 5
    assert (rate.speed, rate.seconds_left(1000), rate.seconds_left(100)) == (10.0, 64.0, 0.0)


@pytest.mark.parametrize(
    ("samples", "left"),
    [
        ([(0, 0), (0.2, 2_000)], None),
        ([(0, 0), (1.9, 1 << 20)], None),
        ([(0, 0), (2, 100_000)], None),
        ([(0, 0), (0.5, 100_000), (2, 1 << 20)], 198.0),
        ([(0, 1 << 20), (2, (1 << 20) + 1000)], None),
    ],
    ids=["first bytes", "a second", "few bytes", "two seconds", "few bytes of a later layer"],
)
def test_the_time_left_is_unknown_until_a_rate_is_measured(
    samples: list[tuple[float, int]], left: float | None
) -> None:
    """A link that is being set up had hours to go: 100 MB at the 10 kB/s of the first bytes."""
    rate = Rate()
    for now, done in samples:
        rate.sample(now, done)
    assert rate.seconds_left(100 << 20) == left


def test_the_first_progress_has_no_time_left() -> None:
    """And later progress of the same layer has one."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([image("web", "a", expected=100 << 20)], events.append, exact_layers=True, clock=clock)
    meter.layer_started("a")
    for _ in range(30):
        clock.now += 0.1
        meter.bytes_read(100_000)
    known = [event.seconds_left is not None for event in progress(events)]
    assert known == sorted(known)
    assert (known[0], known[-1]) == (False, True)
