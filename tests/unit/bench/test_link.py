"""The arithmetic of the benchmark over distances."""

from __future__ import annotations

import pytest
from bench.link import slope


def test_the_slope_is_of_the_line_through_the_points() -> None:
    """Seconds for each second of distance, wherever the line begins; points off the line are averaged."""
    assert slope({0.0: 2.0, 0.05: 2.4, 0.1: 2.8}) == pytest.approx(8)
    assert slope({0.0: 2.0, 1.0: 2.0, 2.0: 5.0}) == pytest.approx(1.5)
