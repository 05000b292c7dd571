"""Text for a transfer's progress."""

from __future__ import annotations

import pytest

from ftl.events import TransferProgress
from ftl.ui.reporters.transfers import progress, total


@pytest.mark.parametrize(("left", "words"), [(None, False), (50.0, True)])
def test_several_images_have_a_time_left_as_soon_as_the_current_one_has(
    left: float | None, words: bool
) -> None:
    """Before its rate is measured, its speed says nothing of all others either."""
    current = TransferProgress("web", 100, 600, 10, 0, 1, "a", "whole", 10.0, left)
    other = TransferProgress("jobs", 0, 500, 0, 0, 1)
    both = total([current, other])
    assert both.seconds_left == (100.0 if words else None)
    assert any("left" in part for part in progress(both)) is words
