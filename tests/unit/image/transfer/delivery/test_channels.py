"""How many channels a link is worth."""

from __future__ import annotations

import pytest

from ftl.image.transfer.delivery.channels import lanes_for


@pytest.mark.parametrize(
    ("speed", "round_trip", "lanes"),
    [
        pytest.param(None, 0.2, 1, id="unknown"),
        pytest.param(34e6, 0.05, 3, id="limited-by-the-round-trip"),
        pytest.param(12.5e6, 0.03, 1, id="limited-by-the-link"),
        pytest.param(500e6, 0.0005, 1, id="next-door"),
        pytest.param(8e6, 0.25, 3, id="another-continent"),
    ],
)
def test_more_than_one_where_the_round_trip_limits_it(
    speed: float | None, round_trip: float, lanes: int
) -> None:
    """A channel that carries what its window lets it is not as fast as the link may be."""
    assert lanes_for(speed, round_trip) == lanes
