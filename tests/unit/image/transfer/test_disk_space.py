"""Tests of the errors for a disk that is too small."""

from __future__ import annotations

import pytest

from ftl.engine.values import DiskUsage
from ftl.image.transfer.disk_space import not_enough_space, reclaim_hint, space_estimate


@pytest.mark.parametrize(
    ("usage", "cached", "expected"),
    [
        (DiskUsage(0, 0), 0, ["everything that Docker holds there is in use"]),
        (DiskUsage(999_999, 999_999), 999_999, ["everything that Docker holds there is in use"]),
        (DiskUsage(1_200_000_000, 0), 0, ["`docker image prune --all` there frees about 1.2 GB"]),
        (
            DiskUsage(1_200_000_000, 300_000_000),
            320_000_000,
            [
                "frees about 1.2 GB",
                "`docker builder prune` there frees about 300.0 MB",
                "keeps 320.0 MB of layers",
            ],
        ),
    ],
)
def test_the_hint_names_what_is_worth_freeing(usage: DiskUsage, cached: int, expected: list[str]) -> None:
    """Each command comes with what it frees; small amounts are left out."""
    hints = reclaim_hint(usage, cached).split("; ")
    assert len(hints) == len(expected)
    assert all(text in hint for text, hint in zip(expected, hints, strict=True))


def test_the_error_says_how_much_is_missing() -> None:
    """The amount is rounded up, so that it is enough to free that much."""
    error = not_enough_space("shop.example.com", 700_000_001, 600_000_000)
    assert error.message == "shop.example.com has too little disk space for the image"
    assert error.cause == "at least 701 MB needed, 600 MB free: 101 MB missing"
    assert space_estimate(700_000_001, 600_000_000).endswith(
        "about 701 MB there while it is loaded, 600 MB were free"
    )
