"""The accounts of a transfer: what is told while layers pass, and what it all came to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.events import Event, LayerFinished, TransferFinished, TransferProgress, TransferStarted
from ftl.image.transfer.progress.meter import ImageProgress, Meter
from ftl.image.transfer.progress.rate import WINDOW, Rate


class Clock:
    """Time that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def account(image: str, *needed: str, layers: int = 0, expected: int = 0, kept: str = "") -> ImageProgress:
    """An image of at least the layers that are needed; `kept` are one-letter names."""
    return ImageProgress(image, layers or len(needed), frozenset(needed), expected, frozenset(kept))


def progress(events: list[Event]) -> list[TransferProgress]:
    """The events of progress."""
    return [event for event in events if isinstance(event, TransferProgress)]


def layers(events: list[Event]) -> list[LayerFinished]:
    """The events about layers."""
    return [event for event in events if isinstance(event, LayerFinished)]


def test_progress_is_told_five_times_a_second() -> None:
    """However many pieces pass."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([account("web", "a", layers=2, expected=1000)], events.append, clock=clock)
    meter.start()
    meter.layer("a")
    for _ in range(100):
        clock.now += 0.01
        meter.passed(10)
    assert events[0] == TransferStarted("web", 2, 1, 1000)
    assert 4 <= len(progress(events)) <= 6


def test_progress_tells_the_layer_at_hand_its_speed_and_the_time_left() -> None:
    """A second into the second of two layers at 100 bytes a second, 500 of 1000 to go."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([account("web", "a", "b", expected=1000)], events.append, in_step=True, clock=clock)
    meter.layer("a")
    clock.now += 4
    meter.passed(400)
    meter.layer_done()
    meter.layer("b")
    meter.difference(30)
    clock.now += 1
    meter.passed(100)
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
def test_the_total_follows_what_passes(expected: int) -> None:
    """An estimate that was too small grows, one that was too large shrinks once the last layer is through."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([account("web", "a", expected=expected)], events.append, clock=clock)
    meter.layer("a")
    clock.now += 1
    meter.passed(50)
    meter.layer_done()
    meter.finish(2.0)
    (first, *others) = progress(events)
    assert (first.bytes_done, first.bytes_total) == (50, max(50, expected))
    assert {(event.bytes_done, event.bytes_total, event.seconds_left) for event in others} == {(50, 50, 0.0)}


def test_each_layer_is_told_with_what_it_cost() -> None:
    """One goes whole, one as a difference, one was kept: in bytes on the wire and what they would have been."""
    events: list[Event] = []
    meter = Meter([account("web", "a", "b", "c", layers=5, kept="c")], events.append, in_step=True)
    meter.start()
    meter.kept("c", 300, 90)
    meter.layer("a")
    meter.passed(100)
    meter.handed_over(40)
    meter.layer_done()
    meter.layer("b")
    meter.difference(60)
    meter.passed(200)
    meter.handed_over(5)
    meter.layer_done()
    (sent,) = meter.finish(1.0).values()
    assert events[0] == TransferStarted("web", 5, 3, 0, layers_kept=1)
    assert layers(events) == [
        LayerFinished("web", "c", "kept", 300, 0, 90),
        LayerFinished("web", "a", "whole", 100, 40, 40),
        LayerFinished("web", "b", "delta", 200, 5, 60),
    ]
    assert (sent.layers_sent, sent.layers_reused, sent.layers_delta, sent.layers_kept) == (2, 3, 1, 1)
    assert (sent.bytes_sent, sent.bytes_saved, sent.loaded) == (45, 55, True)


def test_a_difference_that_saved_nothing_takes_nothing_away() -> None:
    """What was saved by another layer stays saved."""
    meter = Meter([account("web", "a", "b")], lambda _: None, in_step=True)
    for layer, sent in (("a", 5), ("b", 500)):
        meter.layer(layer)
        meter.difference(60)
        meter.handed_over(sent)
        meter.layer_done()
    assert meter.finish(1.0)["web"].bytes_saved == 55


def test_in_one_compressed_stream_no_layer_is_said_to_cost_what_nobody_knows() -> None:
    """The bytes of a layer leave when others pass already, so they are told for the image alone."""
    events: list[Event] = []
    meter = Meter([account("web", "a")], events.append)
    meter.layer("a")
    meter.passed(100)
    meter.layer_done()
    meter.handed_over(40)
    assert meter.finish(1.0)["web"].bytes_sent == 40
    assert layers(events) == [LayerFinished("web", "a", "whole", 100, None, None)]


def test_the_speed_of_the_link_is_that_of_the_time_in_which_it_carried() -> None:
    """The engine's work after the last byte does not make a link slow, nor do bytes from before make it fast."""
    events: list[Event] = []
    clock = Clock()
    meter = Meter([account("web", "a")], events.append, sent=1000, clock=clock)
    meter.start()
    meter.layer("a")
    clock.now += 2
    meter.handed_over(600)
    meter.layer_done()
    clock.now += 58
    meter.finish(60.0)
    assert events[-1] == TransferFinished("web", 1, 0, 1600, 60.0, link_speed=300.0)


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=4),
    st.integers(0, 10**9),
    st.booleans(),
)
def test_accounts_share_all_bytes_out(sizes: list[tuple[int, int]], in_vain: int, in_step: bool) -> None:
    """What the images are said to have cost is what went over the wire, but for rounding."""
    accounts = [account(str(place), str(place)) for place in range(len(sizes))]
    meter = Meter(accounts, lambda _: None, sent=in_vain, in_step=in_step)
    for place, (size, compressed) in enumerate(sizes):
        meter.layer(str(place))
        meter.passed(size)
        meter.handed_over(compressed)
        meter.layer_done()
    sent = in_vain + sum(compressed for _, compressed in sizes)
    total = sum(image.bytes_sent for image in meter.finish(1.0).values())
    assert sent - len(sizes) < total <= sent


def test_speed_and_time_left_follow_the_last_seconds() -> None:
    """What slows down says so: its speed is that of the last seconds, not of the whole."""
    rate = Rate()
    assert (rate.speed, rate.left(1000)) == (0.0, None)
    for second, done in enumerate((0, 100, 200, 300, 310, 320, 330, 340, 350, 360)):
        rate.sample(second, done)
    assert WINDOW == 5
    assert (rate.speed, rate.left(1000), rate.left(100)) == (10.0, 64.0, 0.0)
