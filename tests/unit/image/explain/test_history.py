"""The output of `docker history`: which entries are layers, and in which order."""

from __future__ import annotations

import json

import pytest

from ftl.image.explain.history import HistoryEntry, parse_history


@pytest.mark.parametrize(
    ("created_by", "is_layer"),
    [
        ("RUN /bin/sh -c make # buildkit", True),
        ("COPY . . # buildkit", True),
        ("WORKDIR /app", True),
        ("ENV A=1", False),
        ('CMD ["x"]', False),
    ],
)
def test_only_entries_that_made_a_layer_are_matched_with_steps(created_by: str, is_layer: bool) -> None:
    """BuildKit names the instruction of each entry; those that change only the config are not layers."""
    assert HistoryEntry(created_by, 1).makes_layer is is_layer


def test_the_history_is_returned_oldest_first() -> None:
    """The docker CLI prints the newest entry first, one JSON object per line; other lines are skipped."""
    lines = [
        json.dumps({"CreatedBy": name, "Size": size}) for name, size in (("RUN b", "20"), ("RUN a", "10"))
    ]
    assert parse_history([*lines, "not json", ""]) == (HistoryEntry("RUN a", 10), HistoryEntry("RUN b", 20))
