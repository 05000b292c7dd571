"""The benchmark of the switch sees what goes wrong with a stream."""

from __future__ import annotations

import pytest
from bench.switch import Ends
from lab.streams import Stream

DRAIN = 8.0
SWITCHED = 100.0


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (Stream("socket", versions={"v1"}, clean=True, ended=SWITCHED + 8.1), None),
        (Stream("events", versions={"v1"}, clean=True, ended=SWITCHED + 30), None),
        (Stream("events", versions={"v1"}, clean=True, ended=SWITCHED + 3), "3.00 s after the switch"),
        (Stream("socket", versions={"v1"}, clean=False, ended=SWITCHED + 9, reason="reset"), "reset"),
        (Stream("socket", versions={"v2"}, clean=True, ended=SWITCHED + 9), "while its release was live"),
        (Stream("socket", clean=True, ended=SWITCHED + 9), "while its release was live"),
        (Stream("socket", versions={"v0"}, clean=True, ended=SWITCHED + 1), None),
    ],
)
def test_streams_are_judged_by_their_own_release(stream: Stream, why: str | None) -> None:
    """A stream may end properly, once its own release was replaced and drain_timeout is over; else it was cut."""
    ends = Ends(DRAIN, replaced={"v0": SWITCHED - 20, "v1": SWITCHED})
    ends.note(stream)
    assert ends.ended == 1
    if why is None:
        assert ends.cut == []
    else:
        assert why in ends.cut[0]
